// Where a posting of the series comes to other outcomes than `unified`: each such test, and what explains it.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { reportOf } from '../../tools/explore/explore-report.js';
import { exploreLitmus } from '../../tools/explore/explore-work.js';
import { onFaultTests } from '../../tools/series/races.js';
import { isLong, stride } from '../counts.js';

const FILE = join(import.meta.dirname, 'postings.jsonl');
const PATHS = ['posted-v1', 'posted-late'] as const;
type Path = (typeof PATHS)[number];
/** Sets are compared where there are no more schedules than that. */
const MOST_SCHEDULES = 100;

/** What explains a difference: a row, a defect, or the races of docs/series.md. */
type Why = 'races' | 'row 3: did not move' | 'V2: mirrorsStructPages' | 'V6: stale mirror';

interface Row {
  readonly test: string;
  readonly path: Path;
  readonly why: readonly Why[];
  /** Outcomes of the posting alone, and of `unified` alone. */
  readonly only: readonly string[];
  readonly never: readonly string[];
}

/** All outcomes, null where they are too many. */
function outcomesOf(name: string, path: Path | 'unified'): readonly string[] | null {
  const test = onFaultTests().find((each) => each.name === name)!;
  const how = { path, profile: '6.12', strategy: 'dpor', budget: MOST_SCHEDULES, seed: 1, isChecked: false } as const;
  const { verdict, outcomes } = exploreLitmus(test, how);
  return verdict === 'complete' ? [...outcomes.keys()].sort() : null;
}

function rowsOf(test: string): Row[] {
  const repaired = outcomesOf(test, 'unified');
  if (repaired === null) return [];
  return PATHS.flatMap((path) => {
    const posted = outcomesOf(test, path);
    if (posted === null) return [];
    const only = posted.filter((outcome) => !repaired.includes(outcome));
    const never = repaired.filter((outcome) => !posted.includes(outcome));
    return only.length + never.length === 0 ? [] : [{ test, path, why: whyOf(only, never), only, never }];
  });
}

/**
 * `races`: some schedules hang, and all do where nothing else is left. Row 3: -2, but v1 answers 0 with what hmm reported.
 * V2: an oops. V6: the same answer of the call, and v1's mirror keeps what an invalidation should have taken.
 */
function whyOf(only: readonly string[], never: readonly string[]): Why[] {
  const answers = (outcomes: readonly string[]): Set<string> =>
    new Set(outcomes.map((outcome) => outcome.split(' => ')[0]!));
  const own = only.filter((outcome) => outcome !== 'hang' && !outcome.startsWith('oops'));
  const repaired = answers(never);
  return [
    ...(only.includes('hang') || only.length === 0 ? (['races'] as const) : []),
    ...(only.some((outcome) => outcome.startsWith('oops')) ? (['V2: mirrorsStructPages'] as const) : []),
    ...([...answers(own)].some((answer) => answer.startsWith('0 ') && !repaired.has(answer))
      ? (['row 3: did not move'] as const)
      : []),
    ...([...answers(own)].some((answer) => repaired.has(answer)) ? (['V6: stale mirror'] as const) : []),
  ];
}

const register = readFileSync(FILE, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line): Row => JSON.parse(line));
const known = [...new Set(register.map(({ test }) => test))];

it('each difference of the register has an explanation, and the late form has no other than races', () => {
  expect(known.length).toBeGreaterThan(40);
  for (const { test, path, why } of register) {
    expect(why, test).not.toEqual([]);
    if (path === 'posted-late') expect(why).toEqual(['races']);
  }
});

it.each(known.filter((_, i) => i % stride(20, 80) === 0))('%s: the sets differ in this and nothing else', (test) => {
  expect(rowsOf(test)).toEqual(register.filter((row) => row.test === test));
});

it('the conditions of the tests hold on every path, whatever becomes of those that fail', () => {
  const tests = onFaultTests().filter(({ conditions }) => conditions.allow.length > 0);
  expect(tests.length).toBeGreaterThan(150);
  for (const test of tests.filter((_, i) => i % stride(60, 240) === 0))
    for (const path of ['unified', ...PATHS] as const) {
      const how = { path, profile: '6.12', strategy: 'dpor', budget: 20, seed: 1, isChecked: false } as const;
      const { problems } = reportOf(test, exploreLitmus(test, how), { how, ms: 0 } as never);
      const unmet = problems.filter(({ what }) => /^(forbidden|not allowed|not reached:)/.test(what));
      expect(unmet, `${test.name} on ${path}`).toEqual([]);
    }
});

it.runIf(isLong || process.env.DMIRROR_UPDATE === '1')('has every test of the call (only in check:long)', () => {
  const all = onFaultTests().flatMap(({ name }) => rowsOf(name));
  if (process.env.DMIRROR_UPDATE === '1') writeFileSync(FILE, all.map((row) => `${JSON.stringify(row)}\n`).join(''));
  else expect(all).toEqual(register);
});
