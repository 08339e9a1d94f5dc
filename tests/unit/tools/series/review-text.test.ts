import { describe, expect, it } from 'vitest';
import { junitXml } from '../../../../tools/report/junit.js';
import { PROPERTIES } from '../../../../tools/series/properties.js';
import { onFaultTests } from '../../../../tools/series/races.js';
import { postingNamed, type Review } from '../../../../tools/series/review.js';
import { isFound, reviewCases } from '../../../../tools/series/review-cases.js';
import { keysIn, reviewText } from '../../../../tools/series/review-text.js';

const [CAUSE, OTHER] = PROPERTIES as readonly [(typeof PROPERTIES)[number], (typeof PROPERTIES)[number]];

function finding(cause: typeof CAUSE): Review['findings'][number] {
  return {
    violation: { kind: 'machine', after: 'dm 0 0 READ 0 0 1', message: 'an oops' } as never,
    isSeen: true,
    ops: ['open 0 0', 'map 0 0 0 1 anon rw'],
    from: 'small:1',
    cures: [cause],
    isCleanWhenRepaired: true,
  };
}

const LEAK: Review['races'][number] = {
  test: onFaultTests()[0]!,
  message: 'assertion: AssertionError: task # returns to user holding folio_lock',
  shape: { waiters: [], lost: 'entry', key: 'leak' },
  token: 'dm2:race:x',
  beside: new Set(['fork 0 1']),
  tests: 3,
  cures: [CAUSE],
  repaired: { verdict: 'complete', schedules: 12, findings: 0 },
};

const empty: Review = {
  posting: postingNamed('v1'),
  ...{ abi: [], selftests: null, recordings: null, sweep: null, sequences: 1, walks: [] },
  ...{ findings: [], races: [], isInterrupted: false },
};

function report(parts: Partial<Review>, known: ReadonlySet<string> | null = null): string {
  return reviewText({ ...empty, ...parts }, known).join('\n');
}

describe('a report', () => {
  const before = report({ findings: [finding(CAUSE)] });

  it('is known again by its findings', () => {
    expect([...keysIn(before)]).toEqual([CAUSE.name]);
    expect([...keysIn(report({ findings: [finding(CAUSE), finding(OTHER)], races: [LEAK] }))]).toEqual([
      CAUSE.name,
      OTHER.name,
      'leak-folio_lock-entry',
    ]);
  });

  it('says against an earlier one what is new and what is gone', () => {
    const now = report({ findings: [finding(OTHER)], races: [LEAK] }, keysIn(before));
    expect(now).toContain(`1. [${OTHER.name}] new\n`);
    expect(now).toContain('2. [leak-folio_lock-entry] new\n');
    expect(now.replace(/\s+/g, ' ')).toContain(`New: ${OTHER.name}, leak-folio_lock-entry. Gone: ${CAUSE.name}.`);
    expect(report({ findings: [finding(CAUSE)] }, keysIn(before))).not.toContain(' new\n');
  });

  it('says what else has come to the same', () => {
    const failed = [{ name: 'rows.own', message: 'an oops' }];
    const selftests = { kernel: { passed: 60, failed: [] }, own: { passed: 1, failed } };
    const sweep = (cause: string | null) => {
      const found = { token: 'dm2:run:rows.swap:posted-v1', message: 'another', cause, isCleanWhenRepaired: true };
      return { runs: 2, findings: [found, found] } as NonNullable<Review['sweep']>;
    };
    const text = report({ findings: [finding(CAUSE)], selftests, sweep: sweep(OTHER.name) });
    expect(text).toContain('Found as well by the selftest rows.own.');
    expect(text).not.toContain('the fault sweep of rows.swap');
    expect(text).toContain(`2 runs, 1 findings`);
    expect(report({ findings: [finding(CAUSE)], sweep: sweep(CAUSE.name) })).toContain('the fault sweep of rows.swap');
  });

  it('says of each effect of the header for which kernels, and which commands show the rest', () => {
    const alias = (old: string, ...numberings: readonly string[]) => ({ old, numberings });
    const silent = [
      alias('A', 'M7', 'M6', 'M5'),
      alias('B', 'M7', 'M5'),
      ...['C', 'D', 'E', 'F'].map((name) => alias(name, 'M7')),
      alias('G', 'M3'),
      alias('H', 'M7', 'M3'),
    ];
    const abi = ['M7', 'M6', 'M5', 'M3'].map((numbering) => {
      const own = silent.filter(({ numberings }) => numberings.includes(numbering)).map(({ old }) => `calls ${old}`);
      return { numbering, old: `Linux of ${numbering}`, breaks: own.length, own: 1, silent: own, errors: ['an error'] };
    });
    const posting = { ...postingNamed('v1'), header: { base: 'M6', mbox: 'my mails.mbox' } };
    expect(
      report({ abi, posting }).split('The header\n')[1]!.split('\n\n')[0],
    ).toBe(`Against 4 released numberings, 4 of them break: Linux of M7 (7, 1 by the
posting), Linux of M6 (1), Linux of M5 (2, 1 by the posting), Linux of
M3 (2, 1 by the posting).
- 6.1 to 7.3: calls A
- 6.1 to 6.18, 7.3: calls B
- 7.3: calls C
- 7.3: calls D
- 7.3: calls E
- 7.3: calls F
- and 3 more:
    dmirror abi check M7 --patch 'my mails.mbox' --base M6
    dmirror abi check M3 --patch 'my mails.mbox' --base M6`);
  });

  it('says in JUnit what its exit status says, each name whole', () => {
    const one = { numbering: 'M1', breaks: 2, silent: [], errors: [] };
    const abi = [
      { ...one, old: 'Linux 5.8, the first', own: 1 },
      { ...one, old: 'Linux 7.3', own: 0 },
    ];
    const cases = (of: typeof abi) => reviewCases({ ...empty, abi: of });
    const xml = junitXml(cases(abi), { name: 'x', properties: {}, at: new Date(0) });
    expect(xml).toContain('classname="posted-v1.review.header" name="Linux 5.8, the first"');
    expect(xml).not.toContain('Linux 7.3');
    expect(isFound({ ...empty, abi })).toBe(true);
    expect(isFound({ ...empty, abi: abi.slice(1) })).toBe(false);
  });

  it('is of lines for a mail, with the command behind each finding', () => {
    const text = report({ findings: [finding(CAUSE)], races: [LEAK] });
    expect(text).toContain("dmirror series run --path posted-v1 'open 0 0; map 0 0 0 1 anon rw'");
    expect(text).toContain('dmirror explore replay dm2:race:x');
    expect(text).toMatch(/unified shows nothing in 12 schedules, all that there are:/);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(72);
  });
});
