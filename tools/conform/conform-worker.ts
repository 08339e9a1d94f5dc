import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { Sequence } from '../../tests/conform/recording.js';
import { type Divergence, Replayer } from '../../tests/conform/replay.js';
import type { PathName } from '../../uapi/path-name.js';

/** What a worker replays on; it is handed over when the worker starts. */
export interface WorkerSetup {
  readonly conform: true;
  readonly path: PathName;
  readonly invariants: boolean;
}

/** How one sequence ended. */
export interface SequenceResult {
  readonly seq: string;
  /** Ops that were replayed: up to the first divergence. */
  readonly ops: number;
  readonly divergence: Divergence | null;
}

export function replayOne(replayer: Replayer, sequence: Sequence): SequenceResult {
  const divergence = replayer.replay(sequence);
  return { seq: sequence.seq, ops: divergence === null ? sequence.steps.length : divergence.at + 1, divergence };
}

/** In a worker thread: each message is a batch of sequences, each answer their results. */
function serve({ path, invariants }: WorkerSetup): void {
  const replayer = new Replayer({ path, checkInvariants: invariants });
  parentPort!.on('message', (batch: readonly Sequence[]) => {
    parentPort!.postMessage(batch.map((sequence) => replayOne(replayer, sequence)));
  });
}

if (!isMainThread && (workerData as WorkerSetup | null)?.conform === true) serve(workerData as WorkerSetup);
