import { expect, it } from 'vitest';
import { reportOf } from '../../../../tools/explore/explore-report.js';
import { exploreLitmus } from '../../../../tools/explore/explore-work.js';
import { type Conditions, type Litmus, NO_CONDITIONS } from '../../../../tools/explore/litmus-file.js';

const HOW = { path: 'classic', profile: '6.12', strategy: 'dpor', budget: 300, seed: 1, isChecked: true } as const;

const raceOf = (...threads: string[][]): Litmus => ({
  name: 'race',
  setup: ['open 0 0', 'map 0 0 0 1 anon rw'],
  ...{ threads, observe: [], conditions: NO_CONDITIONS, recorded: null },
});

it('does not come back from an op whose process another thread has ended', () => {
  const { outcomes, findings, verdict } = exploreLitmus(raceOf(['load 0 0 0 1'], ['exit 0']), HOW);
  expect(findings).toEqual([]);
  expect(verdict).toBe('complete');
  expect([...outcomes.keys()].sort()).toEqual(['0 1 0 | - => ', 'none | - => ']);
});

it.each([
  [['open 0 1'], ['dm 0 1 READ 0 0 1'], "threads[1] uses device 1, which 'open 0 1' of threads[0] makes"],
  [['load 1 0 0 1'], ['fork 0 1'], "threads[0] uses process 1, which 'fork 0 1' of threads[1] makes"],
  [['load 9 0 0 1'], ['load 0 0 0 1'], "'load 9 0 0 1' names process 9, which no op makes"],
])('refuses what is no race of the kernel: %j beside %j', (first, second, message) => {
  expect(() => exploreLitmus(raceOf(first, second), HOW)).toThrow(message);
});

it('takes many threads, and says how many', () => {
  const readers = (count: number): string[][] => Array.from({ length: count }, () => ['dm 0 0 SNAPSHOT 0 0 1']);
  const { outcomes } = exploreLitmus(raceOf(...readers(12)), { ...HOW, budget: 1 });
  expect([...outcomes.keys()]).toEqual([`${Array(12).fill('0 1 0 00').join(' | ')} => `]);
  expect(() => exploreLitmus(raceOf(...readers(13)), HOW)).toThrow('race: 13 threads, and at most 12 can race');
});

it('meets conditions that are written as outcomes are printed, where nothing is observed', () => {
  const test = raceOf(['load 0 0 0 1'], ['exit 0']);
  const how = { ...HOW, conditions: test.conditions };
  const problemsOf = (conditions: Partial<Conditions>): string[] => {
    const of = { ...test, conditions: { ...NO_CONDITIONS, ...conditions } };
    return reportOf(of, exploreLitmus(of, how), { how, ms: 0 }).problems.map(({ what }) => what);
  };
  expect(problemsOf({ forbid: ['none | - =>'] })).toEqual(['forbidden: none | - => ']);
  expect(problemsOf({ require: ['none*=>'], allow: ['none | - =>', '0 1 0 | - => *'] })).toEqual([]);
});

it('ends with what it has when it is told to stop', () => {
  const test = raceOf(['store 0 0 0 1 1'], ['dm 0 0 READ 0 0 1'], ['advise 0 0 0 1 DONTNEED']);
  const all = exploreLitmus(test, HOW);
  let asked = 0;
  const { isCut, schedules, outcomes, findings } = exploreLitmus(test, HOW, () => ++asked > 20);
  expect([isCut, schedules, findings]).toEqual([true, 20, []]);
  expect([...all.outcomes.keys()]).toEqual(expect.arrayContaining([...outcomes.keys()]));
  expect(exploreLitmus(test, HOW, () => true)).toMatchObject({ isCut: true, schedules: 0 });
});
