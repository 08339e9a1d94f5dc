import { EBUSY, EFAULT, EINTR, EINVAL, ENOMEM, EPERM, ERANGE } from '../../uapi/errno.js';
import { assert } from '../core/assert.js';
import { type Coroutine, preemptPoint } from '../core/effect.js';
import { LockClass } from '../core/lock-class.js';
import { InjectPoint, Phase } from '../inject/inject-points.js';
import { handleMmFault } from '../mm/faults/fault.js';
import { FAULT, VM_FAULT, VM_FAULT_ERROR } from '../mm/faults/fault-code.js';
import { isUserfault } from '../mm/faults/userfault.js';
import { folioPut, folioUnlock } from '../mm/frames/folio.js';
import { PAGE_SIZE } from '../mm/frames/frames.js';
import { invalidateRangeEnd, invalidateRangeStart, type NotifierRange } from '../mm/notifier.js';
import { Kind, kindOf } from '../mm/tables/entry.js';
import { migrationEntryWait, removeMigrationPtes } from '../mm/tables/migration-entries.js';
import { pmdIndex, pteIndex, type Table } from '../mm/tables/page-table.js';
import type { Mm } from '../mm/vmas/mm.js';
import { VM } from '../mm/vmas/vm-flags.js';
import type { Vma } from '../mm/vmas/vma.js';
import { HmmPfn, type HmmRange } from './hmm-range.js';
import { injectInvalidate } from './inject.js';
import { mmuIntervalCheckRetry } from './interval-notifier.js';
import { pageOwner } from './migrate-entry.js';
import { HugeTake, type PmdRange, splitHugeToCollect, splitMappedFolio, takeHugePmd } from './migrate-thp.js';
import { isLockedByFault, isUnmigratableVma, pagesOf } from './migrate-vma.js';
import { pmdPartEnd, upperHoleEnd } from './pmd-part.js';
import { hugetlbFlags, Need, pmdFlags, RangeWalk, Stop } from './range-walk.js';

const FAULT_POINT = preemptPoint('hmm_vma_fault');

/**
 * Reports what the CPU's page table says of every page of `range`, and first faults in what the request bits ask for.
 * The caller holds the mmap_lock for read and must compare the notifier's sequence under its own lock before it uses
 * the answer. With `range.migrate`, pages are also prepared for migration on the same walk (locked, referenced and
 * replaced by migration entries); the caller then goes on with `migrateHmmRangeSetup`.
 *
 * 0, or -EBUSY (invalidated: begin again), -EFAULT, -EPERM (write to a read-only vma), -EINVAL (empty range, or a vma
 * whose pages never migrate), -ERANGE (a migration over more than one vma). After an error nothing is held.
 *
 * Linux: mm/hmm.c:hmm_range_fault()
 *
 * Deviates: the migrate-on-fault series would fault and wait while it holds prepared, locked pages. A fault can need a
 * lock that another migrator holds who in turn waits for ours, and a fault or a wait at an entry of ours would be for
 * ourselves. So this walk undoes what it has prepared, sleeps, and resumes from the range's start; since one fault
 * covers the rest of its page table, that happens at most once a table. What callers see is the same. As in the series, the MIGRATE
 * event comes before the faults: other devices forget the range even when a fault then fails, which they don't on the classic path.
 */
export function* hmmRangeFault(range: HmmRange): Coroutine<number> {
  if (range.start >= range.end) return -EINVAL;
  return yield* new RangeFault(range, false).run();
}

/** One call of `hmmRangeFault`: the outer loop and everything that may sleep. */
export class RangeFault {
  private readonly walk: RangeWalk;
  private readonly mm: Mm;
  /** Entries below it are answers, entries from it on still requests. */
  private last: number;
  /** The open MIGRATE event, one a call whatever happens. */
  private migrateEvent: NotifierRange | null = null;
  /** A copy of the requests for restarts, which would otherwise read answers as requests. */
  private readonly requests: Uint32Array | null;

  /** A fault has let go of mmap_lock, and nothing more was done. */
  isUnlocked = false;

  constructor(
    private readonly range: HmmRange,
    private readonly mayUnlock: boolean,
  ) {
    const mm = range.notifier?.mm ?? range.migrate?.vma?.mm;
    assert(mm !== undefined, 'the range belongs to no address space');
    this.mm = mm;
    this.last = range.start;
    this.walk = new RangeWalk(range, mm);
    const isKept = range.pfnFlagsMask !== 0 && this.walk.wantsMigrate;
    this.requests = isKept ? range.flags.slice(0, pagesOf(range)) : null;
  }

  *run(): Coroutine<number> {
    const { range, mm } = this;
    const { kernel, stats } = mm.memory;
    const { inject, defects } = kernel;
    const phase = inject.armed ? inject.enter(Phase.rangeFault) : 0;
    kernel.assertHeld(LockClass.mmapLock);
    if (range.isContinued) {
      stats.resumptions++;
    } else {
      stats.walks++;
      kernel.emit('walk', this.walk.wantsMigrate ? 'hmm-migrate' : 'hmm', range.start, range.end);
    }
    let error: number;
    for (;;) {
      error = this.isInvalidated() ? -EBUSY : yield* this.walkRange();
      if (error === 0 && inject.armed) error = yield* inject.reach(InjectPoint.walkAbort, range.start);
      if (error !== Stop.again) break;
      stats.resumptions++;
    }
    const isUndone = !(range.notifier === null ? defects.setupErrorLocked : defects.unwindForgotten);
    if (error !== 0 && isUndone) yield* this.undo();
    if (error !== 0 && this.walk.wantsMigrate) this.clearResults();
    const isEndSkipped = defects.notifierEndSkipped && error !== 0;
    if (this.migrateEvent !== null && !isEndSkipped) invalidateRangeEnd(this.migrateEvent);
    range.isContinued = error === -EBUSY;
    if (inject.armed) inject.enter(phase);
    return error;
  }

  private isInvalidated(): boolean {
    const { notifier, notifierSeq } = this.range;
    return notifier !== null && mmuIntervalCheckRetry(notifier, notifierSeq);
  }

  /** From `last` to the end: 0, an errno, or `Stop.again` when it has slept and must look again. Linux: walk_page_range() */
  private *walkRange(): Coroutine<number> {
    const { end } = this.range;
    for (let addr = this.last; addr < end; ) {
      const vma = this.mm.findVma(addr);
      const isGap = vma === null || vma.start > addr;
      const next = Math.min(end, isGap ? (vma?.start ?? end) : vma.end);
      const code = isGap ? this.walkGap(addr, next) : yield* this.walkVma(vma, addr, next);
      if (code !== 0) return code;
      addr = next;
    }
    return 0;
  }

  private walkGap(addr: number, end: number): number {
    const vpn = addr / PAGE_SIZE;
    const endVpn = end / PAGE_SIZE;
    if (this.walk.rangeNeed(vpn, endVpn, 0) !== 0) return -EFAULT;
    if (this.walk.wantsMigrate && this.migrateEvent !== null) return -ERANGE;
    this.walk.fill(vpn, endVpn, HmmPfn.error);
    return 0;
  }

  private *walkVma(vma: Vma, addr: number, end: number): Coroutine<number> {
    const { walk } = this;
    const vpn = addr / PAGE_SIZE;
    const endVpn = end / PAGE_SIZE;
    if (!this.isReadable(vma)) {
      if (walk.rangeNeed(vpn, endVpn, 0) !== 0) return -EFAULT;
      if (!walk.wantsMigrate) {
        walk.fill(vpn, endVpn, HmmPfn.error);
        return 0;
      }
    }
    if (walk.wantsMigrate) {
      const error = yield* this.beginMigrate(vma);
      if (error !== 0) return error;
    }
    walk.enterVma(vma.isAnonymous);
    return vma.flags & VM.hugetlb
      ? yield* this.walkHugetlb(vma, vpn, endVpn)
      : yield* this.walkTables(vma, vpn, endVpn);
  }

  /** Linux: mm/hmm.c:hmm_vma_walk_test() */
  private isReadable(vma: Vma): boolean {
    return (vma.flags & (VM.io | VM.pfnmap)) === 0 && (vma.flags & VM.read) !== 0;
  }

  /** A migration is of one vma, whose MIGRATE event covers the whole range from the first entry to the return. */
  private *beginMigrate(vma: Vma): Coroutine<number> {
    const { range, mm } = this;
    const migrate = range.migrate!;
    if (this.migrateEvent !== null) return migrate.vma === vma ? 0 : -ERANGE;
    if (isUnmigratableVma(vma)) return -EINVAL;
    if (range.start < vma.start) return -ERANGE;
    migrate.vma = vma;
    migrate.start = range.start;
    migrate.end = range.end;
    const owner = range.notifier === null ? migrate.pgmapOwner : range.devPrivateOwner;
    const event: NotifierRange = { mm, start: range.start, end: range.end, event: 'MIGRATE', owner };
    yield* invalidateRangeStart(event);
    this.migrateEvent = event;
    return 0;
  }

  private *walkTables(vma: Vma, first: number, end: number): Coroutine<number> {
    const { pageTable } = this.mm;
    for (let vpn = first; vpn < end; ) {
      const pmd = pageTable.pmdTable(vpn);
      const next = pmd === null ? upperHoleEnd(pageTable, vpn, end) : pmdPartEnd(vpn, end);
      const code =
        pmd === null ? yield* this.walkHole(vma, vpn, next) : yield* this.walkPmd(vma, pmd, { vpn, end: next });
      if (code !== 0) return code;
      vpn = next;
    }
    return 0;
  }

  /** Linux: mm/hmm.c:hmm_vma_walk_hole() */
  private *walkHole(vma: Vma, vpn: number, end: number): Coroutine<number> {
    const need = this.walk.rangeNeed(vpn, end, 0);
    if (need !== 0) return yield* this.fault(vma, need, { vpn, end });
    this.walk.fillHole(vpn, end);
    return 0;
  }

  /** Linux: mm/hmm.c:hmm_vma_walk_pmd() */
  private *walkPmd(vma: Vma, pmd: Table, { vpn, end }: { vpn: number; end: number }): Coroutine<number> {
    const { walk } = this;
    const i = pmdIndex(vpn);
    this.mm.memory.stats.pmdEntries++;
    for (let isSplitTried = false; ; isSplitTried = true) {
      const leaf = pmd.child(i);
      if (leaf !== null) return yield* this.walkLeaf(vma, leaf, { vpn, end });
      const lo = pmd.lo(i);
      const pfn = pmd.hi(i);
      const kind = kindOf(lo);
      if (kind === Kind.none) return yield* this.walkHole(vma, vpn, end);
      const isOwn = kind === Kind.devicePrivate && pageOwner(this.mm.memory, pfn) === this.range.devPrivateOwner;
      const cpuFlags = kind === Kind.present || isOwn ? pmdFlags(lo) : 0;
      const need = isOwn ? 0 : walk.rangeNeed(vpn, end, cpuFlags);
      if (need !== 0 && kind === Kind.migration) return yield* this.wait(vpn);
      if (need !== 0) return canBeFaulted(kind) ? yield* this.fault(vma, need, { vpn, end }) : -EFAULT;
      if (walk.isAnyPrepareWanted(vpn, end) && this.mm.memory.profile.deviceThp) {
        const code = yield* this.prepareHuge(vma, { vpn, end }, { pfn, cpuFlags, kind });
        if (code === Stop.again) continue;
        return code;
      }
      if (kind !== Kind.present && !isOwn) {
        walk.fill(vpn, end, kind === Kind.migration ? 0 : HmmPfn.error);
        return 0;
      }
      // Huge pages migrate one by one, so they are split here; what was huge is then walked afresh, entry by entry.
      const isSplitWanted = !isSplitTried && walk.isAnyPrepareWanted(vpn, end);
      if (isSplitWanted && this.mm.memory.kernel.defects.staleAfterSplit) {
        walk.fillHuge(vpn, end, { pfn, cpuFlags });
      }
      if (isSplitWanted && (yield* this.collecting(splitHugeToCollect(this.range.migrate!, vma, vpn)))) continue;
      walk.fillHuge(vpn, end, { pfn, cpuFlags });
      return 0;
    }
  }

  /**
   * Prepares a folio as one, where 2 MiB migrate so. 0 when its part is reported, taken or not; `Stop.again` when there are small entries
   * now. Linux: the migrate-on-fault series on top of device-private THP
   */
  private *prepareHuge(
    vma: Vma,
    { vpn, end }: PmdRange,
    { pfn, cpuFlags, kind }: { pfn: number; cpuFlags: number; kind: number },
  ): Coroutine<number> {
    const { walk } = this;
    const taken = yield* this.collecting(takeHugePmd(vma, { vpn, end }, walk.hugeFilter(vpn, end)));
    if (taken === HugeTake.again) return Stop.again;
    if (taken === HugeTake.hole) walk.fillHole(vpn, end);
    else if (taken !== HugeTake.skip) walk.fillCompound(vpn, end, { pfn, cpuFlags });
    else if (cpuFlags === 0) walk.fill(vpn, end, kind === Kind.devicePrivate ? HmmPfn.error : 0);
    else walk.fillHuge(vpn, end, { pfn, cpuFlags });
    return 0;
  }

  /** What takes pages for a migration is the collect, on this path as on the other. */
  private *collecting<T>(work: Coroutine<T>): Coroutine<T> {
    const { inject } = this.mm.memory.kernel;
    const phase = inject.armed ? inject.enter(Phase.collect) : 0;
    const result = yield* work;
    if (inject.armed) inject.enter(phase);
    return result;
  }

  private *walkLeaf(vma: Vma, leaf: Table, { vpn, end }: { vpn: number; end: number }): Coroutine<number> {
    const { walk } = this;
    let code = walk.walkPtes(leaf, { vpn, end });
    while (code === Stop.split) {
      const at = walk.stopVpn;
      code = walk.findStop(leaf, { vpn: at, end });
      if (code !== 0) return yield* this.stopped(vma, code, { vpn: walk.stopVpn, end }, at);
      const pfn = leaf.hi(pteIndex(at));
      const isSplit = yield* this.collecting(splitMappedFolio(this.mm.memory, pfn, this.range.migrate!.faultPfn));
      code = walk.walkPtes(leaf, { vpn: at, end }, isSplit);
    }
    return yield* this.stopped(vma, code, { vpn: walk.stopVpn, end }, walk.stopVpn);
  }

  /** Does what the code of a stop at `unit.vpn` asks for, and has the walk go on at `resumeVpn`. */
  private *stopped(vma: Vma, code: number, unit: PmdRange, resumeVpn: number): Coroutine<number> {
    if (code === Stop.fault) return yield* this.fault(vma, this.walk.need, unit, resumeVpn);
    if (code === Stop.wait) return yield* this.wait(unit.vpn, resumeVpn);
    return code;
  }

  /** Linux: walk_hugetlb_range(), mm/hmm.c:hmm_vma_walk_hugetlb_entry() */
  private *walkHugetlb(vma: Vma, first: number, end: number): Coroutine<number> {
    const { walk } = this;
    for (let vpn = first; vpn < end; ) {
      const next = pmdPartEnd(vpn, end);
      const pmd = this.mm.pageTable.pmdTable(vpn);
      this.mm.memory.stats.pmdEntries++;
      const lo = pmd === null ? 0 : pmd.lo(pmdIndex(vpn));
      const cpuFlags = pmd === null ? 0 : hugetlbFlags(lo);
      // Only the first page's request counts for an entry; a hole without a table asks for every page.
      const need = walk.rangeNeed(vpn, pmd === null ? next : vpn + 1, cpuFlags);
      if (need !== 0) return yield* this.fault(vma, need, { vpn, end: next });
      if (pmd === null) walk.fillHole(vpn, next);
      else walk.fillHuge(vpn, next, { pfn: pmd.hi(pmdIndex(vpn)), cpuFlags });
      vpn = next;
    }
    return 0;
  }

  /** Faults every page of the unit, also those that lack nothing (Q5). Linux: mm/hmm.c:hmm_vma_fault() */
  private *fault(vma: Vma, need: number, unit: PmdRange, resumeVpn = unit.vpn): Coroutine<number> {
    const { scheduler, inject } = this.mm.memory.kernel;
    yield* this.pauseAt(resumeVpn);
    const isWrite = (need & Need.write) !== 0;
    if (isWrite && (vma.flags & VM.write) === 0) return -EPERM;
    const flags = FAULT.remote | (isWrite ? FAULT.write : 0);
    for (let vpn = unit.vpn; vpn < unit.end; vpn++) {
      if (scheduler.contended) yield FAULT_POINT;
      if (inject.armed) yield* injectInvalidate(this.mm, vpn * PAGE_SIZE);
      if (this.mayUnlock && isUserfault(vma, vpn * PAGE_SIZE)) return yield* this.letServe(vpn, isWrite);
      const result = yield* handleMmFault(vma, vpn * PAGE_SIZE, flags);
      if (result & VM_FAULT_ERROR) return this.errnoOf(result);
    }
    return Stop.again;
  }

  /** Without mmap_lock, until a userfaultfd has served the page. Linux: HMM_FAULT_UNLOCKED */
  private *letServe(vpn: number, isWrite: boolean): Coroutine<number> {
    const { mm } = this;
    mm.mmapLock.readUnlock();
    this.isUnlocked = true;
    yield* mm.userfault!.wait(vpn * PAGE_SIZE, isWrite);
    return mm.memory.kernel.current.killed ? -EINTR : -EBUSY;
  }

  /** Linux: vm_fault_to_errno(), in kernels that tell */
  private errnoOf(fault: number): number {
    return this.mm.memory.profile.hmmReturnsFaultErrno && fault & VM_FAULT.oom ? -ENOMEM : -EFAULT;
  }

  private *wait(vpn: number, resumeVpn = vpn): Coroutine<number> {
    yield* this.pauseAt(resumeVpn);
    yield* migrationEntryWait(this.mm, vpn);
    return Stop.again;
  }

  /** Before the walk sleeps at `vpn`: no prepared page may be held, see `hmmRangeFault`. */
  private *pauseAt(vpn: number): Coroutine<void> {
    this.last = vpn * PAGE_SIZE;
    if (this.walk.prepared === 0) return;
    if (!this.mm.memory.kernel.defects.waitsForItself) yield* this.undo();
    if (this.requests !== null) this.range.flags.set(this.requests);
    this.last = this.range.start;
  }

  /**
   * Puts every prepared page back where it was. All of them lie below the first entry that is still a request, so the
   * count ends the loop before a request could be taken for an answer.
   */
  private *undo(): Coroutine<void> {
    const { walk, range, mm } = this;
    const { memory } = mm;
    const isPrepared = HmmPfn.valid | HmmPfn.migrate;
    for (let i = 0; walk.prepared > 0; i++) {
      assert(i < pagesOf(range), 'a prepared page is not in the range any more');
      if ((range.flags[i]! & isPrepared) !== isPrepared) continue;
      const pfn = range.pfns[i]!;
      yield* removeMigrationPtes(memory, pfn, pfn);
      range.flags[i] = 0;
      if (!isLockedByFault(memory, range.migrate!.faultPfn, pfn)) folioUnlock(memory, pfn);
      folioPut(memory, pfn);
      walk.prepared--;
    }
  }

  private clearResults(): void {
    const { range } = this;
    const npages = pagesOf(range);
    range.flags.fill(0, 0, npages);
    range.pfns.fill(0, 0, npages);
    range.migrate!.npages = 0;
    range.migrate!.cpages = 0;
  }
}

/** Can a fault make something else of a 2 MiB entry of this kind? */
function canBeFaulted(kind: number): boolean {
  return kind === Kind.present || kind === Kind.devicePrivate;
}
