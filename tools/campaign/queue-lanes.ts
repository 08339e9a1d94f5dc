import type { Runner } from '../worker-pool.js';

/** Who does the jobs that a worker has fetched: each lane one at a time, or one job with nothing beside it. */
export class Lanes<Task, Result> {
  private readonly free: Runner<Task, Result>[];
  private readonly waiting: ((lane: Runner<Task, Result> | null) => void)[] = [];
  private isOneAlone = false;
  private onRest: (() => void) | null = null;
  /** How many there are. */
  count: number;

  constructor(lanes: readonly Runner<Task, Result>[]) {
    this.free = [...lanes];
    this.count = lanes.length;
  }

  /** Null: something is done alone, so that the job is for another worker, or for later. `lowers` says whether the lane is to go. */
  async run(task: Task, { isAlone, lowers }: { isAlone: boolean; lowers(): boolean }): Promise<Result | null> {
    if (this.isOneAlone) return null;
    const lane = await (isAlone ? this.takeAlone() : this.take());
    if (lane === null) return null;
    try {
      return await lane.run(task);
    } finally {
      if (isAlone) this.isOneAlone = false;
      if (lowers()) await this.retire(lane);
      else this.giveBack(lane);
    }
  }

  private take(): Promise<Runner<Task, Result> | null> | Runner<Task, Result> {
    return this.free.pop() ?? new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Once those that run have ended; those that wait get none. */
  private async takeAlone(): Promise<Runner<Task, Result>> {
    this.isOneAlone = true;
    for (const refuse of this.waiting.splice(0)) refuse(null);
    if (this.free.length < this.count)
      await new Promise<void>((rest) => {
        this.onRest = rest;
      });
    return this.free.pop()!;
  }

  private giveBack(lane: Runner<Task, Result>): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free.push(lane);
    else next(lane);
    this.looksForRest();
  }

  private async retire(lane: Runner<Task, Result>): Promise<void> {
    this.count--;
    this.looksForRest();
    await lane.end?.();
  }

  private looksForRest(): void {
    if (this.free.length < this.count) return;
    this.onRest?.();
    this.onRest = null;
  }

  async end(): Promise<void> {
    await Promise.all(this.free.map((lane) => lane.end?.()));
  }
}
