import type { Coroutine } from '../core/effect.js';
import { LockClass } from '../core/lock-class.js';
import { Mutex } from '../core/locks.js';
import { Access, Shared } from '../core/observer.js';
import { type IntervalNotifier, type IntervalNotifierOps, mmuIntervalSetSeq } from '../hmm/index.js';
import { PAGE_SIZE } from '../mm/frames/frames.js';
import type { NotifierRange } from '../mm/notifier.js';
import type { Mm } from '../mm/vmas/mm.js';
import type { DmirrorDevice } from './memory/device.js';
import { Mirror } from './mirror/mirror.js';

/**
 * One open of a device. It belongs to the address space of its opener for ever, whoever uses the descriptor, and holds
 * the mm's structure but not its users. Linux: lib/test_hmm.c:struct dmirror
 */
export class DmirrorFile implements IntervalNotifierOps {
  /** Protected by `mutex`. */
  readonly mirror: Mirror;
  /** Taken by invalidations, so no mmap_lock, user memory or folio lock may be waited for under it. */
  readonly mutex: Mutex;
  /** Covers the whole address space; null before and after the file is open. */
  notifier: IntervalNotifier | null = null;
  private isToFail = false;
  /** The last invalidation that it did not act upon, as it named the task that ran; for reports. */
  passedOver: { readonly start: number; readonly end: number; readonly doing: string } | null = null;

  constructor(
    readonly device: DmirrorDevice,
    readonly mm: Mm,
    /** What backing pages of this file's migrations carry in `zoneDeviceData`. */
    readonly id: number,
  ) {
    this.mirror = new Mirror(mm.memory.kernelMemory, mm.memory.kernel, id);
    this.mutex = new Mutex(mm.memory.kernel, LockClass.dmirrorMutex, 'dmirror_mutex');
  }

  /** The next page that is allocated for a migration of this file is refused. Set by FLAGS. */
  get failAlloc(): boolean {
    this.mm.memory.kernel.observer?.touch(Shared.fileFlags, this.id, Access.read, 1);
    return this.isToFail;
  }

  set failAlloc(is: boolean) {
    this.mm.memory.kernel.observer?.touch(Shared.fileFlags, this.id, Access.write, 1);
    this.isToFail = is;
  }

  /** Was the file told to fail its next allocation? That is over then. */
  takeFailAlloc(): boolean {
    const fails = this.failAlloc;
    if (fails) this.failAlloc = false;
    return fails;
  }

  invalidate(interval: IntervalNotifier, range: NotifierRange, curSeq: number): Coroutine<boolean> {
    return this.dmirrorIntervalInvalidate(interval, range, curSeq);
  }

  /**
   * Forgets the pages of `range`, and the one behind it (Q1). A migration by this device takes care of the mirror itself,
   * even when another file of the device runs it (Q2). On a path whose CLEAR events name a task, that of the
   * running one is passed over. Linux: lib/test_hmm.c:dmirror_interval_invalidate()
   */
  *dmirrorIntervalInvalidate(interval: IntervalNotifier, range: NotifierRange, curSeq: number): Coroutine<boolean> {
    const { defects, current } = this.mm.memory.kernel;
    if (range.event === 'MIGRATE' && (range.owner === this.device || defects.ownerHides)) return true;
    if (range.event === 'CLEAR' && range.owner === current) {
      this.passedOver = { start: range.start, end: range.end, doing: current.doing };
      return true;
    }
    if (!(yield* lockForInvalidate(this.mutex, range))) return false;
    if (!defects.setSeqOutside) mmuIntervalSetSeq(interval, curSeq);
    this.mirror.erase(Math.floor(range.start / PAGE_SIZE), Math.floor(range.end / PAGE_SIZE));
    this.mutex.unlock();
    return true;
  }
}

/** False when the invalidator can't sleep and the mutex is taken. */
export function* lockForInvalidate(mutex: Mutex, range: NotifierRange): Coroutine<boolean> {
  if ('blockable' in range) return !range.mm.memory.kernel.inject.refusesMutex && mutex.tryLock();
  yield* mutex.lock();
  return true;
}
