import { expect, it } from 'vitest';
import { exploreLitmus } from '../../../../tools/explore/explore-work.js';
import { type Litmus, NO_CONDITIONS } from '../../../../tools/explore/litmus-file.js';

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

it('ends with what it has when it is told to stop', () => {
  const test = raceOf(['store 0 0 0 1 1'], ['dm 0 0 READ 0 0 1'], ['advise 0 0 0 1 DONTNEED']);
  const all = exploreLitmus(test, HOW);
  let asked = 0;
  const { isCut, schedules, outcomes, findings } = exploreLitmus(test, HOW, () => ++asked > 20);
  expect([isCut, schedules, findings]).toEqual([true, 20, []]);
  expect([...all.outcomes.keys()]).toEqual(expect.arrayContaining([...outcomes.keys()]));
  expect(exploreLitmus(test, HOW, () => true)).toMatchObject({ isCut: true, schedules: 0 });
});
