import { expect, it } from 'vitest';
import { explore, shrinkRace } from '../../../driver/explore/index.js';
import { type MachineOp, type MachineProgram, MachineRace } from './machine-race.js';

const op = (what: MachineOp['what'], page = 0, npages = 1): MachineOp => ({ what, page, npages, which: 0 });

/** A wake-up is lost; most of this has nothing to do with it. */
const PROGRAM: MachineProgram = {
  path: 'classic',
  pages: 2,
  hasSwap: false,
  hasChild: false,
  setup: [op('store'), op('store', 1)],
  threads: [[op('load', 1), op('READ')], [op('dontneed')]],
};

function raceOf(program: MachineProgram): MachineRace {
  const race = new MachineRace(program);
  race.machine.kernel.defects.wakeupLost = true;
  return race;
}

const without = <T>(list: readonly T[]): T[][] => list.map((_, i) => list.filter((_item, other) => other !== i));

function* smaller(program: MachineProgram): Generator<MachineProgram> {
  for (const [t, thread] of program.threads.entries())
    for (const less of without(thread)) yield { ...program, threads: program.threads.with(t, less) };
  for (const setup of without(program.setup)) yield { ...program, setup };
}

it('makes a race smaller as long as it shows the same, with the fewest preemptions', () => {
  const race = raceOf(PROGRAM);
  const found = explore(race, { budget: 2000 }).findings.find(({ kind }) => kind === 'lost wake-up');
  expect(found).toBeDefined();
  const { test, finding } = shrinkRace(PROGRAM, found!, { raceOf, smaller, budget: 3000 });
  expect(test.threads).toEqual([[op('READ')], [op('dontneed')]]);
  expect(test.setup).toEqual([]);
  const again = explore(raceOf(test), { strategy: 'replay', choices: finding.witness });
  expect(again.findings.map(({ kind }) => kind)).toEqual(['lost wake-up']);
  expect(finding.witness.filter((choice) => choice > 0).length).toBeLessThanOrEqual(2);
});

it('tries again what only a larger race could not do without', () => {
  // The defect is there unless the first is gone and the second is not.
  const racing = ({ first, second }: { first: boolean; second: boolean }): MachineRace => {
    const race = raceOf(PROGRAM);
    race.machine.kernel.defects.wakeupLost = first || !second;
    return race;
  };
  function* fewer(of: { first: boolean; second: boolean }): Generator<typeof of> {
    if (of.first) yield { ...of, first: false };
    if (of.second) yield { ...of, second: false };
  }
  const whole = { first: true, second: true };
  const found = explore(racing(whole), { budget: 2000 }).findings.find(({ kind }) => kind === 'lost wake-up');
  const { test } = shrinkRace(whole, found!, { raceOf: racing, smaller: fewer, budget: 3000 });
  expect(test).toEqual({ first: false, second: false });
});
