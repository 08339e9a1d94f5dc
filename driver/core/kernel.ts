import { Trace } from '../trace/trace.js';
import type { TraceKind, TraceOperands } from '../trace/trace-event.js';
import { AssertionError, assert } from './assert.js';
import { FIRST_SPIN_CLASS, LOCK_CLASS_NAMES, type LockClassId } from './lock-class.js';
import type { Observer } from './observer.js';
import type { SchedulerPolicy } from './policy.js';
import { Prng } from './prng.js';
import { heldNames, Scheduler } from './scheduler.js';
import type { Task } from './task.js';

/** What every part of the emulated kernel may use: the running task, the lock validator, time, chance and the trace. */
export class Kernel {
  readonly scheduler: Scheduler;
  readonly prng: Prng;
  readonly trace = new Trace();
  /** Is told of whatever tasks share, see observer.ts. Set by `observe`. */
  observer: Observer | null = null;
  /** What the kernel's log would say, and how often, since the start of this life. */
  readonly warnings = new Map<string, number>();
  /** Called when the kernel gets its observer or loses it, by those who then do their work another way. */
  readonly onObserve: ((isObserved: boolean) => void)[] = [];

  constructor(policy: SchedulerPolicy, seed: number, stepLimit: number) {
    this.scheduler = new Scheduler(policy, stepLimit);
    this.prng = new Prng(seed);
  }

  /** From now on `observer` stands where tasks touch what they share; null ends that. */
  observe(observer: Observer | null): void {
    this.observer = observer;
    this.scheduler.observer = observer;
    for (const change of this.onObserve) change(observer !== null);
  }

  /** The task whose code is running. */
  get current(): Task {
    return this.scheduler.current ?? noTask();
  }

  /**
   * A lock of `cls` was taken by the running task. `mayWait` is false for a trylock, which can't deadlock and so may
   * be out of order; `instance` tells locks of one name apart; `nested` allows a second lock of one class (fork: the child's mmap_lock inside the parent's).
   */
  lockAcquired(cls: LockClassId, name: string, { mayWait = true, nested = false, instance = 0 } = {}): void {
    const task = this.current;
    if (mayWait) this.checkOrder(task, cls, nested);
    task.held[cls]!++;
    task.heldMask |= 1 << cls;
    if (this.trace.verbose) this.emit('lock', { lock: name, instance, trylock: !mayWait });
  }

  /** The counterpart of `lockAcquired`. */
  lockReleased(cls: LockClassId, name: string, instance = 0): void {
    const task = this.current;
    const left = --task.held[cls]!;
    assert(left >= 0, 'task % releases %, which it does not hold', task.name, name);
    if (left === 0) task.heldMask &= ~(1 << cls);
    if (this.trace.verbose) this.emit('unlock', { lock: name, instance });
  }

  /** Preconditions of code that may sleep or wait for `cls`; callable before the lock is free. */
  checkOrder(task: Task, cls: LockClassId, nested: boolean): void {
    const inner = nested ? cls + 1 : cls;
    if (task.heldMask >>> inner !== 0) outOfOrder(task, cls);
  }

  /** `cls` must be held by the running task. */
  assertHeld(cls: LockClassId): void {
    if (this.current.held[cls]! === 0) notHeld(cls);
  }

  /** The running task may sleep: it holds no spin lock. Linux: include/linux/kernel.h:might_sleep() */
  mightSleep(): void {
    const task = this.current;
    if (task.heldMask >>> FIRST_SPIN_CLASS !== 0) holdsWrongly(task, 'may sleep while it holds');
  }

  /** The running task holds nothing: it comes from, or goes back to, user mode. */
  assertNoLocks(): void {
    const task = this.current;
    if (task.heldMask !== 0) holdsWrongly(task, 'still holds');
  }

  /** Says once more in the log that something must not be, and goes on. Linux: include/asm-generic/bug.h:WARN_ON() */
  warnOn(what: string): void {
    this.warnings.set(what, (this.warnings.get(what) ?? 0) + 1);
  }

  /** Records one event of the running task. */
  emit<Kind extends TraceKind>(
    kind: Kind,
    operands: TraceOperands[Kind],
    task = this.scheduler.current?.id ?? 0,
  ): void {
    this.trace.emit({ tick: this.scheduler.clock.nowTicks, task, kind, operands });
  }

  reset(seed: number): void {
    this.scheduler.reset(seed);
    this.prng.reseed(seed);
    this.trace.reset();
    this.warnings.clear();
  }
}

// What an assertion says is made apart from it, so that the assertion itself is small enough to be compiled into whoever asks.

function noTask(): never {
  throw new AssertionError('kernel code runs outside a task');
}

function notHeld(cls: LockClassId): never {
  throw new AssertionError(`${LOCK_CLASS_NAMES[cls]} is not held`);
}

function outOfOrder(task: Task, cls: LockClassId): never {
  throw new AssertionError(
    `lock order: task ${task.name} wants ${LOCK_CLASS_NAMES[cls]} while it holds ${heldNames(task).join(', ')}`,
  );
}

function holdsWrongly(task: Task, what: string): never {
  throw new AssertionError(`task ${task.name} ${what} ${heldNames(task).join(', ')}`);
}
