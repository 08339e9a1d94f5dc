import { Access, NOBODY, type Observable, Shared } from './observer.js';
import type { Task } from './task.js';

interface WaitQueueOptions {
  /** Who has what is waited for, null where nobody has it. A queue without is for what calls bring about: a child that exits, a write to a pipe. */
  readonly owner?: () => Task | null;
  /** Shown behind `what` in reports, as it is then. */
  readonly detail?: () => string;
  /** For the observer; queues without are one object to it. */
  readonly objectId?: number;
  /** Whose observer is told of wake-ups that find nobody. A queue without is one whose waiters test what others touch before they wake it. */
  readonly kernel?: Observable;
}

/**
 * Tasks that sleep until something changes. Wake-ups are never remembered, so a waiter tests its condition before it
 * yields the queue and again when it runs (there is no scheduling point between a test and the yield).
 */
export class WaitQueue {
  readonly kind = 'wait';
  readonly waiters: Task[] = [];
  readonly owner: () => Task | null;
  readonly detail: () => string;
  private readonly objectId: number;
  private readonly kernel: Observable;

  constructor(
    readonly what: string,
    { owner = noOwner, detail = noDetail, objectId = 0, kernel = NOBODY }: WaitQueueOptions = {},
  ) {
    this.owner = owner;
    this.detail = detail;
    this.objectId = objectId;
    this.kernel = kernel;
  }

  get isForCall(): boolean {
    return this.owner === noOwner;
  }

  /** Is there somebody who a wake-up would find? */
  hasWaiters(): boolean {
    this.look();
    return this.waiters.length > 0;
  }

  /** Makes every waiter runnable, in the order in which they came. */
  wakeAll(): void {
    if (this.waiters.length === 0) this.look();
    while (this.waiters.length > 0) this.wake(this.waiters[0]!);
  }

  /** Makes one waiter runnable, if there is one: the one that came first, unless the policy chooses. */
  wakeOne(): void {
    const { waiters } = this;
    const first = waiters[0];
    if (first === undefined) this.look();
    else this.wake(first.scheduler.chooseWaiter(this) ?? first);
  }

  /** Makes that waiter runnable. */
  wake(task: Task): void {
    this.waiters.splice(this.waiters.indexOf(task), 1);
    this.touch(task);
    task.scheduler.makeRunnable(task);
  }

  /** The scheduler's part of waiting. */
  add(task: Task): void {
    this.touch(task);
    this.waiters.push(task);
  }

  /** Whoever begins to wait after that is not seen. */
  private look(): void {
    this.kernel.observer?.touch(Shared.waitQueue, this.objectId, Access.read, 1);
  }

  private touch({ scheduler }: Task): void {
    scheduler.observer?.touch(Shared.waitQueue, this.objectId, Access.write, 1);
  }
}

function noOwner(): null {
  return null;
}

function noDetail(): string {
  return '';
}
