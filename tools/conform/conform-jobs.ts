import { Worker } from 'node:worker_threads';
import type { Sequence } from '../../tests/conform/recording.js';
import { Replayer } from '../../tests/conform/replay.js';
import type { StopRequest } from '../output.js';
import { replayOne, type SequenceResult, type WorkerSetup } from './conform-worker.js';

export interface JobOptions {
  readonly setup: WorkerSetup;
  /** Worker threads; with one everything runs in this thread. */
  readonly jobs: number;
  /** Called as results come, in whatever order. */
  readonly onResults: (results: readonly SequenceResult[]) => void;
  /** No further batch is begun once it is requested. */
  readonly stop: StopRequest;
}

/** Sequences that a worker gets at a time: enough to be worth a message, few enough that all end together. */
const BATCH = 16;

/** Replays all, or what there is time for, and answers the results in the order of `sequences`, however many threads did it. */
export async function replayAll(sequences: readonly Sequence[], options: JobOptions): Promise<SequenceResult[]> {
  const batches: number[] = [];
  for (let first = 0; first < sequences.length; first += BATCH) batches.push(first);
  const results: SequenceResult[] = new Array<SequenceResult>(sequences.length);
  const keep = (first: number, found: readonly SequenceResult[]): void => {
    found.forEach((result, i) => {
      results[first + i] = result;
    });
    options.onResults(found);
  };
  const jobs = Math.min(options.jobs, batches.length);
  if (jobs <= 1) await replayHere(sequences, batches, { options, keep });
  else await Promise.all(Array.from({ length: jobs }, () => runWorker(sequences, batches, { options, keep })));
  // A batch that was not begun leaves holes.
  return results.filter((result) => result !== undefined);
}

interface Run {
  readonly options: JobOptions;
  readonly keep: (first: number, found: readonly SequenceResult[]) => void;
}

async function replayHere(
  sequences: readonly Sequence[],
  batches: readonly number[],
  { options, keep }: Run,
): Promise<void> {
  const { path, invariants } = options.setup;
  const replayer = new Replayer({ path, checkInvariants: invariants });
  for (const first of batches) {
    if (await options.stop.look()) return;
    keep(
      first,
      sequences.slice(first, first + BATCH).map((sequence) => replayOne(replayer, sequence)),
    );
  }
}

/** One worker takes batches until none is left. Rejects when the worker dies. */
function runWorker(sequences: readonly Sequence[], batches: number[], { options, keep }: Run): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./conform-worker.js', import.meta.url), { workerData: options.setup });
    let current = 0;
    const next = (): void => {
      const first = batches.shift();
      if (first === undefined || options.stop.isRequested) return void worker.terminate();
      current = first;
      worker.postMessage(sequences.slice(first, first + BATCH));
    };
    worker.on('message', (found: SequenceResult[]) => {
      keep(current, found);
      next();
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve());
    next();
  });
}
