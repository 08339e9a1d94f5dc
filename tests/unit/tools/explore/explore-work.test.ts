import { expect, it } from 'vitest';
import { exploreLitmus } from '../../../../tools/explore/explore-work.js';
import { readLitmusFile } from '../../../../tools/explore/litmus-file.js';
import { missingOf } from '../../../../tools/explore/missing-outcomes.js';

it('draws for what a real kernel showed and a search that is cut off has not reached', () => {
  const test = readLitmusFile('tests/litmus/late-litmus.jsonl').find(({ name }) => name === 'three-of-sys-load')!;
  const how = {
    path: 'posted-late',
    profile: '6.12',
    strategy: 'dpor',
    budget: 400,
    seed: 1,
    isChecked: false,
  } as const;
  const missed = (recorded: typeof test.recorded): number => {
    const { outcomes, schedules, verdict } = exploreLitmus({ ...test, recorded }, how);
    expect([schedules, verdict]).toEqual([how.budget, 'budget']);
    return missingOf(test.recorded!, new Map([...outcomes].map(([outcome, { schedules }]) => [outcome, schedules])))
      .length;
  };
  expect(missed(test.recorded)).toBeLessThan(missed(null));
});
