import { Tinypool } from 'tinypool';

interface PooledWork<Task, Result> {
  /** The module of the workers, which exports `work`. */
  readonly module: URL;
  /** What they begin with: `dataOfWorker` there. */
  readonly data: unknown;
  /** 0 works in this thread, by `here`. */
  readonly workers: number;
  readonly here: () => (task: Task) => Promise<Result> | Result;
  /** The next task, or null when no more come. */
  take(): Promise<Task | null> | Task | null;
  /** Called as results come, in any order. */
  onResult(task: Task, result: Result): void;
}

/** Nobody goes before the work is done. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Runs live on short objects; with more room for them most are gone before anybody looks for garbage. */
const YOUNG_MIB = 64;

/** Does all tasks, each once, whoever takes it. Rejects when one breaks. */
export async function workOff<Task, Result>(work: PooledWork<Task, Result>): Promise<void> {
  const { module, data, workers } = work;
  if (workers === 0) return await untilNone(work, work.here());
  const pool = new Tinypool({
    filename: module.href,
    workerData: data,
    minThreads: 1,
    maxThreads: workers,
    idleTimeout: LONGEST_TIMER_MS,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  });
  const run = (task: Task): Promise<Result> => pool.run(task, { name: 'work' });
  try {
    await Promise.all(Array.from({ length: workers }, () => untilNone(work, run)));
  } finally {
    await pool.destroy();
  }
}

async function untilNone<Task, Result>(
  { take, onResult }: PooledWork<Task, Result>,
  run: (task: Task) => Promise<Result> | Result,
): Promise<void> {
  for (let task = await take(); task !== null; task = await take()) onResult(task, await run(task));
}

/** In a worker: what it begins with. */
export function dataOfWorker<Data>(): Data {
  return Tinypool.workerData as Data;
}
