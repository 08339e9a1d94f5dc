import type { Sequence } from '../../tests/conform/recording.js';
import { type Divergence, Replayer, type ReplayOptions } from '../../tests/conform/replay.js';
import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { dataOfWorker } from '../worker-pool.js';

/** A sequence, and the path that it is replayed on. */
export interface ReplayTask {
  readonly file: string;
  readonly sequence: Sequence;
  readonly path: PathName;
}

/** What a worker is told when it starts. */
export interface WorkerSetup {
  /** Undefined: on the two paths that must be equal. A posting's defects make the proof fail where the kernel answers. */
  readonly invariants?: boolean | undefined;
}

/** How one sequence ended, and the file that it came from. */
export interface SequenceResult {
  readonly seq: string;
  readonly file: string;
  readonly path: PathName;
  /** Ops that were replayed: up to the first divergence. */
  readonly ops: number;
  readonly divergence: Divergence | null;
  readonly ms: number;
}

export function isProved(path: PathName, { invariants }: WorkerSetup): boolean {
  return invariants ?? EQUAL_PATHS.includes(path);
}

export function replayOne(replayer: Replayer, { file, path, sequence }: ReplayTask): SequenceResult {
  const begun = performance.now();
  const divergence = replayer.replay(sequence);
  const ops = divergence === null ? sequence.steps.length : divergence.at + 1;
  return { seq: sequence.seq, file, path, ops, divergence, ms: performance.now() - begun };
}

/** What replays, on one machine for each path. */
export function replayWork(
  setup: WorkerSetup,
  more: Pick<ReplayOptions, 'onMachine'> = {},
): (task: ReplayTask) => SequenceResult {
  const replayers = new Map<PathName, Replayer>();
  return (task) => {
    const { path } = task;
    const replayer = replayers.get(path) ?? new Replayer({ path, checkInvariants: isProved(path, setup), ...more });
    replayers.set(path, replayer);
    return replayOne(replayer, task);
  };
}

let ofWorker: ReturnType<typeof replayWork> | undefined;

/** Called in the workers of `dmirror conform`. */
export function work(task: ReplayTask): SequenceResult {
  ofWorker ??= replayWork(dataOfWorker<WorkerSetup>());
  return ofWorker(task);
}
