import { EBUSY, EFAULT, EINTR, EINVAL, ENOMEM, EPERM, ERANGE } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { InjectPoint, Phase } from '../../inject/inject-points.js';
import { handleMmFault } from '../../mm/faults/fault.js';
import { FAULT, VM_FAULT, VM_FAULT_ERROR } from '../../mm/faults/fault-code.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import {
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  type NotifierRange,
} from '../../mm/notifier.js';
import { migrationEntryWait } from '../../mm/tables/migration-entries.js';
import type { Mm } from '../../mm/vmas/mm.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import type { Vma } from '../../mm/vmas/vma.js';
import { injectInvalidate } from '../inject.js';
import { mmuIntervalCheckRetry } from '../interval-notifier.js';
import type { PmdRange } from '../migrate/migrate-thp.js';
import { walkPageTables } from './hmm-page-walk.js';
import { HmmPfn, type HmmRange } from './hmm-range.js';
import { fail, HmmVmaWalk, hmmPfnsFill, hmmRangeNeedFault, Need, type Stop, vmaWalk } from './hmm-vma-walk.js';
import { clearAnswers, undoPrepared } from './range-fault-undo.js';

const FAULT_POINT = preemptPoint('hmm_vma_fault');

/** The caller's hold of mmap_lock, for a range fault that may let go of it. Linux: the `locked` of mm/hmm.c:hmm_range_fault() */
export interface DroppableLock {
  isHeld: boolean;
}

/**
 * Reports what the CPU's page table says of every page of `range`, and first faults in what the request bits ask for.
 * The caller holds the mmap_lock for read and must compare the notifier's sequence under its own lock before it uses
 * the answer. With `range.migrate`, pages are also prepared for migration on the same walk (locked, referenced and
 * replaced by migration entries); the caller then goes on with `migrateHmmRangeSetup`.
 *
 * 0, or -EBUSY (invalidated: begin again), -EFAULT, -EPERM (write to a read-only vma), -EINVAL (empty range), -ERANGE (a migration over
 * more than one vma, which is seen before that the other can't be read). After an error nothing is held.
 *
 * With `lock` a fault that somebody else has to serve lets go of the mmap_lock, and nothing more is done.
 *
 * Linux: mm/hmm.c:hmm_range_fault()
 *
 * Deviates: the migrate-on-fault series would fault and wait while it holds prepared, locked pages. A fault can need a
 * lock that another migrator holds who in turn waits for ours, and a fault or a wait at an entry of ours would be for
 * ourselves. So this walk undoes what it has prepared, sleeps, and resumes from the range's start; since one fault
 * covers the rest of its page table, that happens at most once a table. What callers see is the same.
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
    kernel.emit('walk', { walk: walk.prepares ? 'hmm-migrate' : 'hmm', start: range.start, end: range.end });
  }
  range.failedAt = range.start;
  const error = yield* walkUntilDone(walk, lock);
  if (error !== 0 && walk.path?.undoesOnError) {
    if (range.notifier === null || !defects.unwindForgotten) yield* undoPrepared(walk);
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

/** Linux: part of mm/hmm.c:hmm_vma_walk_hole() */
function walkGap(walk: HmmVmaWalk, unit: PmdRange): Stop | null {
  if (hmmRangeNeedFault(walk, unit, 0) !== 0) return fail(-EFAULT, unit.vpn);
  if (walk.migrateEvent !== null) return fail(-ERANGE, unit.vpn);
  hmmPfnsFill(walk, unit, HmmPfn.error);
  return null;
}

/** Are the entries of `vma` to be walked? Null: no, the answer is given. Linux: mm/hmm.c:hmm_vma_walk_test() */
function* hmmVmaWalkTest(walk: HmmVmaWalk, vma: Vma, unit: PmdRange): Coroutine<Stop | 'walk' | null> {
  const { migrateEvent, range } = walk;
  if (migrateEvent !== null && range.migrate!.vma !== vma) return fail(-ERANGE, unit.vpn);
  const isReadable = (vma.flags & (VM.io | VM.pfnmap)) === 0 && (vma.flags & VM.read) !== 0;
  if (!isReadable && hmmRangeNeedFault(walk, unit, 0) !== 0) return fail(-EFAULT, unit.vpn);
  if (walk.wantsMigrate) {
    const error = yield* beginMigrate(walk, vma);
    return error === 0 ? 'walk' : fail(error, unit.vpn);
  }
  if (isReadable) return 'walk';
  hmmPfnsFill(walk, unit, HmmPfn.error);
  return null;
}

/** A migration is of one vma, whose MIGRATE event covers its part of the range from the first entry to the return. */
function* beginMigrate(walk: HmmVmaWalk, vma: Vma): Coroutine<number> {
  const { range, mm } = walk;
  const { start } = range;
  const end = Math.min(range.end, vma.end);
  const migrate = range.migrate!;
  assert(start % PAGE_SIZE === 0 && range.end % PAGE_SIZE === 0, 'a migration is of whole pages');
  if (walk.migrateEvent !== null) return 0;
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
  if (stop.type === 'fail') return failed(walk, stop);
  if (stop.type === 'resume') {
    walk.last = stop.resumeVpn * PAGE_SIZE;
    return 0;
  }
  yield* prepareToSleep(walk, stop.resumeVpn);
  if (stop.type === 'wait') {
    yield* migrationEntryWait(walk.mm, stop.vpn);
    return 0;
  }
  const errno = yield* hmmVmaFault(walk.mm, stop, lock);
  return errno === 0 ? 0 : failed(walk, { ...stop, errno });
}

function failed({ range }: HmmVmaWalk, { errno, resumeVpn }: { errno: number; resumeVpn: number }): number {
  range.failedAt = resumeVpn * PAGE_SIZE;
  return errno;
}

/** No prepared page may be held while the walk sleeps, see `hmmRangeFault`. It goes on at `resumeVpn`, or from the start. */
function* prepareToSleep(walk: HmmVmaWalk, resumeVpn: number): Coroutine<void> {
  const { range, requests } = walk;
  walk.last = resumeVpn * PAGE_SIZE;
  if (walk.prepared === 0 || !walk.path!.undoesBeforeSleep) return;
  yield* undoPrepared(walk);
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
  const flags = FAULT.remote | (isWrite ? FAULT.write : 0) | (lock === null ? 0 : FAULT.allowRetry);
  for (let vpn = first; vpn < end; vpn++) {
    if (scheduler.contended) yield FAULT_POINT;
    if (inject.armed) yield* injectInvalidate(mm, vpn * PAGE_SIZE);
    const result = yield* handleMmFault(vma, vpn * PAGE_SIZE, flags);
    if (result & VM_FAULT.retry) {
      lock!.isHeld = false;
      return mm.memory.kernel.current.killed ? -EINTR : -EBUSY;
    }
    if (result & VM_FAULT_ERROR) return faultErrno(mm, result);
  }
  return 0;
}

/** Linux: part of include/linux/mm.h:vm_fault_to_errno(), in kernels that tell */
function faultErrno(mm: Mm, fault: number): number {
  return mm.memory.profile.hmmReturnsFaultErrno && fault & VM_FAULT.oom ? -ENOMEM : -EFAULT;
}
