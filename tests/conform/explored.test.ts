import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { reportOf } from '../../tools/explore/explore-report.js';
import { parseScheduleToken, scheduleToken } from '../../tools/explore/explore-token.js';
import { exploreLitmus } from '../../tools/explore/explore-work.js';
import { type Litmus, readLitmusFile } from '../../tools/explore/litmus-file.js';
import { namedTests } from '../../tools/explore/shipped-tests.js';
import { witnessOf } from '../../tools/explore/witness.js';
import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { count, isFull, isLong } from '../counts.js';

/** Of the library every so manieth test where not all are taken, and schedules of each. */
const SAMPLE = isFull ? 8 : 24;
const BUDGET = count(60, 200);
const library = namedTests(['*']).filter(({ recorded }) => recorded === null);
const tests = library.filter((_, i) => isLong || i % SAMPLE === 0);

function explored(
  test: Litmus,
  path: PathName,
  { strategy = 'dpor', budget = BUDGET }: { strategy?: 'dpor' | 'random'; budget?: number } = {},
) {
  const profile = test.profile ?? '6.12';
  const how = { path, profile, strategy, budget, seed: 1, isChecked: true };
  return reportOf(test, exploreLitmus(test, how), { path, profile, ms: 0 });
}

describe('the litmus library', () => {
  it.each(tests.map((test) => [test.name, test] as const))(
    '%s: nothing is found, and both paths come to the same',
    (_name, test) => {
      const reports = EQUAL_PATHS.map((path) => explored(test, path));
      for (const { problems } of reports) expect(problems).toEqual([]);
      const [classic, unified] = reports.map(({ outcomes }) => outcomes.map(({ outcome }) => outcome).sort());
      if (reports.every(({ verdict }) => verdict === 'complete')) expect(unified).toEqual(classic);
      for (const path of EQUAL_PATHS) expect(explored(test, path, { strategy: 'random' }).problems).toEqual([]);
    },
  );

  it('has what Linux does wrong: a mirror that outlives a zap, and a read of what has no memory', () => {
    const [dontneed, read] = namedTests(['mig-dontneed', 'risk-fault-read0']);
    const many = { strategy: 'random', budget: 1500 } as const;
    expect(explored(dontneed!, 'classic', many).asLinux).toEqual(['stale mirror']);
    const report = explored(read!, 'classic', many);
    expect(report.asLinux).toEqual(['oops dmirror_do_read']);
    expect(report.outcomes.map(({ outcome }) => outcome)).toContain('oops dmirror_do_read');
    expect(report.problems).toEqual([]);
  });
});

describe('a token', () => {
  const [test] = namedTests(['mig-unmap']) as [Litmus];

  it('repeats the schedule whose outcome it was printed with', () => {
    const { outcomes, verdict } = explored(test, 'classic', { budget: 1000 });
    expect(verdict).toBe('complete');
    expect(outcomes.length).toBeGreaterThan(2);
    for (const { outcome, token } of outcomes) {
      expect(token.length).toBeLessThan(200);
      expect(witnessOf(parseScheduleToken(token)).outcome).toBe(outcome);
    }
  });

  it('carries a test that is not shipped', () => {
    const mine = { ...test, name: 'mine' };
    const id = { test: mine, path: 'unified', profile: '7.3', choices: [0, 0, 1, 0, 3] } as const;
    const token = scheduleToken(id);
    expect(parseScheduleToken(token)).toEqual({ ...id, test: { ...mine, recorded: null } });
  });

  it.each([
    ['dmf1:a', /does not begin with dme1:/],
    ['dme1:mig-unmap:classic', /five parts/],
    ['dme1:mig-unmap:clasic:6.12:', /no path clasic/],
    ['dme1:mig-unmap:classic:6.13:', /no profile '6.13'/],
    ['dme1:mig-umap:classic:6.12:', /no litmus test is named 'mig-umap' \(did you mean 'mig-unmap'\?\)/],
    ['dme1:=xx:classic:6.12:', /the test in the token/],
    ['dme1:mig-unmap:classic:6.12:3.!', /'!' is no choice/],
  ])('says what is wrong with %s', (token, message) => {
    expect(() => parseScheduleToken(token)).toThrow(message);
  });
});

describe('conditions', () => {
  const setup = ['open 0 0', 'map 0 0 0 1 anon rw', 'store 0 0 0 1 0x10'];
  const race = {
    name: 'stores',
    setup,
    threads: [['store 0 0 0 1 0x20'], ['store 0 0 0 1 0x28']],
    observe: ['load 0 0 0 1'],
    recorded: null,
  };
  const problems = (conditions: Partial<Litmus['conditions']>) =>
    explored({ ...race, conditions: { forbid: [], require: [], allow: [], ...conditions } }, 'classic').problems.map(
      ({ what }) => what,
    );

  it('are met or named', () => {
    expect(problems({ require: ['* => 0 1 20', '* => 0 1 28'], allow: ['*'] })).toEqual([]);
    expect(problems({ forbid: ['* => 0 1 20'] })).toEqual(['forbidden: 0 1 | 0 1 => 0 1 20']);
    expect(problems({ require: ['* => 0 1 10'] })).toEqual(['not reached: * => 0 1 10']);
    expect(problems({ allow: ['* => 0 1 28'] })).toEqual(['not allowed: 0 1 | 0 1 => 0 1 20']);
  });

  it('of the test in docs/exploring.md hold', () => {
    const [, text = ''] =
      /```yaml excerpt: .*\n([\s\S]*?)```/.exec(
        readFileSync(join(import.meta.dirname, '../../docs/exploring.md'), 'utf8'),
      ) ?? [];
    const file = join(mkdtempSync(join(tmpdir(), 'litmus-')), 'onfault-munmap.yaml');
    writeFileSync(file, text);
    const [test] = readLitmusFile(file) as [Litmus];
    for (const path of EQUAL_PATHS)
      expect(explored(test, path, { budget: 1000 })).toMatchObject({ problems: [], verdict: 'complete' });
  });
});
