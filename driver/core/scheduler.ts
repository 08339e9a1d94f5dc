import { AssertionError, assert } from './assert.js';
import { Clock } from './clock.js';
import { type Coroutine, type Effect, FINE_POINTS } from './effect.js';
import { FIRST_SPIN_CLASS, LOCK_CLASS_NAMES } from './lock-class.js';
import { Access, type Observer, Shared } from './observer.js';
import { END_RUN, type SchedulerPolicy } from './policy.js';
import { Task, type TaskProgram } from './task.js';
import type { WaitQueue } from './wait-queue.js';

/** A task that can't go on, for a deadlock report. */
export interface BlockedTask {
  readonly task: string;
  readonly id: number;
  /** The call that it is in, as whoever runs it says; empty when nobody did. */
  readonly doing: string;
  readonly waitsFor: string;
  /** Somebody outside of the kernel may end it: a child that exits, a write to a pipe. */
  readonly waitsForCall: boolean;
  readonly ownedBy: string | null;
  readonly holds: readonly string[];
}

/**
 * How a run ended: `idle`, no task is left in the kernel; `stopped`, the awaited task returned; `ended`, by the policy; `deadlock`, tasks are
 * left and none can go on; `step-limit`, the limit of steps was reached or `isOver` said so (the run can be continued).
 */
export interface RunResult {
  readonly reason: 'idle' | 'stopped' | 'ended' | 'deadlock' | 'step-limit';
  readonly steps: number;
  readonly blocked: readonly BlockedTask[];
}

/** A callback at a moment of virtual time. It runs outside every task, so it may wake tasks and no more. */
export interface Timer {
  readonly atTick: number;
  readonly fire: () => void;
}

/** What virtual time brings: the end of a task's sleep, or a timer. */
export type DueEvent = Task | Timer;

/** Ids that one task may give. */
const OBJECTS_OF_TASK = 2 ** 20;
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
  /** `wantsFine`, inside a run: for points that only an explorer of every schedule needs. */
  isFine = false;
  /** Stop at every point, also before each operation that another CPU may see, whoever else can run: so steps are the same in every schedule. */
  wantsFine = false;
  /**
   * For who looks at a run more closely than it goes: fine points are passed, and nothing else is as under an explorer. A task that comes by
   * one goes on at once, in no time.
   */
  looksCloser = false;
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
  /** Of the machine's own tasks, for which nobody waits: they fire when time passes for another reason, and are none. */
  private readonly daemonTimers: Timer[] = [];
  private nextTaskId = 1;
  private nextObjectId = 1;

  constructor(
    public policy: SchedulerPolicy,
    public stepLimit: number,
  ) {}

  /** Tells objects of one kind apart for the observer. What a task makes has the same id whatever others make meanwhile. */
  newObjectId(): number {
    const { current } = this;
    return current === null ? this.nextObjectId++ : current.id * OBJECTS_OF_TASK + current.objects++;
  }

  newTask(name: string, program: TaskProgram | null = null): Task {
    return new Task(this, this.nextTaskId++, name, program);
  }

  /** Puts an idle task to work; nothing runs before `run`. */
  start<T>(task: Task, coroutine: Coroutine<T>, onReturn: (value: T) => void): void {
    assert(task.state === 'idle', 'task % is already in the kernel', task.name);
    task.coroutine = coroutine;
    task.steps = 0;
    task.next = null;
    task.doing = '';
    task.takes = null;
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
    this.isFine = this.passesFine;
    this.contended = true;
  }

  private get passesFine(): boolean {
    return this.wantsFine || this.looksCloser;
  }

  /** Takes a task out of a wait queue or a sleep, for a signal. The waiter sees `killed` and gives up. */
  interrupt(task: Task): void {
    if (task.state === 'blocked') {
      const queue = task.waitingOn;
      if (queue === null) this.makeRunnable(task);
      else queue.wake(task);
    } else if (task.state === 'sleeping') this.endSleep(task);
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
      if (this.policy.due !== undefined && this.hasFutureEvents) this.endWhatIsDue();
      const task = this.takeNext();
      if (task === null) return this.ended('ended', firstStep);
      this.step(task);
    }
  }

  /** Not before the first steps, so that every run gets on. */
  private isCut(firstStep: number): boolean {
    const done = this.steps - firstStep;
    return done !== 0 && done % STEPS_BETWEEN_QUESTIONS === 0 && this.isOver?.() === true;
  }

  /** The time, for who decides something by it. */
  now(): number {
    this.observer?.touch(Shared.clock, 0, Access.read, 1);
    return this.clock.nowTicks;
  }

  private touchClock(): void {
    this.observer?.touch(Shared.clock, 0, Access.write, 1);
  }

  /** Fires once the clock has reached `atTick`: at the next `advance`, or when no task is runnable. */
  addTimer(atTick: number, fire: () => void): Timer {
    this.touchClock();
    const timer = { atTick, fire };
    this.timers.push(timer);
    return timer;
  }

  /**
   * As `addTimer`, of a task that works on and on: it keeps no run from ending, and no deadlock from being told. Where every sleep may end at
   * any moment it never fires.
   */
  addDaemonTimer(atTick: number, fire: () => void): Timer {
    const timer = { atTick, fire };
    this.daemonTimers.push(timer);
    return timer;
  }

  /** A timer that has fired already is no mistake. */
  cancelTimer(timer: Timer): void {
    const isDaemon = this.daemonTimers.includes(timer);
    if (!isDaemon) this.touchClock();
    const timers = isDaemon ? this.daemonTimers : this.timers;
    const at = timers.indexOf(timer);
    if (at >= 0) timers.splice(at, 1);
  }

  /** Time spent outside the kernel, by a program that computes: what falls due in it fires and wakes. */
  advance(ticks: number): void {
    const { clock } = this;
    clock.nowTicks += ticks;
    if (this.policy.due !== undefined) {
      this.endWhatIsDue();
      return;
    }
    for (const timers of [this.timers, this.daemonTimers]) {
      for (let due = earliest(timers); due !== null && due.atTick <= clock.nowTicks; due = earliest(timers)) {
        this.fireTimer(due);
      }
    }
    for (const task of this.sleeping.filter(({ wakeAtTick }) => wakeAtTick <= clock.nowTicks)) this.endSleep(task);
  }

  /** What the running step takes beyond its own tick; nothing falls due in the midst of it. */
  spend(ticks: number): void {
    this.clock.nowTicks += ticks;
  }

  /** The waiter of `queue` that the policy wants to be woken when one is; null when it has no say. */
  chooseWaiter(queue: WaitQueue): Task | null {
    const { waiters } = queue;
    if (waiters.length < 2 || this.policy.wake === undefined) return null;
    const index = this.policy.wake(waiters, queue);
    const task = waiters[index];
    assert(task !== undefined, 'the policy wakes % of % tasks', index, waiters.length);
    return task;
  }

  /** Forgets every task; used when a pooled machine begins a new life. */
  reset(seed: number): void {
    this.runnable.length = 0;
    this.sleeping.length = 0;
    this.timers.length = 0;
    this.daemonTimers.length = 0;
    this.blocked.clear();
    this.isShared = false;
    this.isFine = false;
    this.contended = false;
    this.current = null;
    this.steps = 0;
    this.nextTaskId = 1;
    this.clock.nowTicks = 0;
    this.policy.reset(seed);
  }

  /** A task that is in the kernel, or null. */
  busyTask(id: number): Task | null {
    for (const tasks of [this.runnable, this.sleeping, this.blocked]) {
      for (const task of tasks) if (task.id === id) return task;
    }
    return null;
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

  private get hasFutureEvents(): boolean {
    return this.sleeping.length > 0 || this.timers.length > 0;
  }

  private takeNext(): Task | null {
    const { runnable } = this;
    const index = this.policy.pick(runnable);
    if (index === END_RUN) return null;
    const task = runnable[index];
    assert(task !== undefined, 'the policy picked % of % tasks', index, runnable.length);
    if (runnable.length === 1) runnable.length = 0;
    else runnable.splice(index, 1);
    return task;
  }

  private step(task: Task): void {
    this.steps++;
    this.clock.nowTicks += TICKS_PER_STEP;
    task.steps++;
    while (this.part(task));
  }

  /** All of a step, or with `looksCloser` the part up to a fine point; answers whether there is another part. */
  private part(task: Task): boolean {
    this.isFine = this.passesFine;
    this.isShared = this.wantsFine || this.runnable.length > 0;
    this.contended = this.isPreemptive || this.isShared;
    this.current = task;
    const coroutine = task.coroutine;
    assert(coroutine !== null, 'task % has no code', task.name);
    this.observer?.stepBegins(task);
    const { done, value } = coroutine.next();
    this.current = null;
    const hasMore = this.looksCloser && !done && FINE_POINTS.has(value);
    if (done) this.finish(task, value);
    else if (hasMore) task.next = value;
    else this.apply(task, value);
    this.observer?.stepEnds(task, done ? null : value);
    return hasMore;
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
    task.next = effect;
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
    const { sleeping, timers, clock } = this;
    if (this.busyCount === 0) return false;
    if (this.policy.isTimeFree === true) return this.endWhatIsDue();
    let tick = Number.POSITIVE_INFINITY;
    for (const { wakeAtTick } of sleeping) tick = Math.min(tick, wakeAtTick);
    for (const { atTick } of timers) tick = Math.min(tick, atTick);
    if (tick === Number.POSITIVE_INFINITY) return false;
    const daemon = earliest(this.daemonTimers);
    if (daemon !== null && daemon.atTick <= tick) {
      this.fireTimer(daemon);
      return true;
    }
    // Whoever chooses also sees what is late; else it is strictly the earliest.
    if (this.policy.due !== undefined) tick = Math.max(tick, clock.nowTicks);
    const events = this.dueBy(tick);
    const index = events.length === 1 ? 0 : (this.policy.due?.(events, this.runnable) ?? 0);
    const event = events[index];
    assert(event !== undefined, 'the policy ended % of % sleeps and timers', index, events.length);
    clock.nowTicks = Math.max(clock.nowTicks, tick);
    this.bringAbout(event);
    return true;
  }

  /** What virtual time has reached by `tick`: sleeps, then timers, each in order of coming. */
  private dueBy(tick: number): DueEvent[] {
    return [
      ...this.sleeping.filter(({ wakeAtTick }) => wakeAtTick <= tick),
      ...this.timers.filter(({ atTick }) => atTick <= tick),
    ];
  }

  /** Lets the policy end sleeps and timers whose time has come, though others can run. Answers whether it ended one. */
  private endWhatIsDue(): boolean {
    for (let hasEnded = false; ; hasEnded = true) {
      const isFree = this.policy.isTimeFree === true;
      const events = this.dueBy(isFree ? Number.POSITIVE_INFINITY : this.clock.nowTicks);
      const event = events.length === 0 ? undefined : events[this.policy.due!(events, this.runnable)];
      if (event === undefined) return hasEnded;
      this.bringAbout(event);
    }
  }

  private bringAbout(event: DueEvent): void {
    if ('fire' in event) {
      this.fireTimer(event);
      return;
    }
    this.touchClock();
    if (this.policy.isTimeFree === true) this.clock.nowTicks = Math.max(this.clock.nowTicks, event.wakeAtTick);
    this.endSleep(event);
  }

  private endSleep(task: Task): void {
    this.sleeping.splice(this.sleeping.indexOf(task), 1);
    this.makeRunnable(task);
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

/** What `task` waits for. */
export function describeBlocked(task: Task): BlockedTask {
  const queue = task.waitingOn;
  return {
    task: task.name,
    id: task.id,
    doing: task.doing,
    waitsFor: queue === null ? 'nothing' : queue.what + queue.detail(),
    waitsForCall: queue === null || queue.isForCall,
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
