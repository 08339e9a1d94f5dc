import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { shellQuote } from '../../../../tools/glob.js';
import { junitXml } from '../../../../tools/report/junit.js';
import { readBaseline } from '../../../../tools/series/baseline.js';
import { PROPERTIES } from '../../../../tools/series/properties.js';
import { onFaultTests } from '../../../../tools/series/races.js';
import { postingNamed, type Review } from '../../../../tools/series/review.js';
import { isFound, reviewCases, reviewJson } from '../../../../tools/series/review-cases.js';
import { reviewHtml, reviewText } from '../../../../tools/series/review-text.js';

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

function reviewOf(parts: Partial<Review>): Review {
  const nothing = { abi: [], selftests: null, recordings: null, sweep: null, sequences: 1, walks: [] };
  return { posting: postingNamed('v1'), ...nothing, findings: [], races: [], isInterrupted: false, ...parts };
}

function report(parts: Partial<Review>, known: ReadonlySet<string> | null = null): string {
  return reviewText(reviewOf(parts), known).join('\n');
}

const FOLDER = mkdtempSync(join(tmpdir(), 'dmirror-report-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

function keysIn(text: string): string[] {
  const file = join(FOLDER, 'before.txt');
  writeFileSync(file, text);
  return [...readBaseline(file)];
}

describe('a report', () => {
  const both = { findings: [finding(CAUSE), finding(OTHER)], races: [LEAK] };
  const before = report(both);

  it.each([
    ['as it is', before],
    ['as a page', reviewHtml(before.split('\n'), 'a <title>')],
    ['as JSON', reviewJson(reviewOf(both), null)],
    ['quoted', `On Monday somebody wrote:\r\n${before.replace(/^/gm, '> > ').replaceAll('\n', '\r\n')}\r\n`],
    ['with marks of an earlier one', report(both, new Set([CAUSE.name]))],
  ])('is known again by its findings, %s', (_, text) => {
    expect(keysIn(text)).toEqual([CAUSE.name, OTHER.name, 'leak-folio_lock-entry']);
  });

  it.each([
    ['package.json', '{"name": "dmirror"}', /before\.txt: no report of `dmirror series review`$/],
    ['nothing', '', /no report/],
    ['a list', 'One finds\n1. [hang-folio-hmm_vma_fault]\n', /no report/],
    ['a shard', report({ seen: { sequences: 2, races: 1 } }), /no report/],
    ['data of a shard', reviewJson(reviewOf({ seen: { sequences: 2, races: 1 } }), null), /no report/],
    ['half of one', before.slice(0, before.indexOf('3. [')), /counts 3 findings and races, and has 2/],
    ['two', `${before}\n${report({ findings: [finding(CAUSE)] })}`, /counts 3 .* has 4/],
  ])('is not %s', (_, text, message) => {
    expect(() => keysIn(text)).toThrow(message);
  });

  it('says against an earlier one what is new and what is gone', () => {
    const earlier = new Set([CAUSE.name]);
    const now = report({ findings: [finding(OTHER)], races: [LEAK] }, earlier);
    expect(now).toContain(`1. [${OTHER.name}] new\n`);
    expect(now).toContain('2. [leak-folio_lock-entry] new\n');
    expect(now.replace(/\s+/g, ' ')).toContain(`New: ${OTHER.name}, leak-folio_lock-entry. Gone: ${CAUSE.name}.`);
    expect(report({ findings: [finding(CAUSE)] }, earlier)).not.toContain(' new\n');
    expect(JSON.parse(reviewJson(reviewOf({ findings: [finding(OTHER)] }), earlier))).toMatchObject({
      findings: [{ key: OTHER.name }],
      baseline: { new: [OTHER.name], gone: [CAUSE.name] },
    });
  });

  it('of a shard says nothing of what others look at', () => {
    const seen = { sequences: 2, races: 1 };
    const text = report({ seen });
    expect(text).toContain('This is a shard: 2 sequences and 1 tests of races show something');
    expect(text).not.toMatch(/Findings|Races|The header|none/);
    expect(reviewCases(reviewOf({ seen }))).toEqual([]);
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
    const cases = (of: typeof abi) => reviewCases(reviewOf({ abi: of }));
    const xml = junitXml(cases(abi), { name: 'x', properties: {}, at: new Date(0) });
    expect(xml).toContain('classname="posted-v1.review.header" name="Linux 5.8, the first"');
    expect(xml).not.toContain('Linux 7.3');
    expect(isFound(reviewOf({ abi }))).toBe(true);
    expect(isFound(reviewOf({ abi: abi.slice(1) }))).toBe(false);
  });

  it('breaks no file name', () => {
    const option = `--path-file ${shellQuote(`${'a b '.repeat(9)}.yaml`)}`;
    const text = report({ posting: { ...postingNamed('v1'), option }, findings: [finding(CAUSE)] });
    expect(text).toContain(`dmirror series run ${option}`);
  });

  it('is of lines for a mail, with the command behind each finding', () => {
    const text = report({ findings: [finding(CAUSE)], races: [LEAK] });
    expect(text).toContain("dmirror series run --path posted-v1 'open 0 0; map 0 0 0 1 anon rw'");
    expect(text).toContain('dmirror explore replay dm2:race:x');
    expect(text).toMatch(/unified shows nothing in 12 schedules, all that there are:/);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(72);
  });
});
