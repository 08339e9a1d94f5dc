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

/**
 * Points that only an explorer of schedules stops at, `if (scheduler.isFine) yield FINE.ptl`: one before each operation that another CPU
 * can see, by what it is on. A plain function between two of them is one such operation.
 */
export const FINE = {
  /** A section under a page table lock. */
  ptl: preemptPoint('ptl'),
  /** A look at an entry without its lock, of which something is done later. */
  entry: preemptPoint('entry'),
  /** A trylock or an unlock of a folio. */
  folioLock: preemptPoint('folio lock'),
  /** A reference that goes, or a count that decides. */
  refcount: preemptPoint('refcount'),
  /** Off or on the LRU. */
  lru: preemptPoint('lru_lock'),
  /** From the start of an invalidation to the change, and from the change to its end. */
  notifier: preemptPoint('notifier'),
  /** From a translation to the access that it is for, and from a fault to the next translation. */
  access: preemptPoint('access'),
  /** A flush that comes after its section. */
  tlb: preemptPoint('tlb flush'),
  /** The bytes of a page. */
  content: preemptPoint('content'),
  /** The page cache, the swap cache, slots. */
  cache: preemptPoint('cache'),
  /** A device's free lists. */
  devLock: preemptPoint('dev_lock'),
} as const;

export const FINE_POINTS: ReadonlySet<Effect> = new Set(Object.values(FINE));
