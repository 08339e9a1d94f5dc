import { Tinypool } from 'tinypool';
import type { Output } from './output.js';

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

interface ListedWork<Task, Result> extends Pick<PooledWork<Task, Result>, 'module' | 'data' | 'here'> {
  readonly tasks: readonly Task[];
  /** Worker threads; with one task or one of them everything runs in this thread. */
  readonly jobs: number;
  /** Ends it between two tasks when it is told to stop. */
  readonly output: Pick<Output, 'stop' | 'share'>;
  readonly onResult: (task: Task, result: Result) => void;
}

/** Does a list of tasks, but for those whose results are known, until it is told to stop. Answers by task. */
export async function workAll<Task extends object, Result extends { readonly ms: number }>(
  work: ListedWork<Task, Result>,
): Promise<Map<Task, Result>> {
  const { tasks, jobs, output, onResult } = work;
  const { share } = output;
  const known = tasks.map((task) => [task, share.known(task) as Result | undefined] as const);
  const results = new Map(known.filter((each): each is readonly [Task, Result] => each[1] !== undefined));
  const waiting = tasks.filter((task) => !results.has(task));
  const workers = Math.min(jobs, waiting.length);
  const stop = output.stop.watch();
  await workOff<Task, Result>({
    ...work,
    workers: workers > 1 ? workers : 0,
    take: async () => ((await stop.look()) ? null : (waiting.shift() ?? null)),
    onResult: (task, result) => {
      results.set(task, result);
      share.keep(task, result, result.ms);
      onResult(task, result);
    },
  });
  return results;
}

/** In a worker: what it begins with. */
export function dataOfWorker<Data>(): Data {
  return Tinypool.workerData as Data;
}
