import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { inflateRawSync } from 'node:zlib';
import { type Job, type JobKind, type JobOutcome, taskOf } from './campaign-job.js';
import type * as tasks from './campaign-tasks.js';

type Found = Omit<JobOutcome, 'ms'>;

/** What a job of each kind is done with. */
const WORK: Readonly<Record<JobKind, (task: never) => Promise<Found> | Found>> = {
  case: async (task) => (await does()).doCase(task),
  sweep: async (task) => (await does()).doSweep(task),
  recording: async (task) => (await does()).doRecording(task),
  litmus: async (task) => (await does()).doLitmus(task),
  plan: async (task) => (await does()).doPlan(task),
  suite: async (task: { readonly run: { readonly program: string }; readonly program: string }) => {
    const folder = mkdtempSync(join(tmpdir(), 'dmirror-job-'));
    try {
      writeFileSync(join(folder, task.run.program), inflateRawSync(Buffer.from(task.program, 'base64')), {
        mode: 0o700,
      });
      return await (await does()).doSuite(folder, task as never);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  probe: doProbe,
};

/** A probe needs none of the machine. */
function does(): Promise<typeof tasks> {
  return import('./campaign-tasks.js');
}

/** Does a job. Called in the workers of `dmirror campaign` and `dmirror worker`. */
export async function work({ kind, task }: Pick<Job, 'kind' | 'task'>): Promise<JobOutcome> {
  const begun = performance.now();
  const found = await WORK[kind](taskOf(task) as never);
  return { ...found, ms: performance.now() - begun };
}

/** Of the loop below, on a machine of 2026. */
const ROUNDS_OF_1_MS = 900_000;

/** `kills`, which only tests ask for, ends the process. */
function doProbe({ ms, kills = false }: { readonly ms: number; readonly kills?: boolean }): Found {
  if (kills) process.kill(process.pid, 'SIGKILL');
  let hash = 1;
  for (let i = 0; i < ms * ROUNDS_OF_1_MS; i++) hash = Math.imul(hash ^ i, 0x01000193);
  return { status: 'pass', runs: 1, message: `probe ${hash >>> 0}`, findings: [] };
}

// A case that fails half way leaves calls behind whose errors nobody waits for, some until after its run.
if (!isMainThread) process.on('unhandledRejection', () => {});
