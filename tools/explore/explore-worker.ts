import type { PartResult } from '../../driver/explore/index.js';
import type { Output } from '../output.js';
import { handOut, threads } from '../worker-pool.js';
import { type HowExplored, reportOf, type TestReport } from './explore-report.js';
import { type Explored, exploreLitmus, type LitmusPart, LitmusPartRunner, litmusRounds } from './explore-work.js';
import type { Litmus } from './litmus-file.js';

/** One test on one path. */
export interface ExploreTask {
  readonly test: Litmus;
  readonly how: HowExplored;
}

/** Called in the workers of `dmirror explore`. */
export function work(task: ExploreTask): TestReport {
  const begun = performance.now();
  const { test, how } = onItsMachine(task);
  return reportOf(test, exploreLitmus(test, how), { how, ms: performance.now() - begun });
}

/** The same, with so many worker threads for what can be done at the same time; none is started for a small test. */
export async function workTogether(
  task: ExploreTask,
  jobs: number,
  output: Pick<Output, 'memory'>,
): Promise<TestReport> {
  const begun = performance.now();
  const { test, how } = onItsMachine(task);
  const explored = await new RoundsTogether({ test, how }).explored(jobs, output);
  return reportOf(test, explored, { how, ms: performance.now() - begun });
}

function onItsMachine({ test, how }: ExploreTask): ExploreTask {
  return { test, how: { ...how, path: test.path ?? how.path, profile: test.profile ?? how.profile } };
}

/** A place in the list of a round. */
type PartAt = LitmusPart & { readonly at: number };

/** The parts of each round by whoever is free, and the next round when all are done. */
class RoundsTogether {
  private readonly runner = new LitmusPartRunner();
  private readonly rounds;
  private parts: readonly LitmusPart[] = [];
  private results: PartResult[] = [];
  private waiting: PartAt[] = [];
  private left = 0;
  private end: Explored | null = null;
  /** Those who have nothing to do until the round is over. */
  private idle: (() => void)[] = [];

  constructor(task: ExploreTask) {
    this.rounds = litmusRounds(task, this.runner);
    this.go(this.rounds.next());
  }

  async explored(jobs: number, { memory }: Pick<Output, 'memory'>): Promise<Explored> {
    while (this.end === null && this.parts.length === 1)
      this.done(this.waiting.pop()!, this.runner.run(this.parts[0]!));
    if (this.end !== null) return this.end;
    await handOut(threads<PartAt, PartResult>(jobs, { module: PART_WORKER, data: null }), {
      memory,
      take: () => this.take(),
      onResult: (part, result) => this.done(part, result),
    });
    return this.end!;
  }

  private async take(): Promise<PartAt | null> {
    while (this.waiting.length === 0 && this.end === null)
      await new Promise<void>((resolve) => this.idle.push(resolve));
    return this.waiting.shift() ?? null;
  }

  private done({ at }: PartAt, result: PartResult): void {
    this.results[at] = result;
    if (--this.left === 0) this.go(this.rounds.next(this.results));
  }

  private go(next: IteratorResult<readonly LitmusPart[], Explored>): void {
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

const PART_WORKER = new URL('./explore-part-worker.js', import.meta.url);
