import { Access, Shared } from './observer.js';
import type { Task } from './task.js';

/**
 * Tasks that sleep until something changes. Wake-ups are never remembered, so a waiter tests its condition before it
 * yields the queue and again when it runs (there is no scheduling point between a test and the yield).
 */
export class WaitQueue {
  readonly kind = 'wait';
  readonly waiters: Task[] = [];
  private objectId = 0;

  /** `what` is shown in a deadlock report; `owner` says who has what is waited for, where that is known. */
  constructor(
    readonly what: string,
    readonly owner: () => Task | null = noOwner,
  ) {}

  /** Makes every waiter runnable, in the order in which they came. */
  wakeAll(): void {
    while (this.waiters.length > 0) this.wakeOne();
  }

  /** Makes the waiter that came first runnable, if there is one. */
  wakeOne(): void {
    const task = this.waiters.shift();
    if (task === undefined) return;
    this.touch(task);
    task.scheduler.makeRunnable(task);
  }

  /** The scheduler's part of waiting. */
  add(task: Task): void {
    this.touch(task);
    this.waiters.push(task);
  }

  /** What is waited for is an object of its own, so a wake-up that finds nobody is no access to the queue. */
  private touch({ scheduler }: Task): void {
    if (scheduler.observer === null) return;
    if (this.objectId === 0) this.objectId = scheduler.newObjectId();
    scheduler.observer.touch(Shared.waitQueue, this.objectId, Access.write, 1);
  }
}

function noOwner(): null {
  return null;
}
