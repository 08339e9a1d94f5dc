import { EAGAIN, EINTR, EINVAL, EOVERFLOW } from '../../uapi/errno.js';
import { assert } from '../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../core/effect.js';
import { LockClass } from '../core/lock-class.js';
import { Access, GET_ALIVE, Shared } from '../core/observer.js';
import { WaitQueue } from '../core/wait-queue.js';
import { InjectPoint } from '../inject/inject-points.js';
import type { MmuNotifierOps, NotifierRange } from '../mm/notifier.js';
import { type Mm, mmdrop, mmgrab } from '../mm/vmas/mm.js';
import { mmDropAllLocks, mmTakeAllLocks } from '../mm/vmas/vma-list.js';

/** Behind the last address: a u64 that wraps. */
const ADDRESS_LIMIT = 2 ** 64;

const INVALIDATE_POINT = preemptPoint('mmu_notifier_invalidate_range_start');
const READ_BEGIN_POINT = preemptPoint('mmu_interval_read_begin');

/** What a driver does when entries under its interval change. Linux: struct mmu_interval_notifier_ops */
export interface IntervalNotifierOps {
  /**
   * Entries of `range` are about to change. Unless the driver knows the change for its own, it takes its lock, calls
   * `mmuIntervalSetSeq(interval, curSeq)` under it and forgets what it knows of the range. False = would have to block
   * (allowed only when the range is not blockable).
   */
  invalidate(interval: IntervalNotifier, range: NotifierRange, curSeq: number): Coroutine<boolean>;
}

/** An invalidation by somebody who can't sleep; absent means that the callbacks may. Linux: MMU_NOTIFIER_RANGE_BLOCKABLE */
export interface AtomicNotifierRange extends NotifierRange {
  readonly blockable: false;
}

/** One subscription to a range of an address space. Linux: struct mmu_interval_notifier */
export class IntervalNotifier {
  /** Written by `mmuIntervalSetSeq` under the driver's lock; always odd. */
  invalidateSeq = 0;
  inTree = false;
  readonly objectId: number;

  constructor(
    readonly mm: Mm,
    readonly start: number,
    /** The last address that belongs to it. */
    readonly last: number,
    readonly ops: IntervalNotifierOps,
  ) {
    this.objectId = mm.memory.kernel.scheduler.newObjectId();
  }
}

/** `invalidateSeq` is about to be read or written. */
function touchSeq({ mm, objectId }: IntervalNotifier, how: number): void {
  mm.memory.kernel.observer?.touch(Shared.intervalSeq, objectId, how, 1);
}

/**
 * The subscriptions of one address space and the collision-retry protocol between invalidators (any number at once)
 * and readers. `seq` is odd while an invalidation that touches an interval runs; then the tree must not change and
 * inserts and removes wait on `deferred`. Linux: struct mmu_notifier_subscriptions
 */
export class MmuSubscriptions implements MmuNotifierOps {
  seq = 2;
  /** Invalidations between start and end, whether or not an interval overlaps them. */
  active = 0;
  /** Ordered by start, equal ones by age. Linux: itree */
  readonly tree: IntervalNotifier[] = [];
  /** Newest first, as the kernel's list. */
  readonly deferred: IntervalNotifier[] = [];
  readonly queue: WaitQueue;

  constructor(private readonly mm: Mm) {
    const { kernel } = mm.memory;
    const objectId = kernel.scheduler.newObjectId();
    this.queue = new WaitQueue('mmu_notifier invalidation', { owner: () => null, objectId, kernel });
  }

  /** Linux: part of mm/mmu_notifier.c:__mmu_notifier_invalidate_range_start() */
  *invalidateRangeStart(range: NotifierRange | AtomicNotifierRange): Coroutine<number> {
    const { kernel } = this.mm.memory;
    const blockable = !('blockable' in range);
    kernel.checkOrder(kernel.current, LockClass.invalidate, false);
    assert(range.start < range.end, 'an empty range is invalidated');
    if (blockable && kernel.scheduler.contended) yield INVALIDATE_POINT;
    if (!(yield* this.mnItreeInvalidate(range)) && !blockable) {
      this.mnItreeInvEnd();
      return -EAGAIN;
    }
    return 0;
  }

  invalidateRangeEnd(_range: NotifierRange): void {
    this.mnItreeInvEnd();
  }

  /** Linux: part of mm/mmu_notifier.c:mn_itree_release() */
  *release(mm: Mm): Coroutine<void> {
    const isDone = yield* this.mnItreeInvalidate({ mm, start: 0, end: ADDRESS_LIMIT, event: 'RELEASE', owner: null });
    assert(isDone, 'a RELEASE callback may block and must not fail');
    if (mm.memory.kernel.scheduler.isFine) yield FINE.notifier;
    this.mnItreeInvEnd();
  }

  /** Has nothing ended since `seq` was read? */
  isStill(seq: number): boolean {
    this.mm.touch(Shared.notifierSeq, Access.read);
    return this.seq === seq;
  }

  insertIntoTree(interval: IntervalNotifier): void {
    const { tree } = this;
    let at = tree.length;
    while (at > 0 && tree[at - 1]!.start > interval.start) at--;
    tree.splice(at, 0, interval);
    interval.inTree = true;
  }

  removeFromTree(interval: IntervalNotifier): void {
    const at = this.tree.indexOf(interval);
    assert(at >= 0, 'an interval notifier is removed that is not in the tree');
    this.tree.splice(at, 1);
    interval.inTree = false;
  }

  /** Calls the interval's callbacks that overlap `range`; false as soon as one would have to block. Linux: mm/mmu_notifier.c:mn_itree_invalidate() */
  private *mnItreeInvalidate(range: NotifierRange): Coroutine<boolean> {
    const { kernel } = this.mm.memory;
    this.mm.touch(Shared.notifierActive, GET_ALIVE);
    this.mm.touch(Shared.notifierSeq, Access.peek);
    const first = this.firstOverlap(range);
    this.active++;
    if (first < 0) return true;
    if ((this.seq & 1) === 0) {
      this.mm.touch(Shared.notifierSeq, Access.add);
      this.seq |= 1;
    }
    const curSeq = this.seq;
    // A lock that nobody waits for: it lets the validator see what a callback takes, and under what. Linux:
    // __mmu_notifier_invalidate_range_start_map
    kernel.lockAcquired(LockClass.invalidate, 'invalidate');
    let isDone = true;
    for (let i = first; i < this.tree.length && isDone; i++) {
      const interval = this.tree[i]!;
      if (interval.start >= range.end) break;
      if (interval.last >= range.start) isDone = yield* interval.ops.invalidate(interval, range, curSeq);
    }
    kernel.lockReleased(LockClass.invalidate, 'invalidate');
    return isDone;
  }

  private firstOverlap(range: NotifierRange): number {
    const { tree } = this;
    for (let i = 0; i < tree.length && tree[i]!.start < range.end; i++) {
      if (tree[i]!.last >= range.start) return i;
    }
    return -1;
  }

  /** Linux: mm/mmu_notifier.c:mn_itree_inv_end() */
  private mnItreeInvEnd(): void {
    this.mm.touch(Shared.notifierActive, Access.drop);
    assert(this.active > 0, 'an invalidation ends that did not start');
    this.active--;
    // Whichever ends last opens the tree: one that ends while any others go on would be that one behind all of them, however many there are.
    this.mm.touch(Shared.notifierActive, this.active === 0 ? Access.write : Access.near);
    this.mm.touch(Shared.notifierSeq, Access.peek);
    if (this.active > 0 || (this.seq & 1) === 0) return;
    this.mm.touch(Shared.notifierSeq, Access.write);
    this.seq++;
    for (const interval of this.deferred) {
      if (interval.inTree) this.removeFromTree(interval);
      else this.insertIntoTree(interval);
    }
    this.deferred.length = 0;
    if (!this.mm.memory.kernel.defects.wakeupLost) this.queue.wakeAll();
  }
}

/**
 * Subscribes to `[start, start + length)` of `mm`. The first subscription of an address space takes its mmap_lock for
 * write, so the caller must not hold it. Errors: -EINTR with a fatal signal pending, -EOVERFLOW for an empty or wrapping
 * range, -EINVAL for a dead address space. Linux: mm/mmu_notifier.c:mmu_interval_notifier_insert()
 */
export function* mmuIntervalNotifierInsert(
  mm: Mm,
  { start, length, ops }: { start: number; length: number; ops: IntervalNotifierOps },
): Coroutine<IntervalNotifier | number> {
  const { kernel } = mm.memory;
  kernel.mightSleep();
  mm.touch(Shared.mmUsers, Access.add);
  mm.touch(Shared.notifierSeq, Access.read | Access.lockless);
  if (mm.users <= 0) return -EINVAL;
  if (mm.notifier === null) {
    kernel.checkOrder(kernel.current, LockClass.mmapLock, false);
    const error = yield* mmuNotifierRegister(mm);
    if (error !== 0) return error;
  }
  if (length <= 0 || start + length - 1 >= ADDRESS_LIMIT) return -EOVERFLOW;
  if (kernel.scheduler.isFine) yield FINE.notifier;
  mm.touch(Shared.mmUsers, GET_ALIVE);
  mm.touch(Shared.notifierActive, Access.read);
  mm.touch(Shared.notifierSeq, Access.write);
  if (mm.users <= 0) return -EINVAL;
  const interval = new IntervalNotifier(mm, start, start + length - 1, ops);
  // The interval needs the mm's structure, not its contents.
  mmgrab(mm);
  const subscriptions = subscriptionsOf(mm);
  if (subscriptions.active === 0) {
    assert((subscriptions.seq & 1) === 0, 'the sequence is odd though nobody invalidates');
    interval.invalidateSeq = subscriptions.seq - 1;
    subscriptions.insertIntoTree(interval);
    return interval;
  }
  // Nobody knows what the running invalidations touch, so the new interval counts as touched: readers wait.
  if (subscriptions.seq & 1) {
    subscriptions.deferred.unshift(interval);
  } else {
    subscriptions.seq |= 1;
    subscriptions.insertIntoTree(interval);
  }
  interval.invalidateSeq = subscriptions.seq;
  return interval;
}

/** Linux: mm/mmu_notifier.c:__mmu_notifier_register() */
function* mmuNotifierRegister(mm: Mm): Coroutine<number> {
  yield* mm.mmapLock.writeLock();
  const locks = yield* mmTakeAllLocks(mm);
  mm.touch(Shared.notifierSeq, Access.write);
  const error = mm.memory.kernel.current.killed ? -EINTR : 0;
  if (error === 0 && mm.notifier === null) mm.notifier = new MmuSubscriptions(mm);
  mmDropAllLocks(locks);
  mm.mmapLock.writeUnlock();
  return error;
}

function subscriptionsOf(mm: Mm): MmuSubscriptions {
  const { notifier } = mm;
  assert(notifier instanceof MmuSubscriptions, 'the address space has no interval notifiers');
  return notifier;
}

/**
 * Ends a subscription; sleeps until no callback can be running or follow, so no lock that a callback takes may be held.
 * Linux: mm/mmu_notifier.c:mmu_interval_notifier_remove()
 */
export function* mmuIntervalNotifierRemove(interval: IntervalNotifier): Coroutine<void> {
  const { mm } = interval;
  const { kernel } = mm.memory;
  kernel.mightSleep();
  const subscriptions = subscriptionsOf(mm);
  kernel.checkOrder(kernel.current, LockClass.invalidate, false);
  if (kernel.scheduler.isFine) yield FINE.notifier;
  mm.touch(Shared.notifierSeq, Access.write);
  if ((subscriptions.seq & 1) === 0) {
    subscriptions.removeFromTree(interval);
  } else if (!interval.inTree) {
    const at = subscriptions.deferred.indexOf(interval);
    assert(at >= 0, 'an interval notifier is removed twice');
    subscriptions.deferred.splice(at, 1);
  } else {
    const { seq } = subscriptions;
    subscriptions.deferred.unshift(interval);
    while (subscriptions.isStill(seq)) yield subscriptions.queue;
  }
  mmdrop(mm);
}

/**
 * Begins a read of the entries under `interval`; sleeps while an invalidation of it is running. The result goes to
 * `mmuIntervalReadRetry`. Linux: mm/mmu_notifier.c:mmu_interval_read_begin()
 */
export function* mmuIntervalReadBegin(interval: IntervalNotifier): Coroutine<number> {
  const subscriptions = subscriptionsOf(interval.mm);
  const { kernel } = interval.mm.memory;
  kernel.mightSleep();
  kernel.checkOrder(kernel.current, LockClass.invalidate, false);
  if (kernel.scheduler.contended) yield READ_BEGIN_POINT;
  touchSeq(interval, Access.read);
  const seq = interval.invalidateSeq;
  while (subscriptions.isStill(seq)) yield subscriptions.queue;
  return seq;
}

/** Was the interval invalidated since `mmuIntervalReadBegin`? Called under the driver's lock. Linux: include/linux/mmu_notifier.h:mmu_interval_read_retry() */
export function mmuIntervalReadRetry(interval: IntervalNotifier, seq: number): boolean {
  const { inject, defects } = interval.mm.memory.kernel;
  if (inject.armed && inject.hit(InjectPoint.intervalRetry) !== 0) return true;
  touchSeq(interval, Access.read);
  return interval.invalidateSeq !== seq && !defects.retrySkipped;
}

/** As `mmuIntervalReadRetry`, without the lock: may miss one that is just being reported. Linux: include/linux/mmu_notifier.h:mmu_interval_check_retry() */
export function mmuIntervalCheckRetry(interval: IntervalNotifier, seq: number): boolean {
  const { inject } = interval.mm.memory.kernel;
  if (inject.armed && inject.hit(InjectPoint.intervalRetry) !== 0) return true;
  touchSeq(interval, Access.read | Access.lockless);
  return interval.invalidateSeq !== seq;
}

/** Called by a driver's callback under its lock. Linux: include/linux/mmu_notifier.h:mmu_interval_set_seq() */
export function mmuIntervalSetSeq(interval: IntervalNotifier, curSeq: number): void {
  assert((curSeq & 1) === 1, 'an invalidation has an odd sequence');
  // All that run at a time have the same.
  touchSeq(interval, Access.add);
  interval.invalidateSeq = curSeq;
}
