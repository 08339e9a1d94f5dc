import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { seenOf } from '../../tools/explore/explore-report.js';
import { exploreLitmus } from '../../tools/explore/explore-work.js';
import { conformLitmus } from '../../tools/explore/litmus-conform.js';
import { readLitmusFile } from '../../tools/explore/litmus-file.js';
import { neverSeenKind, neverSeenLines } from '../../tools/explore/never-seen.js';
import { count, isFull, isLong } from '../counts.js';

const RECORDED = readLitmusFile(join(import.meta.dirname, '../litmus/recorded.jsonl'));
/** Every so manieth test where not all are taken. */
const SAMPLE = 12;
const SEARCHES = [
  { strategy: 'dpor', budget: 3000 },
  { strategy: 'random', budget: 4000 },
  { strategy: 'bounded', budget: 1500, preemptions: 3 },
] as const;
const tests = RECORDED.filter((_, i) => isFull || i % SAMPLE === 0);

describe('races of a real kernel', () => {
  it.each(tests.map((test) => [test.name, test] as const))('%s: each outcome is reached', (_name, test) => {
    const how = {
      path: 'classic',
      profile: '6.12',
      budget: count(20_000, 120_000),
      seed: 1,
      isChecked: false,
    } as const;
    const { missing, serial, findings, extra } = conformLitmus(test, how, () => 0);
    const unjudged = extra.map(([outcome]) => outcome).filter((outcome) => !neverSeenKind(test.name, outcome));
    const nothing = { missing: [], serial: [], findings: [], unjudged: [] };
    expect({ missing, serial, findings, unjudged }).toEqual(nothing);
  });

  it('has 302 outcomes of 86 races', () => {
    expect(RECORDED).toHaveLength(86);
    expect(RECORDED.reduce((sum, { recorded }) => sum + recorded!.outcomes.size, 0)).toBe(302);
  });
});

if (isLong)
  // What is registered is what these come to, as far as no kernel showed it.
  it('the register of what was never seen is current', () => {
    const found = RECORDED.map((test) => {
      const outcomes = SEARCHES.flatMap((search) => [
        ...exploreLitmus(test, {
          path: 'classic',
          profile: '6.12',
          seed: 7,
          isChecked: false,
          ...search,
        }).outcomes.keys(),
      ]);
      return {
        test: test.name,
        outcomes: [...new Set(outcomes)].filter((outcome) => seenOf(test, outcome).seen === 0),
      };
    });
    const registered = neverSeenLines().flatMap(({ test, ...byKind }) =>
      Object.values(byKind).flatMap((outcomes) => outcomes.map((outcome) => `${test} ${outcome}`)),
    );
    const all = found.flatMap(({ test, outcomes }) => outcomes.map((outcome) => `${test} ${outcome}`));
    expect(all.sort()).toEqual(registered.sort());
  });
