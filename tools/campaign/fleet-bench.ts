import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isInstalled } from '../../tests/bench/guest.js';
import { type Measurement, median, type Row } from '../../tests/bench/measurement.js';
import { shipped } from '../package-root.js';
import { freePort, REDIS, startRedis } from './redis-server.js';

const WORKERS = 4;
const JOBS = 200;
const JOB_MS = 50;
const PAIRS = 5;

/** What a queue between a campaign and its workers costs. */
export const fleet: Measurement = {
  name: 'fleet',
  about: `${JOBS} jobs of ${JOB_MS} ms by ${WORKERS} workers and a Redis, against --jobs ${WORKERS}, from the command's start to its end, median of ${PAIRS} pairs (needs ${REDIS})`,
  async run() {
    if (!isInstalled(REDIS)) return [];
    const folder = mkdtempSync(join(tmpdir(), 'dmirror-bench-'));
    const children: ChildProcess[] = [];
    try {
      const port = await freePort();
      const redis = await startRedis(folder, ['--port', `${port}`, '--appendonly', 'yes']);
      children.push(redis);
      const queue = ['--queue', `redis://127.0.0.1:${port}`];
      for (let i = 0; i < WORKERS; i++) children.push(dmirror(folder, ['worker', '--jobs', '1', ...queue]));
      const before = cpuMs(redis);
      const rows = await pairs(folder, queue);
      const each = (cpuMs(redis) - before) / (PAIRS * JOBS);
      return [...rows, { name: 'CPU of Redis for a job', value: each, unit: 'ms' }];
    } finally {
      for (const child of children) child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function pairs(folder: string, queue: readonly string[]): Promise<Row[]> {
  // The first campaign starts the workers' threads.
  await campaignMs(folder, 'warm', [`${WORKERS * 2}`, ...queue]);
  const pair: [near: number, far: number][] = [];
  for (let i = 0; i < PAIRS; i++) {
    const near = await campaignMs(folder, `near-${i}`, [`${JOBS}`, '--jobs', `${WORKERS}`]);
    pair.push([near, await campaignMs(folder, `far-${i}`, [`${JOBS}`, ...queue])]);
  }
  const middle = (of: (pair: [number, number]) => number): number => median(pair.map(of));
  return [
    {
      name: `by a Redis, against --jobs ${WORKERS}`,
      value: middle(([near, far]) => near / far),
      unit: '',
      goal: '>= 0.9',
    },
    { name: 'by a Redis', value: middle(([, far]) => (JOBS / far) * 1000), unit: 'jobs/s' },
    { name: `--jobs ${WORKERS}`, value: middle(([near]) => (JOBS / near) * 1000), unit: 'jobs/s' },
  ];
}

/** Wall time of a campaign of so many probes. */
async function campaignMs(folder: string, name: string, [count, ...words]: readonly string[]): Promise<number> {
  writeFileSync(
    join(folder, `${name}.yaml`),
    `name: ${name}\nwhat: [{ probes: { count: ${count}, ms: ${JOB_MS} } }]\n`,
  );
  const begun = performance.now();
  const [code] = await once(dmirror(folder, ['campaign', 'run', `${name}.yaml`, ...words]), 'exit');
  if (code !== 0) throw new Error(`the campaign ended with ${code}`);
  return performance.now() - begun;
}

function dmirror(cwd: string, words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [shipped('bin/dmirror.js'), ...words], { cwd, stdio: 'ignore' });
}

const TICK_MS = 10;

/** That a process has had; 0 where there is no /proc. */
function cpuMs({ pid }: ChildProcess): number {
  if (!existsSync(`/proc/${pid}/stat`)) return 0;
  const [, , ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
  const [user, system] = fields.slice(11, 13).map(Number) as [number, number];
  return (user + system) * TICK_MS;
}
