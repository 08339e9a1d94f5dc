// Shards of a command, merged, must be what the command says of the whole; and the jobs that docs/ci.md shows must do that.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { isLong, some } from '../counts.js';
import { COMPILER, GuestBuild } from '../guest/compile.js';
import { isInstalled } from '../needs.js';
import { ROOT } from './installed.js';

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-shards-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function dmirror(cwd: string, ...args: readonly string[]) {
  return spawnSync(process.execPath, [join(ROOT, 'bin/dmirror.js'), ...args], { cwd, encoding: 'utf8' });
}

/** Without what a clock says. */
function timeless(text: string): string {
  return text.replace(/time="[\d.]+"|timestamp="[^"]+"|"ms":[\d.]+|, [\d.]+ s$|<td>[\d.]+ s/gm, '');
}

const RECORDING = join(ROOT, 'tests/conform/recordings/coherent.jsonl.gz');
const PROGRAMS = mkdtempSync(join(tmpdir(), 'dmirror-programs-'));
afterAll(() => rmSync(PROGRAMS, { recursive: true, force: true }));

/** Units of which at least one is dealt to each of two shards. */
const COMMANDS: readonly (readonly string[])[] = [
  ['selftest', '-t', 'hmm.*.anon_read'],
  ['conform', RECORDING, '--seq', 'coherent-1', '--seq', 'coherent-6', '--seq', 'coherent-7'],
  ['fault', 'sweep', 'hmm.hmm_device_private.open_close', '--workers', '0'],
  ['fault', 'wire', 'hmm.hmm_device_private.open_close', '--path', 'classic'],
  ['explore', 'mig-unmap', 'mig-dontneed', '--budget', '20', '--allow-incomplete'],
  ...(isInstalled(COMPILER) ? [['exec', '--suite', PROGRAMS]] : []),
  // What it finds is explained, which takes minutes.
  ...(isLong ? [['series', 'review', '--posting', 'late', '--sequences', '16']] : []),
];

describe('shards', () => {
  const build = new GuestBuild();
  beforeAll(() => {
    if (isInstalled(COMPILER)) for (const name of ['hello', 'clone']) cpSync(build.compile(name), join(PROGRAMS, name));
  });
  afterAll(() => build.remove());

  it.each(some(COMMANDS, 7).map((words) => [words.slice(0, 2).join(' '), words] as const))(
    'of %s come to the whole',
    (_, words) => {
      const folder = scratch();
      const files = (name: string) => ['--junit', `${name}.xml`, '--html', `${name}.html`];
      const whole = dmirror(folder, ...words, ...files('whole'));
      const shards = [2, 1].map((i) => dmirror(folder, ...words, '--shard', `${i}/2`, '--report', 'blob'));
      for (const { stdout } of shards) expect(stdout).not.toBe(whole.stdout);
      expect(Math.max(...shards.map(({ status }) => status!))).toBe(whole.status);
      const merged = dmirror(folder, 'merge-reports', 'blob-report', ...files('merged'));
      expect([merged.status, timeless(merged.stdout)]).toEqual([whole.status, timeless(whole.stdout)]);
      for (const end of ['xml', 'html'])
        expect(timeless(readFileSync(join(folder, `merged.${end}`), 'utf8'))).toBe(
          timeless(readFileSync(join(folder, `whole.${end}`), 'utf8')),
        );
      if (!isLong) return;
      const json = dmirror(folder, 'merge-reports', 'blob-report', '--json').stdout;
      expect(timeless(json)).toBe(timeless(dmirror(folder, ...words, '--json').stdout));
    },
  );

  it('are named when they are missing, and refused when they are of two runs', () => {
    const folder = scratch();
    const words = ['selftest', '-t', '*.anon_read', '--report', 'blob'];
    expect(dmirror(folder, ...words, '--shard', '1/3').status).toBe(0);
    expect(dmirror(folder, ...words, '--shard', '3/3').status).toBe(0);
    const missing = dmirror(folder, 'merge-reports', 'blob-report');
    expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining('shard 2 of 3 is missing')]);
    const partial = dmirror(folder, 'merge-reports', 'blob-report', '--partial');
    expect([partial.status, partial.stderr]).toEqual([5, expect.stringContaining('shard 2 of 3 is missing')]);
    writeFileSync(join(folder, 'costs.json'), '{"version": 1, "commands": {"selftest": {"hmm": 3}}}');
    expect(dmirror(folder, ...words, '--shard', '2/3', '--costs', 'costs.json').status).toBe(0);
    const mixed = dmirror(folder, 'merge-reports', 'blob-report');
    expect([mixed.status, mixed.stderr]).toEqual([2, expect.stringContaining('the hash of the costs')]);
    writeFileSync(join(folder, 'costs.json'), '{"version": 1, "commands": {"selftest": {"hmm": -3}}}');
    const wrong = dmirror(folder, ...words, '--shard', '2/3', '--costs', 'costs.json');
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('commands.selftest.hmm')]);
  });
});

it('shards of files that change in between, one that has nothing to do, and a folder that is a file', () => {
  const folder = scratch();
  const shard = (i: string, ...words: string[]) => dmirror(folder, ...words, '--shard', i, '--report', 'blob');
  const conform = (i: string, steps: number) => {
    const all = gunzipSync(readFileSync(RECORDING)).toString().trim().split('\n').slice(0, 4);
    const cut = all.map((line) => JSON.parse(line)).map((one) => ({ ...one, steps: one.steps.slice(0, steps) }));
    writeFileSync(join(folder, 'r.jsonl'), cut.map((one) => JSON.stringify(one)).join('\n'));
    expect(shard(i, 'conform', 'r.jsonl').status).toBe(0);
  };
  writeFileSync(join(folder, 'blob-report'), '');
  expect(shard('1/1', 'selftest')).toMatchObject({
    status: 3,
    stderr: expect.stringMatching(/^error: --report blob 'blob-report\/selftest-1-of-1.json' cannot be written: what /),
  });
  rmSync(join(folder, 'blob-report'));
  conform('1/2', 9);
  conform('2/2', 8);
  const mixed = dmirror(folder, 'merge-reports', 'blob-report');
  expect([mixed.status, mixed.stderr]).toEqual([2, expect.stringContaining('the hash of the files that the command')]);
  expect(shard('3/3', 'selftest', '-t', 'hmm.hmm_device_private.open_close').status).toBe(0);
});

/** What a job's environment is for the first and for the second of two. */
const ENVIRONMENTS: Readonly<Record<string, (i: 1 | 2) => Record<string, string>>> = {
  GitHub: (i) => ({ SHARD: `${i}` }),
  GitLab: (i) => ({ CI_NODE_INDEX: `${i}`, CI_NODE_TOTAL: '2' }),
  Kubernetes: (i) => ({ JOB_COMPLETION_INDEX: `${i - 1}` }),
  Slurm: (i) => ({ SLURM_ARRAY_TASK_ID: `${i + 4}`, SLURM_ARRAY_TASK_MIN: '5', SLURM_ARRAY_TASK_COUNT: '2' }),
};

describe('docs/ci.md', () => {
  const text = readFileSync(join(ROOT, 'docs/ci.md'), 'utf8');
  const section = text.slice(text.indexOf('## In shards'));
  it.each(some(Object.keys(ENVIRONMENTS), 4))('shows a job in shards for %s that does it', (service) => {
    const block = new RegExp(`^### ${service}\\n[\\s\\S]*?^\`\`\`.*\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(section)![1]!;
    const lines = [...block.matchAll(/dmirror (selftest|merge-reports) [^\]\n]*/g)].map(([line]) =>
      line.replace(/'?$/, '').replace('selftest --', "selftest -t 'hmm.*.open_close' --"),
    );
    const [shard, merge] = lines as [string, string];
    const folder = scratch();
    const run = (line: string, env: Record<string, string> = {}) =>
      spawnSync('bash', ['-ec', `dmirror() { node "${join(ROOT, 'bin/dmirror.js')}" "$@"; }; ${line}`], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, ...env },
      });
    for (const i of [1, 2] as const) expect(run(shard, ENVIRONMENTS[service]!(i)).status).toBe(0);
    expect(readdirSync(join(folder, 'blob-report'))).toHaveLength(2);
    expect(run(merge).status).toBe(0);
    expect(readFileSync(join(folder, 'selftest.xml'), 'utf8')).toContain('</testsuites>');
  });
});
