import { Prng } from './prng.js';
import type { Task } from './task.js';

/** Picks the next task. The only place where a schedule is decided. */
export interface SchedulerPolicy {
  /** A new machine life begins; forget everything and use `seed`. */
  reset(seed: number): void;
  /** `runnable` holds at least two tasks, longest waiting first; returns an index into it. */
  pick(runnable: readonly Task[]): number;
}

/** Every task gets its turn, in order of becoming runnable. */
export class RoundRobin implements SchedulerPolicy {
  reset(): void {}

  pick(): number {
    return 0;
  }
}

/** A uniform choice at each step; same seed, same schedule. */
export class SeededRandom implements SchedulerPolicy {
  private readonly prng: Prng;

  constructor(seed: number) {
    this.prng = new Prng(seed);
  }

  reset(seed: number): void {
    this.prng.reseed(seed);
  }

  pick(runnable: readonly Task[]): number {
    return this.prng.below(runnable.length);
  }
}
