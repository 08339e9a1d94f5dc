// Shards of a command, merged, must be what the command says of the whole; and the jobs that docs/ci.md shows must do that.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { stride } from '../counts.js';
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
const COMMANDS: readonly (readonly string[])[] = [
  ['selftest', '-t', '*.anon_*'],
  ['conform', RECORDING, '--seq', 'coherent-1', '--seq', 'coherent-6', '--seq', 'coherent-7'],
  ['fault', 'sweep', 'hmm.hmm_device_private.anon_r*', '--workers', '0'],
  ['fault', 'wire', '--path', 'classic'],
  ['explore', 'mig-unmap', 'mig-dontneed', '--budget', '40', '--allow-incomplete'],
];

describe('shards', () => {
  it.each(
    COMMANDS.filter((_, i) => i % stride(2, 5) === 0).map((words) => [words.slice(0, 2).join(' '), words] as const),
  )('of %s come to the whole', (_, words) => {
    const folder = scratch();
    const whole = dmirror(folder, ...words, '--junit', 'whole.xml', '--html', 'whole.html');
    for (const i of [2, 1]) {
      const { status, stdout } = dmirror(folder, ...words, '--shard', `${i}/2`, '--report', 'blob');
      expect([status, stdout !== whole.stdout]).toEqual([0, true]);
    }
    const merged = dmirror(folder, 'merge-reports', 'blob-report', '--junit', 'merged.xml', '--html', 'merged.html');
    expect([merged.status, timeless(merged.stdout)]).toEqual([whole.status, timeless(whole.stdout)]);
    for (const end of ['xml', 'html'])
      expect(timeless(readFileSync(join(folder, `merged.${end}`), 'utf8'))).toBe(
        timeless(readFileSync(join(folder, `whole.${end}`), 'utf8')),
      );
    const json = dmirror(folder, 'merge-reports', 'blob-report', '--json').stdout;
    expect(timeless(json)).toBe(timeless(dmirror(folder, ...words, '--json').stdout));
  });

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
  it.each(Object.keys(ENVIRONMENTS).filter((_, i) => i % stride(2, 4) === 0))(
    'shows a job in shards for %s that does it',
    (service) => {
      const block = new RegExp(`^### ${service}\\n[\\s\\S]*?^\`\`\`.*\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(section)![1]!;
      const lines = [...block.matchAll(/dmirror (selftest|merge-reports) [^\]\n]*/g)].map(([line]) =>
        line.replace(/'?$/, ''),
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
    },
  );
});
