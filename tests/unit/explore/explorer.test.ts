import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { explore } from '../../../driver/explore/index.js';
import { isLong } from '../../counts.js';
import { type MachineOp, MachineRace } from './machine-race.js';

const op = (what: MachineOp['what'], which = 0): MachineOp => ({ what, page: 0, npages: 1, which });

const FEW = isLong ? 10_000 : 1000;
const MANY = isLong ? 1_000_000 : 10_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes in use after so many schedules. */
function heapAfter(race: MachineRace, schedules: number): number {
  explore(race, { strategy: 'random', budget: schedules, isChecked: false });
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

it('needs no more memory for many schedules than for some', () => {
  const race = new MachineRace({
    path: 'classic',
    pages: 1,
    hasSwap: false,
    hasChild: false,
    setup: [],
    threads: [[op('store')], [op('store', 1)]],
  });
  const few = heapAfter(race, FEW);
  expect(heapAfter(race, MANY) / few).toBeLessThan(1.2);
});

it('says how many schedules differ, and how likely a drawn one is to show what is looked for', () => {
  const race = new MachineRace({
    path: 'classic',
    pages: 1,
    hasSwap: false,
    hasChild: false,
    setup: [op('store')],
    threads: [[op('store')], [op('load')]],
  });
  const dpor = explore(race);
  const all = explore(race, { strategy: 'all' });
  expect([dpor.verdict, all.verdict]).toEqual(['complete', 'complete']);
  expect(dpor.inequivalent).toBeLessThanOrEqual(dpor.schedules);
  expect(all).not.toHaveProperty('inequivalent');
  expect(dpor.schedules).toBeLessThan(all.schedules);
  const pct = explore(race, { strategy: 'pct', depth: 2, budget: 100 });
  expect(pct.verdict).toBe('budget');
  expect(pct.guarantee).toBeGreaterThan(0);
  expect(pct.guarantee).toBeLessThanOrEqual(1 / 4);
  expect([...pct.outcomes.keys()].sort()).toEqual([...dpor.outcomes.keys()].sort());
  const bounded = [0, 1, 2].map((preemptions) => explore(race, { strategy: 'bounded', preemptions }));
  expect(bounded.map(({ verdict }) => verdict)).toContain('bound');
  expect([...bounded[2]!.outcomes.keys()].sort()).toEqual([...dpor.outcomes.keys()].sort());
});
