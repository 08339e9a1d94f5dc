import type { PartResult } from '../../driver/explore/index.js';
import type { Output, StopRequest } from '../output.js';
import { dataOfWorker, handOut, threads } from '../worker-pool.js';
import { type HowExplored, reportOf, type TestReport } from './explore-report.js';
import { type ExploredTest, exploreLitmus, type LitmusPart, LitmusPartRunner, litmusRounds } from './explore-work.js';
import type { Litmus } from './litmus-file.js';

/** One test on one machine. */
export interface ExploreTask {
  readonly test: Litmus;
  readonly how: HowExplored;
}

/** Called in the workers of `dmirror explore`. */
export function work({ test, how }: ExploreTask): TestReport {
  const begun = performance.now();
  return reportOf(test, exploreLitmus(test, how, isStopped), { how, ms: performance.now() - begun });
}

/** In a worker: the command was told to stop. */
export function isStopped(): boolean {
  const flag = dataOfWorker<Int32Array | undefined>();
  return flag !== undefined && Atomics.load(flag, 0) !== 0;
}

/** The same here, with so many worker threads for what can be done at the same time; none is started for a small test. */
export async function workTogether(
  { test, how }: ExploreTask,
  jobs: number,
  output: Pick<Output, 'memory' | 'stop'>,
): Promise<TestReport> {
  const begun = performance.now();
  const explored = await new RoundsTogether({ test, how }).explored(jobs, output);
  return reportOf(test, explored, { how, ms: performance.now() - begun });
}

/** A place in the list of a round. */
type PartAt = LitmusPart & { readonly at: number };

/** The parts of each round by whoever is free, and the next round when all are done. */
class RoundsTogether {
  private readonly runner = new LitmusPartRunner();
  private readonly rounds;
  private parts: readonly LitmusPart[] = [];
  private results: (PartResult | null)[] = [];
  private waiting: PartAt[] = [];
  private left = 0;
  private end: ExploredTest | null = null;
  /** Those who have nothing to do until the round is over. */
  private idle: (() => void)[] = [];

  constructor(task: ExploreTask) {
    this.rounds = litmusRounds(task, this.runner);
    this.go(this.rounds.next());
  }

  async explored(jobs: number, { memory, stop }: Pick<Output, 'memory' | 'stop'>): Promise<ExploredTest> {
    const onResult = (part: PartAt, result: PartResult): void => this.done(part, result);
    const here = { run: (part: PartAt) => this.here(part, stop) };
    const take = () => this.take(stop);
    await handOut([here], { take: async () => (jobs === 1 || this.parts.length === 1 ? take() : null), onResult });
    if (this.end === null)
      await handOut(threads<PartAt, PartResult>(jobs, { module: PART_WORKER, data: stop.flag }), {
        memory,
        take,
        onResult,
      });
    return this.end!;
  }

  /** Lets signals come in now and then. */
  private async here(part: PartAt, stop: StopRequest): Promise<PartResult> {
    const running = this.runner.running(part, () => stop.isRequested);
    let next = running.next();
    for (let since = performance.now(); !next.done; next = running.next()) {
      if (performance.now() - since < SLICE_MS) continue;
      await stop.look();
      since = performance.now();
    }
    return next.value;
  }

  private async take(stop: StopRequest): Promise<PartAt | null> {
    while (this.waiting.length === 0 && this.end === null)
      await new Promise<void>((resolve) => this.idle.push(resolve));
    if (this.end === null && (await stop.look())) for (const part of this.waiting.splice(0)) this.done(part, null);
    return this.waiting.shift() ?? null;
  }

  private done({ at }: PartAt, result: PartResult | null): void {
    this.results[at] = result;
    if (--this.left === 0) this.go(this.rounds.next(this.results));
  }

  private go(next: IteratorResult<readonly LitmusPart[], ExploredTest>): void {
    if (next.done) this.end = next.value;
    else {
      this.parts = next.value;
      this.results = [];
      this.left = this.parts.length;
      this.waiting = this.parts.map((part, at) => ({ ...part, at }));
    }
    for (const wake of this.idle.splice(0)) wake();
  }
}

/** As long as nobody waits in vain for an answer to a signal. */
const SLICE_MS = 50;
const PART_WORKER = new URL('./explore-part-worker.js', import.meta.url);
