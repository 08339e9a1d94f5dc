import { Worker } from 'node:worker_threads';
import { allCases } from '../../tests/selftests/index.js';
import { type JobResult, Sweeper, type SweepJob, type SweepOptions } from './sweep-job.js';

export interface PoolRun {
  readonly jobs: readonly SweepJob[];
  readonly options: SweepOptions;
  /** 0 runs in this thread. */
  readonly workers: number;
  /** Called as results come, in any order. */
  onResult(index: number, result: JobResult): void;
  /** Asked before each job; true ends the run with what is done. */
  isStopped(): boolean;
}

/** Runs all jobs, each once, whoever takes it: a result depends on its job and the options alone. */
export async function runJobs(run: PoolRun): Promise<void> {
  if (run.workers === 0) {
    const sweeper = new Sweeper(new Map(allCases().map((testCase) => [testCase.name, testCase])), run.options);
    for (let i = 0; i < run.jobs.length && !run.isStopped(); i++) run.onResult(i, await sweeper.run(run.jobs[i]!));
    return;
  }
  let next = 0;
  const take = (): number => (run.isStopped() ? run.jobs.length : next++);
  await Promise.all(Array.from({ length: Math.min(run.workers, run.jobs.length) }, () => runWorker(run, take)));
}

function runWorker(run: PoolRun, take: () => number): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./sweep-worker.js', import.meta.url), { workerData: run.options });
    let index = 0;
    const step = (): void => {
      index = take();
      if (index < run.jobs.length) worker.postMessage(run.jobs[index]);
      else void worker.terminate().then(() => resolve());
    };
    worker.on('message', ({ result, error }: { result?: JobResult; error?: string }) => {
      if (result === undefined) {
        void worker.terminate();
        reject(new Error(`the sweep of ${run.jobs[index]!.name} broke: ${error}`));
        return;
      }
      run.onResult(index, result);
      step();
    });
    worker.on('error', reject);
    step();
  });
}
