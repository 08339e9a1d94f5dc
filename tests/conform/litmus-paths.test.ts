// Where other paths come to other outcomes than `unified`: each such test, and what explains it.

import { expect, it } from 'vitest';
import { reportOf } from '../../tools/explore/explore-report.js';
import { exploreLitmus } from '../../tools/explore/explore-work.js';
import { namedTests } from '../../tools/explore/shipped-tests.js';
import { onFaultTests } from '../../tools/series/races.js';
import { isLong, stride } from '../counts.js';
import { register, rowsOf, TWO_WALKS, writeRegister } from '../litmus-paths.js';

const rows = register();
const known = [...new Set(rows.map(({ test }) => test))];

it('each difference of the register has an explanation, and the late form has no other than races', () => {
  expect(known.length).toBeGreaterThan(40);
  for (const { test, path, why } of rows) {
    expect(why, test).not.toEqual([]);
    if (path === 'posted-late') expect(why).toEqual(['races']);
  }
});

it('two walks come to all that one does, and to what a call between them leads to', () => {
  const classic = rows.filter(({ path }) => path === 'classic');
  expect(new Set(classic.flatMap(({ why }) => why))).toEqual(new Set(Object.keys(TWO_WALKS)));
  for (const { never, why } of classic) expect([never, why.length]).toEqual([[], 1]);
});

const tests = onFaultTests().map(({ name }) => name);

it('has tests of the call alone', () => {
  expect(known.filter((name) => !tests.includes(name))).toEqual([]);
});

// With check:long those too that differ in nothing.
const compared = isLong ? tests : known.filter((_, i) => i % stride(20, 80) === 0);

it.each(compared)('%s: the sets differ in this and nothing else', (name) => {
  const [test] = namedTests([name]);
  expect(rowsOf(test!)).toEqual(rows.filter((row) => row.test === name));
});

const allowing = onFaultTests().filter(({ conditions }) => conditions.allow.length > 0);

it('most tests of the call say what they may come to', () => {
  expect(allowing.length).toBeGreaterThan(150);
});

// Whatever becomes of those that fail.
it.each(allowing.filter((_, i) => i % stride(60, 240) === 0))('$name: its conditions hold on every path', (test) => {
  for (const path of ['unified', 'posted-v1', 'posted-late'] as const) {
    const how = { path, profile: '6.12', strategy: 'dpor', budget: 20, seed: 1, isChecked: false } as const;
    const { problems } = reportOf(test, exploreLitmus(test, how), { how, ms: 0 } as never);
    const unmet = problems.filter(({ what }) => /^(forbidden|not allowed|not reached:)/.test(what));
    expect(unmet, path).toEqual([]);
  }
});

it.runIf(process.env.DMIRROR_UPDATE === '1')('is written anew (only with DMIRROR_UPDATE=1)', { timeout: 0 }, () => {
  writeRegister(onFaultTests().flatMap(rowsOf));
});
