import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { Access, Shared } from '../../core/observer.js';
import { WaitQueue } from '../../core/wait-queue.js';
import type { Memory } from '../memory.js';
import { PG, Zone } from './frames.js';

const FOLIO_LOCK_POINT = preemptPoint('folio_lock');
const PAGE_WAIT_POINT = preemptPoint('migration_entry_wait');

/** One more reference on the folio of `pfn`. */
export function folioGet(memory: Memory, pfn: number, count = 1): void {
  const { frames } = memory;
  const head = frames.head(pfn);
  frames.addRefcount(head, count);
}

/** As `folioGet`; false for a folio without references, which is free or on its way out. Linux: include/linux/page_ref.h:folio_try_get() */
export function folioTryGet({ frames }: Memory, pfn: number): boolean {
  return frames.addRefcountUnlessZero(frames.head(pfn), 1);
}

/** Drops references; with the last one the folio goes back to where it came from. Linux: include/linux/mm.h:folio_put(), folio_put_refs() */
export function folioPut(memory: Memory, pfn: number, count = 1): void {
  const { frames } = memory;
  const head = frames.head(pfn);
  const left = frames.dropRefcount(head, count);
  assert(left >= 0, 'pfn % has % references', pfn, left);
  if (memory.refWaiters.size > 0) wakeRefWaiters(memory, head);
  if (left === 0) freeFolio(memory, head);
}

/** Linux: part of mm/swap.c:__folio_put() and mm/memremap.c:free_zone_device_folio() */
function freeFolio(memory: Memory, head: number): void {
  const { frames } = memory;
  const flags = frames.flags(head);
  frames.assertUnlocked(head);
  frames.assertUnmapped(head);
  assert((flags & PG.swapcache) === 0, 'pfn % is freed while it is in the swap cache', head);
  frames.setMapping(head, 0);
  if (frames.zone[head] !== Zone.system) {
    frames.writeFlags(head, 0);
    memory.pagemaps[frames.pagemap[head]!]!.ops.pageFree(head);
  } else if (flags & PG.hugetlb) {
    memory.hugetlb.freeHugeFolio(head);
  } else if (frames.order(head) > 0) {
    memory.allocator.freeFolio(head, frames.order(head));
  } else {
    memory.allocator.free(head);
  }
}

/** Takes the lock bit if it is free; never waits. Linux: include/linux/pagemap.h:folio_trylock() */
export function folioTrylock(memory: Memory, pfn: number): boolean {
  const head = memory.frames.head(pfn);
  if (memory.frames.hasFlags(head, PG.locked)) return false;
  takeLock(memory, head, false);
  return true;
}

function takeLock({ frames, kernel, nestsFolioLocks: nested }: Memory, head: number, mayWait: boolean): void {
  frames.setFlags(head, PG.locked);
  frames.setLockOwner(head, kernel.current.id);
  kernel.lockAcquired(LockClass.folioLock, 'folio', { mayWait, nested, instance: head });
}

/** Takes the lock bit, sleeping as long as somebody else has it. Linux: include/linux/pagemap.h:folio_lock() */
export function* folioLock(memory: Memory, pfn: number): Coroutine<void> {
  const { frames, kernel } = memory;
  const head = frames.head(pfn);
  const task = kernel.current;
  kernel.checkOrder(task, LockClass.folioLock, memory.nestsFolioLocks);
  if (kernel.scheduler.isShared) {
    task.takes = { kind: Shared.folioLock, id: head, access: Access.write };
    yield FOLIO_LOCK_POINT;
  }
  while (frames.hasFlags(head, PG.locked)) {
    task.takes ??= { kind: Shared.folioLock, id: head, access: Access.write };
    yield pageQueue(memory, head);
  }
  task.takes = null;
  takeLock(memory, head, true);
}

/** A new folio's lock bit, known to be free; as `folioTrylock` but its failure is a bug. Linux: include/linux/page-flags.h:__folio_set_locked() */
export function folioSetLocked(memory: Memory, pfn: number): void {
  const taken = folioTrylock(memory, pfn);
  assert(taken, 'new pfn % is locked', pfn);
}

export function folioUnlock(memory: Memory, pfn: number): void {
  const { frames, kernel } = memory;
  const head = frames.head(pfn);
  assert(frames.hasFlags(head, PG.locked), 'pfn % is not locked', pfn);
  assert(frames.lockOwner(head) === kernel.current.id, 'pfn % is unlocked by a task that does not own the lock', pfn);
  frames.clearFlags(head, PG.locked);
  frames.setLockOwner(head, 0);
  kernel.lockReleased(LockClass.folioLock, 'folio', head);
  memory.pageWaiters.get(head)?.wakeAll();
}

/** Gives back the lock and then a reference. */
export function* folioUnlockAndPut(memory: Memory, pfn: number): Coroutine<void> {
  const { scheduler } = memory.kernel;
  if (scheduler.isFine) yield FINE.folioLock;
  folioUnlock(memory, pfn);
  if (scheduler.isFine) yield FINE.refcount;
  folioPut(memory, pfn);
}

export function folioIsLocked(memory: Memory, pfn: number): boolean {
  return memory.frames.hasFlags(memory.frames.head(pfn), PG.locked);
}

/**
 * Sleeps until the lock of `pfn`'s folio is released once; no reference is taken. The caller drops its ptl first and
 * looks at the entry again afterwards. Linux: mm/filemap.c:migration_entry_wait_on_locked()
 */
export function* migrationEntryWaitOnLocked(memory: Memory, pfn: number): Coroutine<void> {
  const { kernel, frames } = memory;
  const head = frames.head(pfn);
  const task = kernel.current;
  task.takes = { kind: Shared.folioLock, id: head, access: Access.read };
  if (kernel.scheduler.contended) yield PAGE_WAIT_POINT;
  if (frames.hasFlags(head, PG.locked)) yield pageQueue(memory, head);
  task.takes = null;
}

/** Behind those that `newObjectId` gives. */
const FIRST_FOLIO_QUEUE = 2 ** 48;

/** Behind those. */
const FIRST_REFERENCE_QUEUE = 2 ** 49;

/**
 * Sleeps as long as somebody else has the lock of `pfn`'s folio or a reference that is no mapping's. Linux comes again at once, for
 * ever if need be; an explorer would have to try each number of times, which all come to the same.
 */
export function* waitForOthers(memory: Memory, pfn: number): Coroutine<void> {
  const { frames, kernel } = memory;
  const head = frames.head(pfn);
  if (frames.hasFlags(head, PG.locked)) {
    yield pageQueue(memory, head);
    return;
  }
  const mapcount = frames.folioMapcount(head);
  if (frames.hasRefcountAtMost(head, mapcount)) return;
  // Each reference that goes from here on looks for waiters, so whoever waits depends on all of them.
  frames.refcount(head);
  let waiters = memory.refWaiters.get(head);
  if (waiters === undefined) {
    const objectId = FIRST_REFERENCE_QUEUE + head;
    waiters = {
      queue: new WaitQueue(`references of folio ${head}`, { owner: () => null, objectId, kernel }),
      mapcount,
    };
    memory.refWaiters.set(head, waiters);
  }
  if (waiters.queue.hasWaiters() && waiters.mapcount !== mapcount) waiters.queue.wakeAll();
  waiters.mapcount = mapcount;
  yield waiters.queue;
}

/** They would only wait again while there are more references than mappings, and as many of these as before. */
function wakeRefWaiters({ frames, refWaiters }: Memory, head: number): void {
  const waiters = refWaiters.get(head);
  if (waiters === undefined || !waiters.queue.hasWaiters()) return;
  if (frames.hasRefcountAtMost(head, waiters.mapcount) || frames.folioMapcount(head) !== waiters.mapcount)
    waiters.queue.wakeAll();
}

function pageQueue(memory: Memory, head: number): WaitQueue {
  const { kernel, frames } = memory;
  const isOther = memory.nestsFolioLocks || frames.raw.lockOwner[head] !== kernel.current.id;
  assert(isOther, 'pfn % is waited for by the task that holds its lock', head);
  let queue = memory.pageWaiters.get(head);
  if (queue === undefined) {
    queue = new WaitQueue(`folio ${head}`, {
      owner: () => kernel.scheduler.busyTask(frames.raw.lockOwner[head]!),
      objectId: FIRST_FOLIO_QUEUE + head,
      kernel,
    });
    memory.pageWaiters.set(head, queue);
  }
  return queue;
}

/** Frames that a CPU clears or copies in a tick: 16 KiB in a microsecond, about what machines do. */
const FRAMES_PER_TICK = 4;

/** Fills frames with zeroes. */
export function clearPage(memory: Memory, pfn: number, count = 1): void {
  memory.contentIsReplaced(pfn, count);
  memory.ram.clear(pfn, count);
  takesTime(memory, count);
}

/** Copies the bytes of frames; they must have bytes of their own. */
export function copyPage(memory: Memory, to: number, from: number, count = 1): void {
  memory.contentIsRead(from, count);
  memory.contentIsReplaced(to, count);
  memory.ram.copy(to, from, count);
  takesTime(memory, count);
}

/** Of a huge page it is most of what a fault takes; that of a small one is in the tick of each step. */
function takesTime({ kernel }: Memory, count: number): void {
  if (count >= FRAMES_PER_TICK) kernel.scheduler.spend(Math.floor(count / FRAMES_PER_TICK));
}

/** The frame that holds the bytes of `pfn`: itself, or the backing page of a private device page. */
export function backingPfn(memory: Memory, pfn: number): number {
  const { frames } = memory;
  if (frames.zone[pfn] !== Zone.private) return pfn;
  const head = frames.head(pfn);
  return frames.zoneDeviceData(head) + (pfn - head);
}

/** Takes the folio off the LRU with a reference of its own. False when it was not on it. Linux: mm/vmscan.c:folio_isolate_lru() */
export function folioIsolateLru(memory: Memory, pfn: number): boolean {
  const { frames } = memory;
  const head = frames.head(pfn);
  if (!frames.hasFlags(head, PG.lru)) return false;
  frames.clearFlags(head, PG.lru);
  frames.addRefcount(head, 1);
  return true;
}

/** The reverse: back on the LRU, and the isolation's reference dropped. Linux: mm/vmscan.c:folio_putback_lru() */
export function folioPutbackLru(memory: Memory, pfn: number): void {
  folioAddLru(memory, pfn);
  folioPut(memory, pfn);
}

/** Deviates: there are no per-CPU batches, so a folio is on the LRU at once and no batch holds a reference to it. */
export function folioAddLru(memory: Memory, pfn: number): void {
  const { frames } = memory;
  frames.setFlags(frames.head(pfn), PG.lru);
}
