import type { Sequence } from '../../tests/conform/recording.js';
import type { StopRequest } from '../output.js';
import { workOff } from '../worker-pool.js';
import { replayWork, type SequenceResult, type WorkerSetup } from './conform-worker.js';

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
  const { setup, onResults, stop } = options;
  const batches: (readonly Sequence[])[] = [];
  for (let first = 0; first < sequences.length; first += BATCH) batches.push(sequences.slice(first, first + BATCH));
  const jobs = Math.min(options.jobs, batches.length);
  const results = new Map<readonly Sequence[], readonly SequenceResult[]>();
  const waiting = [...batches];
  await workOff<readonly Sequence[], readonly SequenceResult[]>({
    module: new URL('./conform-worker.js', import.meta.url),
    data: setup,
    workers: jobs > 1 ? jobs : 0,
    here: () => replayWork(setup),
    take: async () => ((await stop.look()) ? null : (waiting.shift() ?? null)),
    onResult: (batch, found) => {
      results.set(batch, found);
      onResults(found);
    },
  });
  // A batch that was not begun has none.
  return batches.flatMap((batch) => results.get(batch) ?? []);
}
