import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../driver/core/prng.js';
import { Director, type Strategy } from '../../../driver/explore/director.js';
import { explored } from '../../../driver/explore/explorer.js';
import type { Race } from '../../../driver/explore/index.js';
import { LineStrategy } from '../../../driver/explore/line.js';
import { RandomStrategy } from '../../../driver/explore/random-strategy.js';
import { MachineSubject } from '../../../driver/explore/subject.js';
import { raceOf } from '../../../tools/explore/explore-work.js';
import { namedTests } from '../../../tools/explore/shipped-tests.js';
import { count, runs, stride } from '../../counts.js';
import { type MachineProgram, MachineRace, machineProgram } from './machine-race.js';
import { Recorded } from './recorded.js';

const ORDERS = 4;

/** Behind it all run in turn, whatever the order was to be. */
const STEP_LIMIT = 20_000;

/** What one schedule of a strategy comes to, step by step. */
function record(race: Race, strategy: Strategy) {
  const recorded = new Recorded(strategy);
  const director = new Director(recorded);
  const subject = new MachineSubject(race, director, { stepLimit: STEP_LIMIT, isChecked: false });
  try {
    recorded.begins();
    return { recorded, result: JSON.stringify(explored(subject, director)) };
  } finally {
    subject.release();
  }
}

/** Three invalidations at a time, of which any can be the last to end. */
const OVERLAPPING: [MachineProgram, number] = [
  {
    ...{ path: 'classic', pages: 2, hasSwap: false, hasChild: true },
    setup: [{ what: 'MIGRATE_TO_DEV', page: 1, npages: 1, which: 0 }],
    threads: [
      [{ what: 'load', page: 1, npages: 1, which: 0 }],
      [{ what: 'READ', page: 1, npages: 1, which: 0 }],
      [{ what: 'MIGRATE_TO_SYS', page: 0, npages: 1, which: 0 }],
    ],
  },
  627835279,
];

/** Schedules of the race that differ only in the order of such steps must come to the same, step by step. */
function expectSameInOtherOrders(race: Race, seed: number): void {
  const { recorded, result } = record(race, new RandomStrategy(seed, 1));
  // It ends the schedule, however far the others are.
  if (result.includes('"kind":"oops"')) return;
  expect(recorded.order.events).toBeLessThan(STEP_LIMIT);
  const prng = new Prng(seed);
  const texts = recorded.texts();
  for (let n = 0; n < ORDERS; n++) {
    const { line, events } = recorded.otherLine((bound) => prng.below(bound));
    const again = record(race, new LineStrategy(line));
    expect(again.recorded.texts()).toEqual(events.map((event) => texts[event]));
    expect(again.result).toBe(result);
  }
}

/** Of all tests every so manieth. */
const library = namedTests(['*']).filter((_, i) => i % stride(16, 64) === 0);

/** Steps that touch nothing in common come to the same in any order, or something that tasks share is not observed. */
describe('steps whose footprints have nothing in common', () => {
  it.each([
    [2, 2, runs(6, 40)],
    [3, 1, { ...runs(3, 20), examples: [OVERLAPPING] }],
  ])('may be run in another order, %i tasks of up to %i calls', (tasks, ops, parameters) => {
    fc.assert(
      fc.property(machineProgram(tasks, { ops, pages: 2 }), fc.nat(), (program, seed) => {
        expectSameInOtherOrders(new MachineRace(program), seed);
      }),
      parameters,
    );
  });

  // Who gives a vma its anon_vma first: seed 9 has the other look at it behind that.
  it.each([['hole-onf-onf1', 9], ...library.map(({ name }) => [name, 1] as const)] as const)(
    'may be run in another order in %s',
    (name, first) => {
      const [test] = namedTests([name]);
      const race = raceOf(test!, { path: 'unified', profile: test!.profile ?? '6.12' });
      for (let seed = first; seed < first + count(1, 2); seed++) expectSameInOtherOrders(race, seed);
    },
  );
});
