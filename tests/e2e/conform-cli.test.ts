import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRecording, type Sequence } from '../conform/recording.js';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const BIN = join(ROOT, 'bin/dmirror.js');
const SEQUENCES = 4;
const RECORDINGS = join(ROOT, 'tests/conform/recordings');

/** Runs the built command as a user does. `npm test` builds it first. */
function dmirror(...args: string[]) {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [BIN, 'conform', ...args], {
    cwd: tmpdir(),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (error) throw error;
  return { status, stdout, stderr, lines: stdout.trimEnd().split('\n') };
}

describe('dmirror conform', () => {
  let folder: string;
  /** A few recorded sequences; in `bad`, one answer of `victim` is not the kernel's. */
  let good: string;
  let bad: string;
  let victim: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'dmirror-conform-'));
    good = join(folder, 'good.jsonl');
    bad = join(folder, 'a bad one.jsonl');
    const sequences = readRecording(join(RECORDINGS, 'mix.jsonl.gz')).slice(0, SEQUENCES);
    victim = sequences[1]!.seq;
    write(good, sequences);
    write(
      bad,
      sequences.map((sequence) => (sequence.seq === victim ? spoilt(sequence) : sequence)),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('ends with the counts, status 0 when every answer agrees, whatever the number of threads', () => {
    const one = dmirror(good, '--jobs', '1');
    expect(one.status).toBe(0);
    expect(one.stderr).toBe('');
    expect(one.lines).toHaveLength(1);
    expect(one.lines[0]).toMatch(/^4 sequences, \d+ ops replayed, 0 divergences \(path classic\)$/);
    expect(dmirror(good, '--jobs', '3').stdout).toBe(one.stdout);
  });

  it('shows the ops before, both answers, page table and mirror, and a command that reruns it', () => {
    const { status, stdout, lines } = dmirror(bad, '--path', 'unified');
    expect(status).toBe(1);
    expect(stdout).toContain(`--- ${victim} op 17`);
    expect(stdout).toContain('    kernel:  0 9 9 deadbeef');
    expect(stdout).toMatch(/ {4}dmirror: 0 12 0 [0-9a-f]+\n/);
    expect(stdout).toContain('page table of process 0, region 0:');
    expect(stdout).toContain('mirror of device 0, file 0, opened by process 0:');
    expect(lines.at(-1)).toMatch(/, 1 divergences \(path unified\)$/);
    const rerun = /rerun: npx --no-install dmirror (.*)/.exec(stdout)![1]!;
    const again = spawnSync('sh', ['-c', `"${process.execPath}" "${BIN}" ${rerun}`], { encoding: 'utf8' });
    expect(again.status).toBe(1);
    expect(again.stdout).toContain(`${victim} op 17: `);
    expect(again.stdout).toContain('  ! kernel:  0 9 9 deadbeef');
    expect(again.stdout).toMatch(/task 1 ioctl +SNAPSHOT/);
    expect(again.stdout).toMatch(/1 sequences, 17 ops replayed, 1 divergences/);
  });

  it('--json prints one object a line, the summary last', () => {
    const { status, lines } = dmirror(bad, '--json');
    const objects = lines.map((line) => JSON.parse(line));
    expect(status).toBe(1);
    expect(objects).toHaveLength(SEQUENCES + 1);
    expect(objects[1]).toMatchObject({ seq: victim, status: 'fail', at: 16, expected: '0 9 9 deadbeef' });
    expect(objects[1].rerun).toContain(`--seq ${victim}`);
    expect(objects.at(-1)).toMatchObject({ sequences: SEQUENCES, divergences: 1, path: 'classic' });
  });

  it('--junit writes a case for each sequence', () => {
    const file = join(folder, 'out.xml');
    expect(dmirror(bad, '--junit', file).status).toBe(1);
    const xml = readFileSync(file, 'utf8');
    expect(xml.match(/<testcase /g)).toHaveLength(SEQUENCES);
    expect(xml.match(/<failure /g)).toHaveLength(1);
    expect(xml).toContain(`tests="${SEQUENCES}" failures="1"`);
  });

  it('status 2 and a way out for wrong usage', () => {
    for (const args of [
      ['nowhere.gz'],
      [good, '--seq', 'mix-999999'],
      [BIN],
      ['--shrink', 'mix:1'],
      [good, '--jobs', '0'],
    ]) {
      const { status, stdout, stderr } = dmirror(...args);
      expect([args, status, stdout]).toEqual([args, 2, '']);
      expect(stderr).not.toContain('    at ');
    }
  });

  it('replays what the package ships when no file is given, from wherever it is called', () => {
    const { status, stdout, stderr } = dmirror('--seq', 'mix-17', '--seq', 'swap-3');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^2 sequences, \d+ ops replayed, 0 divergences \(path classic\)\n$/);
    expect(status).toBe(0);
  });

  it('--shrink reduces a generated sequence to what still differs', () => {
    expect(dmirror('--shrink', 'mix:7', '--against', 'unified').status).toBe(0);
    const { status, lines } = dmirror(
      '--shrink',
      'small:3',
      '--path',
      'unified',
      '--against',
      'unified,defect=holeAsPage',
    );
    expect(status).toBe(1);
    expect(lines.at(-1)).toMatch(/^small-3: \d+ ops shrunk to [1-4], \d+ sequences tried$/);
  });
});

function write(file: string, sequences: readonly Sequence[]): void {
  writeFileSync(file, sequences.map((sequence) => `${JSON.stringify(sequence)}\n`).join(''));
}

/** With a wrong answer at op 17, a SNAPSHOT. */
function spoilt({ seq, steps }: Sequence): Sequence {
  return { seq, steps: steps.map(([op, answer], i) => [op, i === 16 ? '0 9 9 deadbeef' : answer]) };
}
