import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFull, isLong, some } from '../counts.js';
import { leaves, parseKtap } from '../unit/tools/ktap-parser.js';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const BIN = join(ROOT, 'bin/dmirror.js');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dmirror-fault-e2e-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function environment() {
  return { cwd: ROOT, env: { ...process.env, TMPDIR: folder } };
}

/** Runs the built command as a user does. `npm test` builds it first. */
function fault(...args: string[]) {
  const options = { ...environment(), encoding: 'utf8', maxBuffer: 2 ** 28 } as const;
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [BIN, 'fault', ...args], options);
  if (error) throw error;
  return { status, stdout, stderr };
}

const MIGRATE = 'hmm.hmm_device_private.migrate';
const FEW_PAGES = isFull ? [] : ['--pages', '4'];

describe('dmirror fault sweep', () => {
  it.each(
    some(
      [
        ['the first finding', ['--first']],
        ['every finding', []],
      ] as const,
      2,
    ),
  )('reports %s, whatever the number of workers', (_, more) => {
    const args = ['sweep', MIGRATE, '--path', 'classic', '--defect', 'trylockLeak', '--fresh', ...more, ...FEW_PAGES];
    const alone = fault(...args, '--workers', '0');
    expect(alone.status).toBe(1);
    expect(leaves(parseKtap(alone.stdout)).map(({ node }) => node.ok)).toEqual([false]);
    for (const workers of isLong ? ['1', '2', '3'] : ['2'])
      expect(fault(...args, '--workers', workers).stdout).toBe(alone.stdout);
  });

  it('goes on after Ctrl-C, and ends as if it had never been stopped', async () => {
    const args = ['sweep', `${MIGRATE}*`, '--path', 'unified', '--workers', '1', ...FEW_PAGES];
    const whole = fault(...args, '--fresh');
    expect(whole.status).toBe(0);
    const { status, stderr } = await interrupted(['fault', ...args]);
    expect(status).toBe(130);
    expect(stderr).toMatch(/interrupted: \d+ cases are left; \d+ runs are kept in .*: the same command goes on/);
    const rest = fault(...args);
    expect(rest.stderr).toMatch(/^resumed: \d+ runs were done before$/m);
    expect(rest.status).toBe(0);
    expect(rest.stdout).toBe(whole.stdout);
    expect(readdirSync(folder)).toEqual([]);
  });
});

/** Starts the command and sends SIGINT once it has finished some of its tasks. */
async function interrupted(args: string[]): Promise<{ status: number | null; stderr: string }> {
  const child = spawn(process.execPath, [BIN, ...args], { ...environment(), stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const exit = new Promise<number | null>((done) => child.on('exit', done));
  while (child.exitCode === null && finishedTasks() < 20) await new Promise((resume) => setTimeout(resume, 5));
  child.kill('SIGINT');
  return { status: await exit, stderr };
}

function finishedTasks(): number {
  const journals = readdirSync(folder).filter((name) => name.endsWith('.ndjson'));
  return journals.reduce((sum, name) => sum + readFileSync(join(folder, name), 'utf8').split('\n').length - 1, 0);
}
