import type { SharedKind } from './observer.js';
import type { WaitQueue } from './wait-queue.js';

/** A place where another task may be picked; `at` names it in traces and schedules. */
export interface PreemptEffect {
  readonly kind: 'preempt';
  readonly at: string;
}

/** One lock among all: its kind in observer.ts, the id that the observer sees, and whether it is taken to read or to write. */
export interface LockTarget {
  readonly kind: SharedKind;
  readonly id: number;
  readonly access: number;
}

/** Sleep for `ticks` microseconds of virtual time. */
export interface SleepEffect {
  readonly kind: 'sleep';
  readonly ticks: number;
}

/**
 * What a kernel task may ask of the scheduler. A `WaitQueue` is its own effect: yielding it blocks the task until it
 * is woken through that queue. Locks are built from `preempt` (before the visible operation) and `wait`.
 */
export type Effect = PreemptEffect | SleepEffect | WaitQueue;

/** Kernel code that may sleep. It is called with `yield*`; a plain function is atomic. */
export type Coroutine<T> = Generator<Effect, T, void>;

/** Makes the effect object of one scheduling point; do it once at module level or in a constructor, not per call. */
export function preemptPoint(at: string): PreemptEffect {
  return { kind: 'preempt', at };
}
