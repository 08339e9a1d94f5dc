import { assert } from './assert.js';
import { type Coroutine, type PreemptEffect, preemptPoint } from './effect.js';
import type { Kernel } from './kernel.js';
import type { LockClassId } from './lock-class.js';
import { Access, Shared } from './observer.js';
import type { Task } from './task.js';
import { WaitQueue } from './wait-queue.js';

/** A sleeping lock with one owner. */
export class Mutex {
  private owner: Task | null = null;
  private readonly objectId: number;
  private readonly queue: WaitQueue;
  private readonly point: PreemptEffect;

  constructor(
    private readonly kernel: Kernel,
    private readonly cls: LockClassId,
    private readonly name: string,
  ) {
    this.objectId = kernel.scheduler.newObjectId();
    this.queue = new WaitQueue(name, () => this.owner);
    this.point = preemptPoint(name);
  }

  *lock(): Coroutine<void> {
    const { kernel } = this;
    const task = kernel.current;
    kernel.checkOrder(task, this.cls, false);
    if (kernel.scheduler.isShared) yield this.point;
    while (this.isTaken()) yield this.queue;
    this.owner = task;
    kernel.lockAcquired(this.cls, this.name);
  }

  /** One more attempt. */
  private isTaken(): boolean {
    this.kernel.observer?.touch(Shared.lock, this.objectId, Access.write, 1);
    return this.owner !== null;
  }

  tryLock(): boolean {
    if (this.isTaken()) return false;
    this.owner = this.kernel.current;
    this.kernel.lockAcquired(this.cls, this.name, { mayWait: false });
    return true;
  }

  unlock(): void {
    this.kernel.observer?.touch(Shared.lock, this.objectId, Access.write, 1);
    assert(this.owner === this.kernel.current, `${this.name} is unlocked by a task that does not own it`);
    this.owner = null;
    this.kernel.lockReleased(this.cls, this.name);
    this.queue.wakeOne();
  }

  /** A new life of the machine: whoever had it or waited for it in the old one is no more. */
  reset(): void {
    this.owner = null;
    this.queue.waiters.length = 0;
  }

  get isLocked(): boolean {
    return this.owner !== null;
  }
}

/** A sleeping lock with many readers or one writer. A waiting writer holds new readers back, as in Linux. */
export class RwSem {
  private readers = 0;
  private writer: Task | null = null;
  private waitingWriters = 0;
  private readonly objectId: number;
  private readonly queue: WaitQueue;
  private readonly readPoint: PreemptEffect;
  private readonly writePoint: PreemptEffect;

  constructor(
    private readonly kernel: Kernel,
    private readonly cls: LockClassId,
    private readonly name: string,
  ) {
    this.objectId = kernel.scheduler.newObjectId();
    this.queue = new WaitQueue(name, () => this.writer);
    this.readPoint = preemptPoint(`${name}:read`);
    this.writePoint = preemptPoint(`${name}:write`);
  }

  *readLock(): Coroutine<void> {
    const { kernel } = this;
    kernel.checkOrder(kernel.current, this.cls, false);
    if (kernel.scheduler.isShared) yield this.readPoint;
    while (this.keepsReadersOut()) yield this.queue;
    this.readers++;
    kernel.lockAcquired(this.cls, this.name);
  }

  private keepsReadersOut(): boolean {
    this.kernel.observer?.touch(Shared.lock, this.objectId, Access.read, 1);
    return this.writer !== null || this.waitingWriters > 0;
  }

  readUnlock(): void {
    this.kernel.observer?.touch(Shared.lock, this.objectId, Access.read, 1);
    assert(this.readers > 0, `${this.name} has no reader`);
    this.readers--;
    this.kernel.lockReleased(this.cls, this.name);
    if (this.readers === 0) this.queue.wakeAll();
  }

  *writeLock({ nested = false } = {}): Coroutine<void> {
    const { kernel } = this;
    const task = kernel.current;
    kernel.checkOrder(task, this.cls, nested);
    if (kernel.scheduler.isShared) yield this.writePoint;
    this.waitingWriters++;
    while (this.keepsWritersOut()) yield this.queue;
    this.waitingWriters--;
    this.writer = task;
    kernel.lockAcquired(this.cls, this.name, { nested });
  }

  private keepsWritersOut(): boolean {
    this.kernel.observer?.touch(Shared.lock, this.objectId, Access.write, 1);
    return this.isHeld;
  }

  writeUnlock(): void {
    this.kernel.observer?.touch(Shared.lock, this.objectId, Access.write, 1);
    assert(this.writer === this.kernel.current, `${this.name} is not held for write by the running task`);
    this.writer = null;
    this.kernel.lockReleased(this.cls, this.name);
    this.queue.wakeAll();
  }

  /** For assertions: somebody holds it for write. */
  get isWriteLocked(): boolean {
    return this.writer !== null;
  }

  get isHeld(): boolean {
    return this.writer !== null || this.readers > 0;
  }
}
