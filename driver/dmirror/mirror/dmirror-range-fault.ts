import { EBUSY, EFAULT, EINTR, ENOMEM } from '../../../uapi/errno.js';
import { TICKS_PER_MS } from '../../core/clock.js';
import type { Coroutine } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import {
  HmmPfn,
  type HmmRange,
  hmmRangeFault,
  hmmRangeFaultUnlockedTimeout,
  injectInvalidate,
  mmuIntervalReadBegin,
  mmuIntervalReadRetry,
} from '../../hmm/index.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { backingPfn } from '../../mm/frames/folio.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import { mmgetNotZero } from '../../mm/vmas/mm.js';
import { CHUNK_POINT, type DmirrorContext, RANGE_FAULT_TIMEOUT_MS, RETRY_POINT } from '../context.js';
import type { DmirrorFile } from '../file.js';
import { MirrorTag } from './mirror.js';

/** What `dmirrorFault` shall make usable. */
export interface FaultRequest {
  readonly start: number;
  readonly end: number;
  readonly write: boolean;
}

/**
 * Makes a range usable by the device, as far as its opener's memory allows. 0, -EFAULT, -EPERM, or -EBUSY when a chunk
 * did not hold still for a second; chunks before the failing one stay mirrored. Linux: lib/test_hmm.c:dmirror_fault()
 */
export function dmirrorFault(context: DmirrorContext, file: DmirrorFile, request: FaultRequest): Coroutine<number> {
  return faultChunks(context, file, request, dmirrorRangeFaultLocked);
}

/**
 * As `dmirrorFault`, with a range fault that lets go of mmap_lock where a userfaultfd serves, and that knows no time limit.
 * Linux: lib/test_hmm.c:dmirror_fault_unlocked() of 7.3
 */
export function dmirrorFaultUnlocked(
  context: DmirrorContext,
  file: DmirrorFile,
  request: FaultRequest,
): Coroutine<number> {
  return faultChunks(context, file, request, dmirrorRangeFaultUnlocked);
}

function* faultChunks(
  context: DmirrorContext,
  file: DmirrorFile,
  request: FaultRequest,
  stable: typeof dmirrorRangeFaultLocked,
): Coroutine<number> {
  const { mm } = file;
  const { kernel, profile } = context.memory;
  const { faultChunkPages } = profile;
  kernel.assertNoLocks();
  if (!mmgetNotZero(mm)) return -EFAULT;
  const flags = new Uint32Array(faultChunkPages);
  const pfns = new Uint32Array(faultChunkPages);
  let ret = 0;
  for (let start = request.start; ret === 0 && start < request.end; start += faultChunkPages * PAGE_SIZE) {
    if (kernel.scheduler.contended) yield CHUNK_POINT;
    if (kernel.inject.armed) yield* kernel.inject.betweenChunks(start);
    // Deviates: Linux goes on to the end, for hours if need be. Only who serves the machine can ask for this.
    if (kernel.current.isAbandoned) {
      ret = -EINTR;
      break;
    }
    const range: HmmRange = {
      notifier: file.notifier,
      notifierSeq: 0,
      start,
      end: Math.min(start + faultChunkPages * PAGE_SIZE, request.end),
      flags,
      pfns,
      defaultFlags: HmmPfn.reqFault | (request.write ? HmmPfn.reqWrite : 0),
      pfnFlagsMask: 0,
      devPrivateOwner: file.device,
      migrate: null,
    };
    ret = yield* stable(file, range);
    if (ret === 0) ret = mirrorReports(context, file, range);
  }
  yield* mmput(mm);
  return ret;
}

/** The end of dmirror_range_fault(), with the file's mutex held, which it releases. */
function mirrorReports(context: DmirrorContext, file: DmirrorFile, range: HmmRange): number {
  const result = dmirrorDoFault(context, file, range);
  if (result === 0 || !context.memory.kernel.defects.lockLeftTrue) file.mutex.unlock();
  return result;
}

/**
 * Runs hmm_range_fault until nothing has changed meanwhile; then the file's mutex is held, and as long as it is, the
 * answer in `range` is true. On errors (-EBUSY after a second, hmm's own) it is not held. Linux: part of lib/test_hmm.c:dmirror_range_fault()
 *
 * Deviates: lib/test_hmm.c does not notice that another task migrates the range to or from its own device, and mirrors
 * a page that is gone; here that is a change like any other.
 */
export function* dmirrorRangeFaultLocked(file: DmirrorFile, range: HmmRange): Coroutine<number> {
  const { mm, mutex } = file;
  const { kernel } = mm.memory;
  const { scheduler, inject } = kernel;
  kernel.checkOrder(kernel.current, LockClass.mmapLock, false);
  const deadline = scheduler.now() + RANGE_FAULT_TIMEOUT_MS * TICKS_PER_MS;
  const notifier = range.notifier!;
  for (; scheduler.now() <= deadline; yield RETRY_POINT) {
    if (inject.armed && inject.hit(InjectPoint.rangeTimeout, range.start) !== 0) break;
    range.notifierSeq = yield* mmuIntervalReadBegin(notifier);
    if (inject.armed) yield* inject.reach(InjectPoint.mmapLock, range.start);
    const moves = movesByOthers(file);
    yield* mm.mmapLock.readLock();
    const ret = yield* hmmRangeFault(range);
    mm.mmapLock.readUnlock();
    if (inject.armed) yield* injectInvalidate(mm, range.start);
    if (ret === -EBUSY) continue;
    if (ret !== 0) return ret;
    yield* mutex.lock();
    if (!mmuIntervalReadRetry(notifier, range.notifierSeq) && movesByOthers(file) === moves) return 0;
    mutex.unlock();
  }
  return -EBUSY;
}

/** As `rangeStableLocked` without mmap_lock at the call. Linux: lib/test_hmm.c:dmirror_range_fault_unlocked() of 7.3 */
function* dmirrorRangeFaultUnlocked(file: DmirrorFile, range: HmmRange): Coroutine<number> {
  const { mutex, mm } = file;
  for (;;) {
    // Deviates: Linux has no way out of this loop; who serves the machine can ask for one.
    if (mm.memory.kernel.current.isAbandoned) return -EINTR;
    const moves = movesByOthers(file);
    const ret = yield* hmmRangeFaultUnlockedTimeout(range, 0);
    if (ret !== 0) return ret;
    yield* mutex.lock();
    if (!mmuIntervalReadRetry(range.notifier!, range.notifierSeq) && movesByOthers(file) === moves) return 0;
    mutex.unlock();
    yield RETRY_POINT;
  }
}

/** To be compared before and after a look at the page table: has another task moved pages to or from the device? */
export function movesByOthers({ device }: DmirrorFile): number {
  return device.latestMoveByOthers();
}

/** Q4: an own device page that may only be read answers a write request without the right. Linux: lib/test_hmm.c:dmirror_do_fault() */
function dmirrorDoFault(context: DmirrorContext, file: DmirrorFile, range: HmmRange): number {
  const { kernel } = context.memory;
  const { inject } = kernel;
  kernel.assertHeld(LockClass.dmirrorMutex);
  const first = range.start / PAGE_SIZE;
  const npages = range.end / PAGE_SIZE - first;
  for (let i = 0; i < npages; i++) {
    const isWritable = (range.flags[i]! & HmmPfn.write) !== 0;
    if (!isWritable && range.defaultFlags & HmmPfn.reqWrite) return -EFAULT;
    if (inject.armed && inject.hit(InjectPoint.mirrorStore, (first + i) * PAGE_SIZE) !== 0) return -ENOMEM;
    storeReported(context, file, { vpn: first + i, pfn: range.pfns[i]!, isWritable });
  }
  return 0;
}

/** Mirrors a page that hmm reported; its bytes are used, be they behind it or its own (Q3). The mutex is held. */
function storeReported(
  { memory, quirks }: DmirrorContext,
  file: DmirrorFile,
  { vpn, pfn, isWritable }: { vpn: number; pfn: number; isWritable: boolean },
): void {
  const usable = quirks.q3Strict ? pfn : backingPfn(memory, pfn);
  file.mirror.store(vpn, usable, isWritable ? MirrorTag.write : MirrorTag.read);
}
