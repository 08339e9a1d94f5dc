import { expect, it } from 'vitest';
import { explore, raceFaults, withFault } from '../../../driver/explore/index.js';
import { isLong } from '../../counts.js';
import { type MachineOp, MachineRace } from './machine-race.js';

const op = (what: MachineOp['what']): MachineOp => ({ what, page: 0, npages: 1, which: 0 });

it('explores a race with each failure that it can meet, and every schedule of that leaves the machine whole', () => {
  const race = new MachineRace({
    path: 'classic',
    pages: 1,
    hasSwap: false,
    hasChild: false,
    setup: [op('store')],
    threads: [[op('MIGRATE_TO_DEV')], [op('load')]],
  });
  const clean = explore(race);
  const faults = raceFaults(race, { schedules: 20, seed: 1 });
  expect(faults).toContainEqual({ point: 'copy_to_user', phase: 'call', nth: 1, returns: 'EFAULT' });
  const some = isLong ? faults : faults.filter(({ point }) => point.startsWith('copy_'));
  const isFailed = some.map((fault) => {
    const { outcomes, findings, verdict } = explore(withFault(race, fault), { budget: 3000 });
    expect(findings, JSON.stringify(fault)).toEqual([]);
    expect(verdict).toBe('complete');
    return [...outcomes.keys()].some((outcome) => !clean.outcomes.has(outcome));
  });
  expect(isFailed).toContain(true);
  // Nothing of a failure is left.
  expect([...explore(race).outcomes.keys()].sort()).toEqual([...clean.outcomes.keys()].sort());
});
