import { assert } from './assert.js';
import { type Coroutine, type LockTarget, type PreemptEffect, preemptPoint } from './effect.js';
import type { Kernel } from './kernel.js';
import type { LockClassId } from './lock-class.js';
import { Access, Shared } from './observer.js';
import type { Task } from './task.js';
import { WaitQueue } from './wait-queue.js';

/** A lock that was met in another state than free, or is left in one. */
const MET = Access.read | Access.write;

/** A sleeping lock with one owner. */
export class Mutex {
  private owner: Task | null = null;
  /** The step in which it was taken: given back within it, nobody has seen it taken. */
  private takenAt = 0;
  private readonly objectId: number;
  private readonly target: LockTarget;
  private readonly queue: WaitQueue;
  private readonly point: PreemptEffect;

  constructor(
    private readonly kernel: Kernel,
    private readonly cls: LockClassId,
    private readonly name: string,
  ) {
    this.objectId = kernel.scheduler.newObjectId();
    this.target = { kind: Shared.lock, id: this.objectId, access: Access.write };
    this.queue = new WaitQueue(name, { owner: () => this.owner, objectId: this.objectId });
    this.point = preemptPoint(name);
  }

  *lock(): Coroutine<void> {
    const { kernel } = this;
    const task = kernel.current;
    kernel.checkOrder(task, this.cls, false);
    task.takes = this.target;
    if (kernel.scheduler.isShared) yield this.point;
    while (this.isTaken()) yield this.queue;
    task.takes = null;
    this.take(task);
    kernel.lockAcquired(this.cls, this.name);
  }

  /** One more attempt. */
  private isTaken(): boolean {
    const isTaken = this.owner !== null;
    this.kernel.observer?.touch(Shared.lock, this.objectId, isTaken ? MET : Access.write, 1);
    return isTaken;
  }

  private take(task: Task): void {
    this.owner = task;
    this.takenAt = this.kernel.scheduler.steps;
  }

  tryLock(): boolean {
    if (this.isTaken()) return false;
    this.take(this.kernel.current);
    this.kernel.lockAcquired(this.cls, this.name, { mayWait: false });
    return true;
  }

  unlock(): void {
    const isUnseen = this.takenAt === this.kernel.scheduler.steps && this.queue.waiters.length === 0;
    this.kernel.observer?.touch(Shared.lock, this.objectId, isUnseen ? Access.undone : MET, 1);
    assert(this.owner === this.kernel.current, '% is unlocked by a task that does not own it', this.name);
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
  private readonly readers: Task[] = [];
  private writer: Task | null = null;
  private waitingWriters = 0;
  /** The policy has let the waiting readers go before a waiting writer. */
  private readersFirst = false;
  private readonly objectId: number;
  private readonly readTarget: LockTarget;
  private readonly writeTarget: LockTarget;
  private readonly queue: WaitQueue;
  private readonly readPoint: PreemptEffect;
  private readonly writePoint: PreemptEffect;

  constructor(
    private readonly kernel: Kernel,
    private readonly cls: LockClassId,
    private readonly name: string,
  ) {
    this.objectId = kernel.scheduler.newObjectId();
    this.readTarget = { kind: Shared.lock, id: this.objectId, access: Access.read };
    this.writeTarget = { kind: Shared.lock, id: this.objectId, access: Access.write };
    this.queue = new WaitQueue(name, {
      owner: () => this.writer ?? this.readers[0] ?? null,
      objectId: this.objectId,
    });
    this.readPoint = preemptPoint(`${name}:read`);
    this.writePoint = preemptPoint(`${name}:write`);
  }

  /** `again`: the running task reads already, and takes it once more whatever it holds; a writer that waits between the two waits for ever. */
  *readLock({ again = false } = {}): Coroutine<void> {
    const { kernel } = this;
    const task = kernel.current;
    if (!again) kernel.checkOrder(task, this.cls, false);
    task.takes = this.readTarget;
    if (kernel.scheduler.isShared) yield this.readPoint;
    while (this.keepsReadersOut()) yield this.queue;
    task.takes = null;
    this.readers.push(task);
    kernel.lockAcquired(this.cls, this.name, { mayWait: !again });
  }

  /** False where `readLock` would wait. */
  tryReadLock(): boolean {
    if (this.keepsReadersOut()) return false;
    this.readers.push(this.kernel.current);
    this.kernel.lockAcquired(this.cls, this.name, { mayWait: false });
    return true;
  }

  private keepsReadersOut(): boolean {
    this.kernel.observer?.touch(Shared.lock, this.objectId, Access.read, 1);
    return this.writer !== null || (this.waitingWriters > 0 && !this.readersFirst);
  }

  readUnlock(): void {
    const { readers, kernel } = this;
    // With somebody waiting it matters who lets go last.
    const how = this.queue.waiters.length > 0 ? Access.write : Access.read;
    kernel.observer?.touch(Shared.lock, this.objectId, how, 1);
    const at = readers.lastIndexOf(kernel.current);
    assert(at >= 0, '% is let go by a task that does not read', this.name);
    // The only reader is the usual case, and for it no array is made.
    if (at === readers.length - 1) readers.pop();
    else readers.splice(at, 1);
    kernel.lockReleased(this.cls, this.name);
    if (readers.length === 0) this.wake();
  }

  *writeLock({ nested = false } = {}): Coroutine<void> {
    const { kernel } = this;
    const task = kernel.current;
    kernel.checkOrder(task, this.cls, nested);
    task.takes = this.writeTarget;
    if (kernel.scheduler.isShared) yield this.writePoint;
    this.waitingWriters++;
    while (this.keepsWritersOut()) yield this.queue;
    this.waitingWriters--;
    task.takes = null;
    this.readersFirst = false;
    this.writer = task;
    kernel.lockAcquired(this.cls, this.name, { nested });
  }

  private keepsWritersOut(): boolean {
    this.kernel.observer?.touch(Shared.lock, this.objectId, Access.write, 1);
    return this.isHeld;
  }

  writeUnlock(): void {
    this.kernel.observer?.touch(Shared.lock, this.objectId, Access.write, 1);
    assert(this.writer === this.kernel.current, '% is not held for write by the running task', this.name);
    this.writer = null;
    this.kernel.lockReleased(this.cls, this.name);
    this.wake();
  }

  /** The writer goes on as a reader, and lets others in. Linux: kernel/locking/rwsem.c:downgrade_write() */
  downgradeWrite(): void {
    this.kernel.observer?.touch(Shared.lock, this.objectId, Access.write, 1);
    assert(this.writer === this.kernel.current, `${this.name} is not held for write by the running task`);
    this.readers.push(this.writer);
    this.writer = null;
    this.wake();
  }

  /**
   * All look again. Linux goes by the queue, past which readers and writers may still steal the lock; here a waiting writer comes first
   * unless the policy says otherwise. Linux: part of kernel/locking/rwsem.c:rwsem_mark_wake() and rwsem_down_read_slowpath()
   */
  private wake(): void {
    const first = this.kernel.scheduler.chooseWaiter(this.queue);
    this.readersFirst = first !== null && first.takes?.access === Access.read;
    this.queue.wakeAll();
  }

  /** For assertions: somebody holds it for write. */
  get isWriteLocked(): boolean {
    return this.writer !== null;
  }

  get isHeld(): boolean {
    return this.writer !== null || this.readers.length > 0;
  }
}
