import { Tinypool } from 'tinypool';
import type { Output, StopRequest } from './output.js';

/** Does one task at a time: a thread of the pool, a daemon, a program that it starts, or this thread. */
export interface Runner<Task, Result> {
  run(task: Task): Promise<Result> | Result;
  /** What it holds is given back. */
  end?(): Promise<void>;
}

interface HandedOut<Task, Result> {
  /** The next task, or null when no more come. */
  take(): Promise<Task | null> | Task | null;
  /** Called as results come, in any order. */
  onResult(task: Task, result: Result): void;
  /** Retires runners, but for one, where they take too much. */
  readonly memory?: Output['memory'] | undefined;
}

interface PooledWork<Task, Result> extends HandedOut<Task, Result> {
  /** The module of the workers, which exports `work`. */
  readonly module: URL;
  /** What they begin with: `dataOfWorker` there. */
  readonly data: unknown;
  /** 0 works in this thread, by `here`. */
  readonly workers: number;
  readonly here: () => (task: Task) => Promise<Result> | Result;
}

/** Nobody goes before the work is done. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Runs live on short objects; with more room for them most are gone before anybody looks for garbage. */
const YOUNG_MIB = 64;

/** Does all tasks, each once, by whoever is free. Rejects when one breaks. All runners are ended. */
export async function handOut<Task, Result>(
  runners: readonly Runner<Task, Result>[],
  { take, onResult, memory }: HandedOut<Task, Result>,
): Promise<void> {
  if (memory !== undefined) memory.spare = runners.length - 1;
  const untilNone = async (runner: Runner<Task, Result>): Promise<void> => {
    for (let task = await take(); task !== null; task = await take()) {
      onResult(task, await runner.run(task));
      if (memory?.lowers() === true) break;
    }
    await runner.end?.();
  };
  try {
    await Promise.all(runners.map(untilNone));
  } finally {
    if (memory !== undefined) memory.spare = 0;
    await Promise.all(runners.map((runner) => runner.end?.()));
  }
}

/** Takes what is waiting until it is told to stop. Once nothing is left, nobody asks whether to. */
export function untilStopped<Task>(waiting: Task[], stop: StopRequest): () => Promise<Task | null> {
  return async () => (waiting.length === 0 || (await stop.look()) ? null : (waiting.shift() ?? null));
}

/** The same by worker threads. */
export async function workOff<Task, Result>(work: PooledWork<Task, Result>): Promise<void> {
  const { workers, here } = work;
  const runners = workers === 0 ? [{ run: here() }] : threads<Task, Result>(workers, work);
  await handOut(runners, work);
}

/** Each is a pool of one thread, which ends alone. */
export function threads<Task, Result>(
  count: number,
  { module, data }: Pick<PooledWork<Task, Result>, 'module' | 'data'>,
): Runner<Task, Result>[] {
  return Array.from({ length: count }, () => {
    let pool: Tinypool | null = null;
    return {
      run(task: Task): Promise<Result> {
        pool ??= new Tinypool({
          filename: module.href,
          workerData: data,
          minThreads: 1,
          maxThreads: 1,
          idleTimeout: LONGEST_TIMER_MS,
          resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
        });
        return pool.run(task, { name: 'work' });
      },
      async end(): Promise<void> {
        const ended = pool?.destroy();
        pool = null;
        await ended;
      },
    };
  });
}

interface ListedWork<Task, Result> extends Partial<Pick<PooledWork<Task, Result>, 'module' | 'data' | 'here'>> {
  readonly tasks: readonly Task[];
  /** Worker threads; with one task or one of them everything runs in this thread. */
  readonly jobs?: number;
  /** Whoever does it, in place of threads. */
  readonly runners?: readonly Runner<Task, Result>[];
  /** Ends it between two tasks when it is told to stop. */
  readonly output: Pick<Output, 'stop' | 'share' | 'memory'>;
  readonly onResult: (task: Task, result: Result) => void;
  /** Not so when it was told to stop in the middle; such a result is nobody else's. */
  readonly isWhole?: (result: Result) => boolean;
}

/** Does a list of tasks, but for those whose results are known, until it is told to stop. Answers by task. */
export async function workAll<Task extends object, Result extends { readonly ms: number }>(
  work: ListedWork<Task, Result>,
): Promise<Map<Task, Result>> {
  const { tasks, output, onResult } = work;
  const { share, memory } = output;
  const known = tasks.map((task) => [task, share.known(task) as Result | undefined] as const);
  const results = new Map(known.filter((each): each is readonly [Task, Result] => each[1] !== undefined));
  const waiting = tasks.filter((task) => !results.has(task));
  await handOut(runnersOf(work, waiting.length), {
    memory,
    take: untilStopped(waiting, output.stop.watch()),
    onResult: (task, result) => {
      results.set(task, result);
      if (work.isWhole?.(result) !== false) share.keep(task, result, result.ms);
      onResult(task, result);
    },
  });
  return results;
}

function runnersOf<Task, Result>(
  { runners, jobs = 1, module, data, here }: ListedWork<Task, Result>,
  tasks: number,
): readonly Runner<Task, Result>[] {
  if (runners !== undefined) return runners;
  const workers = Math.min(jobs, tasks);
  return module !== undefined && workers > 1 ? threads(workers, { module, data }) : [{ run: here!() }];
}

/** In a worker: what it begins with. */
export function dataOfWorker<Data>(): Data {
  return Tinypool.workerData as Data;
}
