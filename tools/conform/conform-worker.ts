import type { Sequence } from '../../tests/conform/recording.js';
import { type Divergence, Replayer } from '../../tests/conform/replay.js';
import type { PathName } from '../../uapi/path-name.js';
import { dataOfWorker } from '../worker-pool.js';

/** What a worker replays on; it is handed over when the worker starts. */
export interface WorkerSetup {
  readonly path: PathName;
  readonly invariants: boolean;
}

/** How one sequence ended. */
export interface SequenceResult {
  readonly seq: string;
  /** Ops that were replayed: up to the first divergence. */
  readonly ops: number;
  readonly divergence: Divergence | null;
  readonly ms: number;
}

export function replayOne(replayer: Replayer, sequence: Sequence): SequenceResult {
  const begun = performance.now();
  const divergence = replayer.replay(sequence);
  const ops = divergence === null ? sequence.steps.length : divergence.at + 1;
  return { seq: sequence.seq, ops, divergence, ms: performance.now() - begun };
}

/** What replays batches, on one machine. */
export function replayWork({ path, invariants }: WorkerSetup): (batch: readonly Sequence[]) => SequenceResult[] {
  const replayer = new Replayer({ path, checkInvariants: invariants });
  return (batch) => batch.map((sequence) => replayOne(replayer, sequence));
}

let ofWorker: ReturnType<typeof replayWork> | undefined;

/** Called in the workers of `dmirror conform`. */
export function work(batch: readonly Sequence[]): SequenceResult[] {
  ofWorker ??= replayWork(dataOfWorker<WorkerSetup>());
  return ofWorker(batch);
}
