import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AS_LINUX } from '../../tools/explore/as-linux.js';
import { reportOf } from '../../tools/explore/explore-report.js';
import { exploreLitmus } from '../../tools/explore/explore-work.js';
import { type Litmus, readLitmusFile } from '../../tools/explore/litmus-file.js';
import { neverSeenOutcomes } from '../../tools/explore/never-seen.js';
import { RACE_TOKEN } from '../../tools/explore/race-token.js';
import { namedTests } from '../../tools/explore/shipped-tests.js';
import { witnessOf } from '../../tools/explore/witness.js';
import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { count, some, stride } from '../counts.js';
import { isCompared, register, rowsBetween } from '../litmus-paths.js';

/** Of the library every so manieth test where not all are taken, and schedules of each. */
const SAMPLE = stride(48, 288);
const BUDGET = count(20, 80);
const library = namedTests(['*']).filter(({ recorded }) => recorded === null);
const tests = library.filter((_, i) => i % SAMPLE === 0);
/** Where `classic` comes to more, and why. */
const known = register().filter(({ path }) => path === 'classic');

function explored(
  test: Litmus,
  path: PathName,
  { strategy = 'dpor', budget = BUDGET }: { strategy?: 'dpor' | 'random'; budget?: number } = {},
) {
  const profile = test.profile ?? '6.12';
  const how = { path, profile, strategy, budget, seed: 1, isChecked: true } as const;
  return reportOf(test, exploreLitmus(test, how), { how, ms: 0 });
}

describe('the litmus library', () => {
  it.each(tests.map((test) => [test.name, test] as const))(
    '%s: nothing is found, and both paths come to the same but for what two walks explain',
    (_name, test) => {
      const reports = EQUAL_PATHS.map((path) => explored(test, path));
      for (const { problems } of reports) expect(problems).toEqual([]);
      const [classic, unified] = reports.map(({ outcomes }) => outcomes.map(({ outcome }) => outcome));
      if (reports.every((report) => isCompared(report, 'classic')))
        expect(rowsBetween(test, 'classic', classic!, unified!)).toEqual(known.filter((row) => row.test === test.name));
      for (const path of EQUAL_PATHS) expect(explored(test, path, { strategy: 'random' }).problems).toEqual([]);
    },
  );

  it.each(some(AS_LINUX, 4))('$name, which Linux does too, is found in $test, and is no failure', ({ name, test }) => {
    const [shown] = namedTests([test]);
    const { asLinux, outcomes, problems } = explored(shown!, 'classic', {
      strategy: 'random',
      budget: count(500, 1500),
    });
    expect(asLinux).toContain(name);
    expect(problems).toEqual([]);
    if (name.startsWith('oops')) expect(outcomes.map(({ outcome }) => outcome)).toContain(name);
  });
});

describe('the register of outcomes that were never seen', () => {
  it.each(some(['mig-mig', 'sys-snap', 'write-write1', 'read-store'], 2))(
    'has what %s comes to beside, and no more',
    (name) => {
      const { verdict, outcomes } = explored(namedTests([name])[0]!, 'classic', { budget: 400 });
      expect(verdict).toBe('complete');
      const unseen = outcomes.filter(({ seen }) => seen === 0).map(({ outcome }) => outcome);
      expect(unseen.sort()).toEqual(neverSeenOutcomes(name).sort());
    },
  );
});

describe('a token', () => {
  const [test] = namedTests(['mig-unmap']) as [Litmus];

  it('repeats the schedule whose outcome it was printed with', () => {
    const { outcomes, verdict } = explored(test, 'classic', { budget: 1000 });
    expect(verdict).toBe('complete');
    expect(outcomes.length).toBeGreaterThan(2);
    for (const { outcome, token } of outcomes) {
      expect(token.length).toBeLessThan(200);
      expect(witnessOf([token])).toMatchObject({ outcome, findings: [] });
    }
  });

  it('is refused when the race has no such schedule', () => {
    const id = { test, path: 'classic', profile: '6.12', injections: [] } as const;
    const outcome = (choices: number[]) => () => witnessOf([RACE_TOKEN.write({ ...id, choices })]);
    expect(outcome([0, 0, 7])).toThrow(/part 'schedule' of the token: choice 3 is 7, and there are only 0 to 1/);
    const far = [...new Array<number>(5000).fill(0), 1];
    expect(outcome(far)).toThrow(/part 'schedule' of the token: it has 5001 choices, and the race ends after \d+/);
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
    const folder = mkdtempSync(join(tmpdir(), 'dmirror-litmus-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'onfault-munmap.yaml');
    writeFileSync(file, text);
    const [test] = readLitmusFile(file) as [Litmus];
    for (const path of EQUAL_PATHS)
      expect(explored(test, path, { budget: 1000 })).toMatchObject({ problems: [], verdict: 'complete' });
  });
});
