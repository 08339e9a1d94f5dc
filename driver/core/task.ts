import type { Coroutine, Effect, LockTarget } from './effect.js';
import { LOCK_CLASS_COUNT } from './lock-class.js';
import { Access, Shared } from './observer.js';
import type { Scheduler } from './scheduler.js';
import type { WaitQueue } from './wait-queue.js';

export type TaskState = 'idle' | 'runnable' | 'blocked' | 'sleeping';

/** What the kernel asks whose thread a task is. */
export interface TaskProgram {
  readonly tid: number;
  /** Bytes that may be mapped. Linux: rlimit(RLIMIT_AS) */
  readonly limitAs: number;
  signalPending(): boolean;
}

/**
 * One flow of control inside the kernel: a thread of a process while it is in a system call. A task is reused for each
 * call of its thread, so what it holds between calls is always nothing.
 */
export class Task {
  state: TaskState = 'idle';
  coroutine: Coroutine<unknown> | null = null;
  /** Runs when the coroutine returns; still in kernel context, so it must not start the scheduler. */
  onReturn: ((value: unknown) => void) | null = null;
  waitingOn: WaitQueue | null = null;
  /** What it stopped at and goes on from; null before the first step of a call. */
  next: Effect | null = null;
  /** The lock that it takes, or looks at, when it goes on; null when that is none. */
  takes: LockTarget | null = null;
  wakeAtTick = 0;
  /** It sleeps in a wait that every signal ends, not only a fatal one. Linux: TASK_INTERRUPTIBLE */
  isInterruptible = false;
  /** The present call, for reports. */
  doing = '';
  /** Objects with an id that it has made. */
  objects = 0;
  /** Steps of the present call so far. */
  steps = 0;
  /** Who serves the machine has given the call up: loops without a natural end leave with -EINTR at their next turn. */
  isAbandoned = false;
  /** Locks held, by class; `heldMask` has bit c set when `held[c]` is not 0. Both belong to the validator. */
  readonly held = new Int32Array(LOCK_CLASS_COUNT);
  heldMask = 0;

  private isKilled = false;

  constructor(
    readonly scheduler: Scheduler,
    readonly id: number,
    readonly name: string,
    /** null: it is the machine's own. */
    readonly program: TaskProgram | null = null,
  ) {}

  /** Page faults of its program that were served without, and with, a page read in. Linux: task_struct.min_flt, maj_flt */
  readonly faults = { minor: 0, major: 0 };

  /** A fatal signal is pending: killable waits give up with -EINTR. */
  get killed(): boolean {
    this.scheduler.observer?.touch(Shared.signals, this.id, Access.read, 1);
    return this.isKilled;
  }

  set killed(is: boolean) {
    this.scheduler.observer?.touch(Shared.signals, this.id, Access.write, 1);
    this.isKilled = is;
  }
}
