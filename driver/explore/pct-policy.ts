import type { SchedulerPolicy } from '../core/policy.js';
import type { Task } from '../core/task.js';
import type { WaitQueue } from '../core/wait-queue.js';
import { PctStrategy, pctGuarantee } from './pct-strategy.js';

/** Steps of one task in a row, while others could run, after which it is taken to wait for them: a program may spin. */
const SPINS = 2_000;

/** One schedule of `PctStrategy`, for a whole program: `steps` is how many one is expected to take. */
export class PctPolicy implements SchedulerPolicy {
  private readonly strategy: PctStrategy;
  private last = -1;
  private streak = 0;
  private taken = 0;
  private readonly depth: number;

  constructor(
    readonly seed: number,
    { depth, steps }: { readonly depth: number; readonly steps: number },
  ) {
    this.depth = depth;
    this.strategy = new PctStrategy(seed, { depth, schedules: 1 });
    this.strategy.steps = steps;
    this.strategy.begins();
  }

  reset(): void {}

  pick(runnable: readonly Task[]): number {
    // A step without a choice is none at which a priority could matter.
    if (runnable.length === 1) return 0;
    this.taken++;
    const place = this.strategy.pick(runnable.map(({ id }) => id));
    const { id } = runnable[place]!;
    this.streak = id === this.last ? this.streak + 1 : 0;
    this.last = id;
    if (this.streak < SPINS) return place;
    this.streak = 0;
    this.strategy.fallsBack(id);
    return place;
  }

  wake(waiters: readonly Task[], _queue: WaitQueue): number {
    return this.strategy.wake(waiters.map(({ id }) => id));
  }

  /** Most tasks and the steps so far, and the chance of one schedule to show a bug of the depth. */
  get measure(): { tasks: number; steps: number; guarantee: number } {
    const { tasks } = this.strategy;
    const steps = Math.max(1, this.taken);
    return { tasks, steps, guarantee: pctGuarantee(tasks, steps, this.depth) };
  }
}
