import { AssertionError, assert } from './assert.js';
import { Clock } from './clock.js';
import type { Coroutine, Effect } from './effect.js';
import { FIRST_SPIN_CLASS, LOCK_CLASS_NAMES } from './lock-class.js';
import type { Observer } from './observer.js';
import type { SchedulerPolicy } from './policy.js';
import { Task } from './task.js';

/** A task that can't go on, for a deadlock report. */
export interface BlockedTask {
  readonly task: string;
  readonly waitsFor: string;
  readonly ownedBy: string | null;
  readonly holds: readonly string[];
}

/**
 * How a run ended: `idle`, no task is left in the kernel; `stopped`, the awaited task returned; `deadlock`, tasks are
 * left and none can go on; `step-limit`, the limit of steps was reached or `isOver` said so (the run can be continued).
 */
export interface RunResult {
  readonly reason: 'idle' | 'stopped' | 'deadlock' | 'step-limit';
  readonly steps: number;
  readonly blocked: readonly BlockedTask[];
}

/** A callback at a moment of virtual time. It runs outside every task, so it may wake tasks and no more. */
export interface Timer {
  readonly atTick: number;
  readonly fire: () => void;
}

/** Virtual microseconds that one step takes, so that a loop which only retries does reach its deadline. */
const TICKS_PER_STEP = 1;
/** Steps of one run from one question whether it is over to the next. */
const STEPS_BETWEEN_QUESTIONS = 4;

/** Runs kernel tasks one step at a time; the policy decides whose step is next whenever there is a choice. */
export class Scheduler {
  readonly clock = new Clock();
  /** The task whose code is running, as `current` in Linux. Null outside `run`. */
  current: Task | null = null;
  /** Some other task could run now, or `isPreemptive`: only then is a scheduling point worth a yield. */
  contended = false;
  /** Some other task could run now. Points that are passed at every page or lock look at this: they come too often for the other reason. */
  isShared = false;
  /** Whoever calls `run` in slices must get control back, even with one task. */
  isPreemptive = false;
  /** Asked every few steps, by whoever may give a run so much time and no more. */
  isOver: (() => boolean) | null = null;
  steps = 0;
  /** The kernel's; set by `Kernel.observe`. */
  observer: Observer | null = null;
  private readonly runnable: Task[] = [];
  private readonly sleeping: Task[] = [];
  private readonly blocked = new Set<Task>();
  private readonly timers: Timer[] = [];
  private nextTaskId = 1;
  private nextObjectId = 1;

  constructor(
    readonly policy: SchedulerPolicy,
    public stepLimit: number,
  ) {}

  /** Tells objects of one kind apart for the observer; never given twice, not even in another life. */
  newObjectId(): number {
    return this.nextObjectId++;
  }

  newTask(name: string): Task {
    return new Task(this, this.nextTaskId++, name);
  }

  /** Puts an idle task to work; nothing runs before `run`. */
  start<T>(task: Task, coroutine: Coroutine<T>, onReturn: (value: T) => void): void {
    assert(task.state === 'idle', `task ${task.name} is already in the kernel`);
    task.coroutine = coroutine;
    task.steps = 0;
    task.isAbandoned = false;
    task.onReturn = onReturn as (value: unknown) => void;
    this.makeRunnable(task);
  }

  makeRunnable(task: Task): void {
    this.blocked.delete(task);
    task.waitingOn = null;
    task.state = 'runnable';
    this.runnable.push(task);
    this.isShared = true;
    this.contended = true;
  }

  /** Takes a task out of a wait queue or a sleep, for a signal. The waiter sees `killed` and gives up. */
  interrupt(task: Task): void {
    if (task.state === 'blocked') {
      const queue = task.waitingOn;
      if (queue !== null) queue.waiters.splice(queue.waiters.indexOf(task), 1);
      this.makeRunnable(task);
    } else if (task.state === 'sleeping') {
      this.sleeping.splice(this.sleeping.indexOf(task), 1);
      this.makeRunnable(task);
    }
  }

  /** Runs until `until` is idle again, or with no argument until every task is. */
  run(until: Task | null = null): RunResult {
    const firstStep = this.steps;
    const lastStep = firstStep + this.stepLimit;
    for (;;) {
      if (until !== null && until.state === 'idle') return this.ended('stopped', firstStep);
      while (this.runnable.length === 0) {
        if (!this.advanceToTimer()) return this.ended(this.blocked.size > 0 ? 'deadlock' : 'idle', firstStep);
        if (this.steps >= lastStep) break;
      }
      if (this.steps >= lastStep || this.isCut(firstStep)) return this.ended('step-limit', firstStep);
      this.step(this.takeNext());
    }
  }

  /** Not before the first steps, so that every run gets on. */
  private isCut(firstStep: number): boolean {
    const done = this.steps - firstStep;
    return done !== 0 && done % STEPS_BETWEEN_QUESTIONS === 0 && this.isOver?.() === true;
  }

  /** Fires once the clock has reached `atTick`: at the next `advance`, or when no task is runnable. */
  addTimer(atTick: number, fire: () => void): Timer {
    const timer = { atTick, fire };
    this.timers.push(timer);
    return timer;
  }

  /** A timer that has fired already is no mistake. */
  cancelTimer(timer: Timer): void {
    const at = this.timers.indexOf(timer);
    if (at >= 0) this.timers.splice(at, 1);
  }

  /** Time spent outside the kernel, by a program that computes: what falls due in it fires and wakes. */
  advance(ticks: number): void {
    const { clock } = this;
    clock.nowTicks += ticks;
    for (let due = earliest(this.timers); due !== null && due.atTick <= clock.nowTicks; due = earliest(this.timers)) {
      this.fireTimer(due);
    }
    for (const task of this.sleeping.filter(({ wakeAtTick }) => wakeAtTick <= clock.nowTicks)) {
      this.sleeping.splice(this.sleeping.indexOf(task), 1);
      this.makeRunnable(task);
    }
  }

  /** Forgets every task; used when a pooled machine begins a new life. */
  reset(seed: number): void {
    this.runnable.length = 0;
    this.sleeping.length = 0;
    this.timers.length = 0;
    this.blocked.clear();
    this.isShared = false;
    this.contended = false;
    this.current = null;
    this.steps = 0;
    this.nextTaskId = 1;
    this.clock.nowTicks = 0;
    this.policy.reset(seed);
  }

  /** Tasks that are in the kernel, whatever their state. */
  get busyCount(): number {
    return this.runnable.length + this.sleeping.length + this.blocked.size;
  }

  /** No task is in the kernel, and none will be before somebody calls. */
  get isAtRest(): boolean {
    return this.busyCount === 0 && this.timers.length === 0;
  }

  /** A further `run` would do something. */
  get hasRunnable(): boolean {
    return this.runnable.length > 0 || this.sleeping.length > 0 || (this.timers.length > 0 && this.blocked.size > 0);
  }

  private takeNext(): Task {
    const { runnable } = this;
    const index = runnable.length === 1 ? 0 : this.policy.pick(runnable);
    const task = runnable[index];
    assert(task !== undefined, `the policy picked ${index} of ${runnable.length} tasks`);
    if (runnable.length === 1) runnable.length = 0;
    else runnable.splice(index, 1);
    return task;
  }

  private step(task: Task): void {
    this.steps++;
    this.clock.nowTicks += TICKS_PER_STEP;
    this.isShared = this.runnable.length > 0;
    this.contended = this.isPreemptive || this.isShared;
    task.steps++;
    this.current = task;
    const coroutine = task.coroutine;
    assert(coroutine !== null, `task ${task.name} has no code`);
    this.observer?.stepBegins(task);
    const { done, value } = coroutine.next();
    this.current = null;
    if (done) this.finish(task, value);
    else this.apply(task, value);
    this.observer?.stepEnds(task, done ? null : value);
  }

  private finish(task: Task, value: unknown): void {
    if (task.heldMask !== 0) {
      throw new AssertionError(`task ${task.name} returns to user holding ${heldNames(task).join(', ')}`);
    }
    task.state = 'idle';
    task.coroutine = null;
    const { onReturn } = task;
    task.onReturn = null;
    onReturn?.(value);
  }

  private apply(task: Task, effect: Effect): void {
    if (task.heldMask >>> FIRST_SPIN_CLASS !== 0) {
      throw new AssertionError(`task ${task.name} sleeps in atomic context holding ${heldNames(task).join(', ')}`);
    }
    if (effect.kind === 'preempt') {
      task.state = 'runnable';
      this.runnable.push(task);
    } else if (effect.kind === 'sleep') {
      task.state = 'sleeping';
      task.wakeAtTick = this.clock.nowTicks + effect.ticks;
      this.sleeping.push(task);
    } else {
      task.state = 'blocked';
      task.waitingOn = effect;
      effect.add(task);
      this.blocked.add(task);
    }
  }

  /** Moves the clock to what falls due first. Timers alone, with no task in the kernel, stay as they are. */
  private advanceToTimer(): boolean {
    const timer = this.busyCount > 0 ? earliest(this.timers) : null;
    if (this.sleeping.length === 0) {
      if (timer === null) return false;
      this.fireTimer(timer);
      return true;
    }
    let first = 0;
    for (let i = 1; i < this.sleeping.length; i++) {
      if (this.sleeping[i]!.wakeAtTick < this.sleeping[first]!.wakeAtTick) first = i;
    }
    if (timer !== null && timer.atTick < this.sleeping[first]!.wakeAtTick) {
      this.fireTimer(timer);
      return true;
    }
    const task = this.sleeping.splice(first, 1)[0]!;
    this.clock.nowTicks = Math.max(this.clock.nowTicks, task.wakeAtTick);
    this.makeRunnable(task);
    return true;
  }

  private fireTimer(timer: Timer): void {
    this.cancelTimer(timer);
    // A timer that only sets itself again would else never reach the limit of steps.
    this.steps++;
    this.clock.nowTicks = Math.max(this.clock.nowTicks, timer.atTick);
    timer.fire();
  }

  private ended(reason: RunResult['reason'], firstStep: number): RunResult {
    const blocked = reason === 'deadlock' ? [...this.blocked].map(describeBlocked) : [];
    return { reason, steps: this.steps - firstStep, blocked };
  }
}

function earliest(timers: readonly Timer[]): Timer | null {
  let first: Timer | null = null;
  for (const timer of timers) if (first === null || timer.atTick < first.atTick) first = timer;
  return first;
}

function describeBlocked(task: Task): BlockedTask {
  const queue = task.waitingOn;
  return {
    task: task.name,
    waitsFor: queue === null ? 'nothing' : queue.what,
    ownedBy: queue?.owner()?.name ?? null,
    holds: heldNames(task),
  };
}

/** Names and counts of the locks that a task holds, outermost first. */
export function heldNames(task: Task): string[] {
  const names: string[] = [];
  for (let c = 0; c < task.held.length; c++) {
    const count = task.held[c]!;
    if (count > 0) names.push(count === 1 ? LOCK_CLASS_NAMES[c]! : `${LOCK_CLASS_NAMES[c]} x${count}`);
  }
  return names;
}
