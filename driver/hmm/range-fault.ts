import { EBUSY, EFAULT, EINTR, EINVAL, ENOMEM, EPERM, ERANGE } from '../../uapi/errno.js';
import { assert } from '../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../core/effect.js';
import { LockClass } from '../core/lock-class.js';
import { InjectPoint, Phase } from '../inject/inject-points.js';
import { handleMmFault } from '../mm/faults/fault.js';
import { FAULT, VM_FAULT, VM_FAULT_ERROR } from '../mm/faults/fault-code.js';
import { isUserfault } from '../mm/faults/userfault.js';
import { PAGE_SIZE } from '../mm/frames/frames.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../mm/notifier.js';
import { migrationEntryWait } from '../mm/tables/migration-entries.js';
import type { Mm } from '../mm/vmas/mm.js';
import { VM } from '../mm/vmas/vm-flags.js';
import type { Vma } from '../mm/vmas/vma.js';
import { walkPageTables } from './hmm-page-walk.js';
import { HmmPfn, type HmmRange } from './hmm-range.js';
import { fail, HmmVmaWalk, hmmPfnsFill, hmmRangeNeedFault, Need, type Stop, vmaWalk } from './hmm-vma-walk.js';
import { injectInvalidate } from './inject.js';
import { mmuIntervalCheckRetry } from './interval-notifier.js';
import type { PmdRange } from './migrate-thp.js';
import { isUnmigratableVma } from './migrate-vma.js';
import { clearAnswers, undoPrepared } from './range-fault-undo.js';

const FAULT_POINT = preemptPoint('hmm_vma_fault');

/** The caller's hold of mmap_lock, for a range fault that may let go of it. Linux: the `locked` of hmm_range_fault() */
export interface DroppableLock {
  isHeld: boolean;
}

/**
 * Reports what the CPU's page table says of every page of `range`, and first faults in what the request bits ask for.
 * The caller holds the mmap_lock for read and must compare the notifier's sequence under its own lock before it uses
 * the answer. With `range.migrate`, pages are also prepared for migration on the same walk (locked, referenced and
 * replaced by migration entries); the caller then goes on with `migrateHmmRangeSetup`.
 *
 * 0, or -EBUSY (invalidated: begin again), -EFAULT, -EPERM (write to a read-only vma), -EINVAL (empty range, or a vma
 * whose pages never migrate), -ERANGE (a migration over more than one vma). After an error nothing is held.
 *
 * With `lock` a fault that somebody else has to serve lets go of the mmap_lock, and nothing more is done.
 *
 * Linux: mm/hmm.c:hmm_range_fault()
 *
 * Deviates: the migrate-on-fault series would fault and wait while it holds prepared, locked pages. A fault can need a
 * lock that another migrator holds who in turn waits for ours, and a fault or a wait at an entry of ours would be for
 * ourselves. So this walk undoes what it has prepared, sleeps, and resumes from the range's start; since one fault
 * covers the rest of its page table, that happens at most once a table. What callers see is the same. As in the series, the MIGRATE
 * event comes before the faults: other devices forget the range even when a fault then fails, which they don't on the classic path.
 */
export function* hmmRangeFault(range: HmmRange, lock: DroppableLock | null = null): Coroutine<number> {
  if (range.start >= range.end) return -EINVAL;
  const walk = new HmmVmaWalk(range);
  const { kernel, stats } = walk.memory;
  const { inject, defects } = kernel;
  kernel.assertHeld(LockClass.mmapLock);
  kernel.mightSleep();
  const phase = inject.armed ? inject.enter(Phase.rangeFault) : 0;
  if (range.isContinued) {
    stats.resumptions++;
  } else {
    stats.walks++;
    kernel.emit('walk', { walk: walk.wantsMigrate ? 'hmm-migrate' : 'hmm', start: range.start, end: range.end });
  }
  const error = yield* walkUntilDone(walk, lock);
  if (error !== 0 && walk.wantsMigrate) {
    const isForgotten = range.notifier === null ? defects.setupErrorLocked : defects.unwindForgotten;
    if (range.migrate!.path.undoesOnError && !isForgotten) yield* undoPrepared(walk);
    clearAnswers(range);
  }
  if (walk.migrateEvent !== null && !(defects.notifierEndSkipped && error !== 0))
    yield* mmuNotifierInvalidateRangeEnd(walk.migrateEvent);
  range.isContinued = error === -EBUSY;
  if (inject.armed) inject.enter(phase);
  return error;
}

/** Walks, does what the walk stopped for, and walks on from there, until the range's end or an error. */
function* walkUntilDone(walk: HmmVmaWalk, lock: DroppableLock | null): Coroutine<number> {
  const { inject } = walk.memory.kernel;
  const { range } = walk;
  const { scheduler } = walk.memory.kernel;
  for (;;) {
    if (scheduler.isFine) yield FINE.notifier;
    if (isInvalidated(range)) return -EBUSY;
    const stop = yield* walkPageRange(walk);
    if (stop === null) return inject.armed ? yield* inject.reach(InjectPoint.walkAbort, range.start) : 0;
    const error = yield* serve(walk, stop, lock);
    if (error !== 0) return error;
    walk.memory.stats.resumptions++;
  }
}

function isInvalidated({ notifier, notifierSeq }: HmmRange): boolean {
  return notifier !== null && mmuIntervalCheckRetry(notifier, notifierSeq);
}

/** From `last` to the end, vma by vma. Linux: mm/pagewalk.c:walk_page_range() */
function* walkPageRange(walk: HmmVmaWalk): Coroutine<Stop | null> {
  const { mm, range } = walk;
  for (let addr = walk.last; addr < range.end; ) {
    const vma = mm.findVma(addr);
    const isGap = vma === null || vma.start > addr;
    const next = Math.min(range.end, isGap ? (vma?.start ?? range.end) : vma.end);
    const unit = { vpn: addr / PAGE_SIZE, end: next / PAGE_SIZE };
    const test = isGap ? walkGap(walk, unit) : yield* hmmVmaWalkTest(walk, vma, unit);
    const stop = test === 'walk' ? yield* walkPageTables(vmaWalk(walk, vma!), unit) : test;
    if (stop !== null) return stop;
    addr = next;
  }
  return null;
}

/** Linux: part of hmm_vma_walk_hole() */
function walkGap(walk: HmmVmaWalk, unit: PmdRange): Stop | null {
  if (hmmRangeNeedFault(walk, unit, 0) !== 0) return fail(-EFAULT);
  if (walk.migrateEvent !== null) return fail(-ERANGE);
  hmmPfnsFill(walk, unit, HmmPfn.error);
  return null;
}

/** Are the entries of `vma` to be walked? Null: no, the answer is given. Linux: mm/hmm.c:hmm_vma_walk_test() */
function* hmmVmaWalkTest(walk: HmmVmaWalk, vma: Vma, unit: PmdRange): Coroutine<Stop | 'walk' | null> {
  const isReadable = (vma.flags & (VM.io | VM.pfnmap)) === 0 && (vma.flags & VM.read) !== 0;
  if (!isReadable && hmmRangeNeedFault(walk, unit, 0) !== 0) return fail(-EFAULT);
  if (walk.wantsMigrate) {
    const error = yield* beginMigrate(walk, vma);
    return error === 0 ? 'walk' : fail(error);
  }
  if (isReadable) return 'walk';
  hmmPfnsFill(walk, unit, HmmPfn.error);
  return null;
}

/** A migration is of one vma, whose MIGRATE event covers the whole range from the first entry to the return. */
function* beginMigrate(walk: HmmVmaWalk, vma: Vma): Coroutine<number> {
  const { range, mm } = walk;
  const { start, end } = range;
  const migrate = range.migrate!;
  assert(start % PAGE_SIZE === 0 && end % PAGE_SIZE === 0, 'a migration is of whole pages');
  if (walk.migrateEvent !== null) return migrate.vma === vma ? 0 : -ERANGE;
  if (isUnmigratableVma(vma)) return -EINVAL;
  if (start < vma.start) return -ERANGE;
  migrate.vma = vma;
  migrate.start = start;
  migrate.end = end;
  const owner = range.notifier === null ? migrate.pgmapOwner : range.devPrivateOwner;
  const event: NotifierRange = { mm, start, end, event: 'MIGRATE', owner };
  yield* mmuNotifierInvalidateRangeStart(event);
  walk.migrateEvent = event;
  return 0;
}

/** Does what the walk stopped for, without any lock but mmap_lock. 0 when the walk may go on. */
function* serve(walk: HmmVmaWalk, stop: Stop, lock: DroppableLock | null): Coroutine<number> {
  walk.memory.kernel.mightSleep();
  if (stop.type === 'fail') return stop.errno;
  yield* prepareToSleep(walk, stop.resumeVpn);
  if (stop.type === 'fault') return yield* hmmVmaFault(walk.mm, stop, lock);
  yield* migrationEntryWait(walk.mm, stop.vpn);
  return 0;
}

/** No prepared page may be held while the walk sleeps, see `hmmRangeFault`. It goes on at `resumeVpn`, or from the start. */
function* prepareToSleep(walk: HmmVmaWalk, resumeVpn: number): Coroutine<void> {
  const { range, requests } = walk;
  walk.last = resumeVpn * PAGE_SIZE;
  if (walk.prepared === 0 || !range.migrate!.path.undoesBeforeSleep) return;
  if (!walk.memory.kernel.defects.waitsForItself) yield* undoPrepared(walk);
  if (requests !== null) range.flags.set(requests);
  walk.last = range.start;
}

/** Faults every page of the unit, also those that lack nothing (Q5). Linux: mm/hmm.c:hmm_vma_fault() */
function* hmmVmaFault(
  mm: Mm,
  { vma, need, vpn: first, end }: Extract<Stop, { type: 'fault' }>,
  lock: DroppableLock | null,
): Coroutine<number> {
  const { kernel } = mm.memory;
  const { scheduler, inject } = kernel;
  kernel.assertHeld(LockClass.mmapLock);
  kernel.mightSleep();
  const isWrite = (need & Need.write) !== 0;
  if (isWrite && (vma.flags & VM.write) === 0) return -EPERM;
  const flags = FAULT.remote | (isWrite ? FAULT.write : 0);
  for (let vpn = first; vpn < end; vpn++) {
    if (scheduler.contended) yield FAULT_POINT;
    if (inject.armed) yield* injectInvalidate(mm, vpn * PAGE_SIZE);
    if (lock !== null && isUserfault(vma, vpn * PAGE_SIZE)) return yield* letServe(mm, { vpn, isWrite, lock });
    const result = yield* handleMmFault(vma, vpn * PAGE_SIZE, flags);
    if (result & VM_FAULT_ERROR) return faultErrno(mm, result);
  }
  return 0;
}

/** Without mmap_lock, until a userfaultfd has served the page. Linux: HMM_FAULT_UNLOCKED */
function* letServe(
  mm: Mm,
  { vpn, isWrite, lock }: { vpn: number; isWrite: boolean; lock: DroppableLock },
): Coroutine<number> {
  mm.mmapLock.readUnlock();
  lock.isHeld = false;
  yield* mm.userfault!.handleUserfault(vpn * PAGE_SIZE, isWrite);
  return mm.memory.kernel.current.killed ? -EINTR : -EBUSY;
}

/** Linux: part of vm_fault_to_errno(), in kernels that tell */
function faultErrno(mm: Mm, fault: number): number {
  return mm.memory.profile.hmmReturnsFaultErrno && fault & VM_FAULT.oom ? -ENOMEM : -EFAULT;
}
