import { Prng } from './prng.js';
import type { DueEvent } from './scheduler.js';
import type { Task } from './task.js';
import type { WaitQueue } from './wait-queue.js';

/** A policy answers it from `pick` to end the run where it is. */
export const END_RUN = -1;

/**
 * Decides every order that a real machine leaves open, and nothing else does. Answers are places in the list that is given.
 * A task's `next` is what it stopped at, `takes` the lock that it is about to take.
 */
export interface SchedulerPolicy {
  /** A new machine life begins; forget everything and use `seed`. */
  reset(seed: number): void;
  /** Whose step is next: `runnable` holds one task or more, longest waiting first. `END_RUN` ends the run, which can be continued. */
  pick(runnable: readonly Task[]): number;
  /**
   * Whom a lock that is let go, or another wake-up of one, wakes: `waiters` holds two or more in order of coming; without this
   * method the first. The order is open in Linux, as the first that sleeps competes with those that still spin: a mutex and an
   * rw_semaphore may go to either before the lock is handed off. Who wakes all (a folio's lock bit, completions, events) leaves
   * the order to `pick`.
   */
  wake?(waiters: readonly Task[], queue: WaitQueue): number;
  /**
   * Which of the sleeps and timers that virtual time has reached ends next. Without tasks that can run one of them must; with
   * some, -1 says none yet. Without this method time passes for sleepers only when nobody can run, the earliest first.
   */
  due?(events: readonly DueEvent[], runnable: readonly Task[]): number;
  /**
   * Steps may take any time, so every sleep and timer may end before any step: `due` is asked about all of them.
   */
  readonly isTimeFree?: boolean;
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
    return runnable.length === 1 ? 0 : this.prng.below(runnable.length);
  }
}
