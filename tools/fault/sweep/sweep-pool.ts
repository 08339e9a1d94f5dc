import { Worker } from 'node:worker_threads';
import { casesByName } from './cases.js';
import type { ChosenRun } from './sweep-choice.js';
import { type CleanResult, type SliceResult, Sweeper, type SweepJob, type SweepOptions } from './sweep-job.js';

/** A piece of work of a second at most: the clean run of a case (`chosen` null), or some of its others. */
export interface SweepTask {
  readonly job: SweepJob;
  readonly chosen: readonly ChosenRun[] | null;
}
export type TaskResult = CleanResult | SliceResult;

/** Runs live on short objects; with more room for them most are gone before anybody looks for garbage. */
const YOUNG_MIB = 64;

export interface PoolRun {
  readonly options: SweepOptions;
  /** 0 runs in this thread. */
  readonly workers: number;
  /** The next task, or null when no more come. */
  take(): Promise<SweepTask | null>;
  /** Called as results come, in any order. */
  onResult(task: SweepTask, result: TaskResult): void;
}

export function doTask(sweeper: Sweeper, { job, chosen }: SweepTask): Promise<TaskResult> {
  return chosen === null ? sweeper.clean(job) : sweeper.slice(job, chosen);
}

/** Does all tasks, each once, whoever takes it: a result depends on its task and the options alone. */
export async function runTasks(run: PoolRun): Promise<void> {
  if (run.workers > 0) {
    await Promise.all(Array.from({ length: run.workers }, () => runWorker(run)));
    return;
  }
  const sweeper = new Sweeper(casesByName(run.options.profile), run.options);
  for (let task = await run.take(); task !== null; task = await run.take())
    run.onResult(task, await doTask(sweeper, task));
}

async function runWorker(run: PoolRun): Promise<void> {
  let task = await run.take();
  if (task === null) return;
  const worker = new Worker(new URL('./sweep-worker.js', import.meta.url), {
    workerData: run.options,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  });
  try {
    for (; task !== null; task = await run.take()) run.onResult(task, await answerOf(worker, task));
  } finally {
    await worker.terminate();
  }
}

function answerOf(worker: Worker, task: SweepTask): Promise<TaskResult> {
  return new Promise((resolve, reject) => {
    const end = (): void => void worker.off('message', onMessage).off('error', onError);
    const onError = (error: unknown): void => {
      end();
      reject(error);
    };
    const onMessage = ({ result, error }: { result?: TaskResult; error?: string }): void => {
      end();
      if (result === undefined) reject(new Error(`the sweep of ${task.job.name} broke: ${error}`));
      else resolve(result);
    };
    worker.on('message', onMessage).on('error', onError);
    worker.postMessage(task);
  });
}
