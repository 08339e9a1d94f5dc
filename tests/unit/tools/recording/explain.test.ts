import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { explore } from '../../../../driver/explore/index.js';
import { raceOf } from '../../../../tools/explore/explore-work.js';
import { RACE_TOKEN } from '../../../../tools/explore/race-token.js';
import { shippedTest } from '../../../../tools/explore/shipped-tests.js';
import { explainLines } from '../../../../tools/recording/explain.js';
import { record, type WhichRun } from '../../../../tools/recording/record.js';

const RUN: WhichRun = { path: 'classic', profile: '6.12', seed: 1, dialect: 'dmirror', defects: [] };

async function explained(word: string, options: WhichRun = RUN): Promise<string> {
  const lines = explainLines(await record([word], options));
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is what is looked at
  expect(lines.join('\n')).not.toMatch(/\x1b/);
  return lines.join('\n');
}

/** The sentence, on one line. */
function causeOf(text: string): string {
  return /cause: ([\s\S]*?)\n\n/.exec(text)![1]!.replace(/\n\s+/g, ' ');
}

it('takes the machine of a litmus file, unless another is asked for', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-explain-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'mine.yaml');
  writeFileSync(file, "machine: { path: posted-v1 }\nthreads: [['load 0 0 0 1']]\n");
  expect((await record([file], RUN)).title).toContain(' on posted-v1,');
  expect((await record([file], { ...RUN, asked: { path: 'unified' } })).title).toContain(' on unified,');
});

describe('explainLines', () => {
  it('names the steps that change the same in a litmus witness, and the page table around them', async () => {
    const text = await explained('mig-unmap', { ...RUN, witness: '-2 0 0' });
    expect(causeOf(text)).toMatch(
      /^nothing was found; the last that both have changed: step \d+ of A \(removeMigrationPte .*\), then step \d+ of B \(zapPteRange .*\)\.$/,
    );
    expect(text).toMatch(/\d+ dmirrorIntervalInvalidate\n +mirror 0-1 of file 0: write/);
    expect(text).toContain('ioctl MIGRATE_TO_DEV = -2');
    expect(text).toMatch(/\npage +before, after step \d+ +after step \d+\n0 +DPRIV-W \d+ of device 0 +NONE\n/);
  });

  it('says who waits for whom in a finding on a posted series, and of nobody who may still be woken', async () => {
    const test = shippedTest('wideHeld-onfWide-onfWide1');
    const { findings } = explore(raceOf(test, { path: 'posted-late', profile: '6.12' }), {
      strategy: 'random',
      budget: 60,
      isChecked: false,
    });
    const choices = findings.find(({ kind }) => kind === 'deadlock')!.witness;
    const token = RACE_TOKEN.write({ test, path: 'posted-late', profile: '6.12', injections: [], choices });
    expect(causeOf(await explained(token))).toMatch(
      /^A waits for folio \d+ of B in migrationEntryWaitOnLocked .*; B waits for mmu_notifier invalidation in mmuIntervalReadBegin /,
    );
    const run = await record([token], RUN);
    const { recording } = run;
    const before = Array.from({ length: recording.steps }, (_, step) => step).filter((step) => {
      const states = recording
        .at(step)
        .tasks()
        .map(({ state }) => state);
      return states.includes('blocked') && states.includes('runnable');
    });
    expect(before).not.toEqual([]);
    for (const last of before)
      expect(causeOf(explainLines({ ...run, last }).join('\n'))).not.toMatch(/^[AB] waits for/);
  });

  it('says which rule struck, and what a planted defect left behind', async () => {
    const text = await explained('trylock-fails-on-page-3', { ...RUN, defects: ['trylockLeak'] });
    expect(causeOf(text)).toMatch(
      /^rule locked: folio_trylock is struck in collect, page 3, in step \d+ of A, migrateVma/,
    );
    expect(text).toMatch(/found: books: .* refcount is 2, but 1 can be\s+accounted for/);
    expect(causeOf(text)).toMatch(/the refcount of folio \d+ is 2 since step \d+ of A \(folioGet < freezeEntry\)\.$/);
    expect(text).toMatch(/\n\d+-\d+ +PRESENT W \d+-\d+ +MIG-W \d+-\d+\n/);
  });

  it('says since when a call holds the locks that it returns with, and who took their entries away', async () => {
    const [token] = /dm2:race:fresh-onf-dontneed\S+/.exec(readFileSync('docs/series-review-late.txt', 'utf8'))!;
    expect(causeOf(await explained(token))).toMatch(
      /^A returns with folio \d+(?:, \d+)* locked since step \d+ \(folioTrylock < \w+\); meanwhile step \d+ of B takes .* \(zapPteRange < /,
    );
  });
});
