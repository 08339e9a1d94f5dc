import { isMainThread } from 'node:worker_threads';
import { dataOfWorker } from '../../worker-pool.js';
import { casesByName } from './cases.js';
import type { ChosenRun } from './sweep-choice.js';
import { type CleanResult, type SliceResult, Sweeper, type SweepJob, type SweepOptions } from './sweep-job.js';

/** A piece of work of a second at most: the clean run of a case (`chosen` null), or some of its others. */
export interface SweepTask {
  readonly job: SweepJob;
  readonly chosen: readonly ChosenRun[] | null;
}
export type TaskResult = CleanResult | SliceResult;

/** What does tasks: a result depends on its task and the options alone. */
export function sweepWork(options: SweepOptions): (task: SweepTask) => Promise<TaskResult> {
  const sweeper = new Sweeper(casesByName(options.profile), options);
  return ({ job, chosen }) => (chosen === null ? sweeper.clean(job) : sweeper.slice(job, chosen));
}

let ofWorker: ReturnType<typeof sweepWork> | undefined;

/** Called in the workers of `dmirror fault sweep`. */
export function work(task: SweepTask): Promise<TaskResult> {
  ofWorker ??= sweepWork(dataOfWorker<SweepOptions>());
  return ofWorker(task);
}

// A case that fails half way leaves calls behind whose errors nobody waits for, some until after its run.
if (!isMainThread) process.on('unhandledRejection', () => {});
