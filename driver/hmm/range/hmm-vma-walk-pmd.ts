import { EFAULT } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { Phase } from '../../inject/inject-points.js';
import { ZERO_PFN } from '../../mm/frames/frame-allocator.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { KIND_MASK, Kind, Pte } from '../../mm/tables/entry.js';
import { pmdIndex, pteIndex, type Table } from '../../mm/tables/page-table.js';
import { ptlLock, ptlUnlock } from '../../mm/tables/ptl.js';
import { flushTlbRange } from '../../mm/tables/tlb.js';
import { COLLECT_SPLIT, type CollectFilter, collectEntry, pageOwner } from '../migrate/migrate-entry.js';
import { migrateVmaSplitFolio, type PmdRange } from '../migrate/migrate-thp.js';
import { MigratePfn } from '../migrate/migrate-vma.js';
import { HmmPfn } from './hmm-range.js';
import { hmmVmaHandlePmd } from './hmm-vma-handle-pmd.js';
import {
  asCollect,
  fail,
  type HmmVmaWalk,
  hmmPfnsFill,
  hmmPteNeedFault,
  hmmSelectMigrate,
  type Stop,
  type VmaWalk,
} from './hmm-vma-walk.js';

const PREPARED = HmmPfn.valid | HmmPfn.migrate;
const PREPARE_POINT = preemptPoint('hmm_vma_handle_migrate_prepare');

/**
 * What one PMD entry covers of the range: reports its pages and prepares those that are wanted, whatever stands there. The caller holds
 * the mmap_lock for read. The ptl is held between the two lines below and inside `hmmVmaHandlePmd`, never at an exit and never while
 * something sleeps. Linux: mm/hmm.c:hmm_vma_walk_pmd()
 */
export function* hmmVmaWalkPmd(part: VmaWalk, pmd: Table, { vpn, end }: PmdRange): Coroutine<Stop | null> {
  const { mm, memory, range, path } = part.walk;
  memory.kernel.assertHeld(LockClass.mmapLock);
  memory.kernel.mightSleep();
  memory.stats.pmdEntries++;
  // What is huge is split at most once a call, and what could not be split is not prepared.
  for (let at = vpn, isSplitTried = false, mayPrepare = true; ; ) {
    const leaf = pmd.child(pmdIndex(vpn));
    if (leaf === null) {
      const stop = yield* hmmVmaHandlePmd(part, pmd, { vpn, end, maySplit: !isSplitTried });
      if (stop?.type !== 'again') return stop;
      if (path?.resumesAfterSplit) return { type: 'resume', resumeVpn: vpn };
      isSplitTried = true;
      continue;
    }
    if (path?.preparesApart) return yield* walkPtesApart(part, pmd, { vpn, end });
    const { isFine } = memory.kernel.scheduler;
    if (isFine) yield FINE.entry;
    // A collapse of a file takes its table away.
    if (pmd.child(pmdIndex(vpn)) !== leaf) continue;
    // A walk that only looks takes no lock, so another CPU may write between two of its looks.
    const to = isFine && !part.walk.wantsMigrate ? at + 1 : end;
    ptlLock(mm);
    const stop = walkPtes(part, leaf, { vpn: at, end: to, unitEnd: end, mayPrepare });
    ptlUnlock(mm);
    if (stop === null && to < end) {
      at = to;
      continue;
    }
    if (stop?.type !== 'split') return stop;
    at = stop.vpn;
    mayPrepare = yield* asCollect(memory, migrateVmaSplitFolio(memory, stop.pfn, range.migrate!));
    if (mayPrepare || !path!.failedSplitIsError) continue;
    hmmPfnsFill(part.walk, { vpn: at, end }, HmmPfn.error);
    return null;
  }
}

/** A large folio is mapped at `vpn` that must be split before its pages can be prepared. */
interface SplitStop {
  readonly type: 'split';
  readonly vpn: number;
  readonly pfn: number;
}

/** The entries of one PTE table, up to the end or the first that stops the walk. The ptl is held. Linux: part of mm/hmm.c:hmm_vma_walk_pmd() */
function walkPtes(
  part: VmaWalk,
  table: Table,
  { vpn, end, unitEnd, mayPrepare }: PmdRange & { unitEnd: number; mayPrepare: boolean },
): Stop | SplitStop | null {
  const { walk } = part;
  const { flags } = walk.range;
  const { kernel, stats } = walk.memory;
  kernel.assertHeld(LockClass.ptl);
  assert(table.isLeaf && vpn < end, 'a table of PTEs is walked');
  const keepsStale = kernel.defects.staleAfterSplit;
  let stop: Stop | SplitStop | null = null;
  let isReplaced = false;
  let at = vpn;
  for (let i = pteIndex(vpn); at < end; at++, i++) {
    const input = flags[at - walk.firstVpn]!;
    const lo = table.lo(i);
    if (keepsStale && lo & Pte.special && input !== 0) continue;
    const need = hmmVmaHandlePte(walk, at, lo, table.hi(i));
    if (need !== 0) {
      stop = pteStop(part, table, { vpn: at, end: unitEnd });
      break;
    }
    const filter = mayPrepare ? hmmSelectMigrate(part, input) : null;
    if (filter === null) continue;
    const taken = hmmVmaHandleMigratePrepare(walk, table, at, filter);
    if (taken === COLLECT_SPLIT) {
      // It will be looked at again, as if for the first time.
      flags[at - walk.firstVpn] = input;
      stop = splitStop(part, table, { vpn: at, end });
      break;
    }
    if ((lo & KIND_MASK) !== Kind.present || (taken & MigratePfn.valid) === 0) continue;
    if (walk.path!.skipsFlushAtStop && table.lo(i) & (Pte.exclusive | Pte.write)) flushTaken(walk, at, 1);
    else isReplaced = true;
  }
  if (isReplaced && !(stop !== null && walk.path!.skipsFlushAtStop)) flushTaken(walk, vpn, end - vpn);
  stats.pteEntries += Math.min(at + 1, end) - vpn;
  return stop;
}

function flushTaken({ mm }: HmmVmaWalk, vpn: number, npages: number): void {
  if (!mm.memory.kernel.defects.flushLost) flushTlbRange(mm, vpn, npages);
}

/** Entry by entry, each reported without the ptl and then read anew under it. Linux: part of mm/hmm.c:hmm_vma_walk_pmd() of the first posting */
function* walkPtesApart(part: VmaWalk, pmd: Table, { vpn, end }: PmdRange): Coroutine<Stop | null> {
  const { walk } = part;
  const { scheduler } = walk.memory.kernel;
  const table = pmd.child(pmdIndex(vpn))!;
  for (let at = vpn, i = pteIndex(vpn); at < end; at++, i++) {
    // A collapse of a file takes its table away.
    if (pmd.child(pmdIndex(vpn)) !== table) return { type: 'resume', resumeVpn: at };
    walk.memory.stats.pteEntries++;
    if (hmmVmaHandlePte(walk, at, table.loLockless(i), table.hiLockless(i)) !== 0)
      return pteStop(part, table, { vpn: at, end });
    const filter = hmmSelectMigrate(part, 0);
    if (filter === null) continue;
    if (scheduler.contended) yield PREPARE_POINT;
    if (pmd.child(pmdIndex(vpn)) !== table) return { type: 'resume', resumeVpn: at };
    ptlLock(walk.mm);
    const isPresent = (table.lo(i) & KIND_MASK) === Kind.present;
    const taken = hmmVmaHandleMigratePrepare(walk, table, at, filter);
    if (isPresent && taken & MigratePfn.valid) flushTaken(walk, at, 1);
    ptlUnlock(walk.mm);
  }
  return null;
}

/**
 * What comes before the large folio at `vpn` can be split: a fault or a wait for a page behind it, which finds the folio whole then, as
 * it does where one walk faults and another collects. If there is none, the split.
 */
function splitStop(part: VmaWalk, table: Table, { vpn, end }: PmdRange): Stop | SplitStop {
  const { walk } = part;
  walk.memory.kernel.assertHeld(LockClass.ptl);
  for (let at = vpn; at < end; at++) {
    const i = pteIndex(at);
    if (pteNeed(walk, at, table.lo(i), table.hi(i)) === 0) continue;
    const stop = pteStop(part, table, { vpn: at, end });
    // Nothing from the folio on has an answer yet.
    return stop.type === 'fail' ? stop : { ...stop, resumeVpn: vpn };
  }
  return { type: 'split', vpn, pfn: table.hi(pteIndex(vpn)) };
}

/**
 * Reports the entry at `vpn`, which is `lo` and `pfn`, unless it lacks something: what, then. The ptl is held.
 * Linux: mm/hmm.c:hmm_vma_handle_pte()
 */
function hmmVmaHandlePte(walk: HmmVmaWalk, vpn: number, lo: number, pfn: number): number {
  const need = pteNeed(walk, vpn, lo, pfn);
  if (need !== 0) return need;
  const { flags, pfns } = walk.range;
  const n = vpn - walk.firstVpn;
  if (isPreparedWord(walk, n)) return 0;
  const kind = lo & KIND_MASK;
  const isOwn = kind === Kind.devicePrivate && isOwnPrivate(walk, pfn);
  const isError = isPageless(lo, pfn);
  flags[n] = isError ? HmmPfn.error : pteToHmmPfnFlags(lo, isOwn);
  pfns[n] = (kind === Kind.present || isOwn) && !isError ? pfn : 0;
  return 0;
}

/** What the entry at `vpn` lacks to be answered as it is. */
function pteNeed(walk: HmmVmaWalk, vpn: number, lo: number, pfn: number): number {
  // A private page of the caller's own is good as it is, even when it is read only and a write was asked for (Q4).
  if ((lo & KIND_MASK) === Kind.devicePrivate && isOwnPrivate(walk, pfn)) return 0;
  if ((lo & KIND_MASK) === Kind.migration && walk.path !== null && !walk.path.waitsAtMigrationEntries) return 0;
  const input = walk.range.flags[vpn - walk.firstVpn]!;
  return hmmPteNeedFault(walk, input, isPageless(lo, pfn) ? 0 : pteToHmmPfnFlags(lo, false));
}

/** What is to be done about an entry that lacks something. */
function pteStop({ walk, vma }: VmaWalk, table: Table, { vpn, end }: PmdRange): Stop {
  const i = pteIndex(vpn);
  const lo = table.lo(i);
  const need = hmmPteNeedFault(walk, walk.range.flags[vpn - walk.firstVpn]!, pteToHmmPfnFlags(lo, false));
  // Nothing but a page can make it better.
  if (need === 0) return fail(-EFAULT, vpn);
  switch (lo & KIND_MASK) {
    case Kind.migration:
      return { type: 'wait', vpn, resumeVpn: vpn };
    case Kind.hwpoison:
      return fail(-EFAULT, vpn);
    default:
      return { type: 'fault', vma, need, vpn, end, resumeVpn: vpn };
  }
}

/**
 * Takes the entry at `vpn`, which is reported already. The ptl is held from the report to here, so that the page can't vanish between
 * the two. What `collectEntry` answers. Linux: hmm_vma_handle_migrate_prepare() of the migrate-on-fault series
 *
 * Deviates from hmm's report: a hole has no VALID, a PROT_NONE page has.
 */
function hmmVmaHandleMigratePrepare(walk: HmmVmaWalk, table: Table, vpn: number, filter: CollectFilter): number {
  const { inject } = walk.memory.kernel;
  const { flags, pfns } = walk.range;
  const i = pteIndex(vpn);
  const n = vpn - walk.firstVpn;
  const pfn = table.hi(i);
  const isHole = (table.lo(i) & KIND_MASK) === Kind.none;
  if (walk.path!.preparesOnlyReported && !isHole && (flags[n]! & HmmPfn.valid) === 0) return 0;
  if (inject.armed) inject.at(vpn * PAGE_SIZE);
  const phase = inject.armed ? inject.enter(Phase.collect) : 0;
  const taken = collectEntry(walk.memory, table, i, filter);
  if (inject.armed) inject.enter(phase);
  if (taken === COLLECT_SPLIT || taken === 0) return taken;
  const isPage = (taken & MigratePfn.valid) !== 0;
  if (isPage) walk.prepared++;
  // What an earlier pass has taken for this place is named by the word for ever, and what is taken now by none.
  if (isPage && isPreparedWord(walk, n)) return taken;
  flags[n] = taken;
  pfns[n] = isPage ? pfn : 0;
  return taken;
}

/** Does the word say that an earlier pass has prepared its page, on a path that believes it? */
function isPreparedWord({ path, range }: HmmVmaWalk, n: number): boolean {
  return path?.keepsPreparedWords === true && (range.flags[n]! & PREPARED) === PREPARED;
}

/** Is it a page of the device that the range is walked for? */
function isOwnPrivate(walk: HmmVmaWalk, pfn: number): boolean {
  return pageOwner(walk.memory, pfn) === walk.range.devPrivateOwner;
}

/** No struct page stands behind the entry: not for devices. */
function isPageless(lo: number, pfn: number): boolean {
  return (lo & KIND_MASK) === Kind.present && (lo & Pte.special) !== 0 && pfn !== ZERO_PFN;
}

/** Of any PTE entry: 0 unless the CPU can use it, or the device whose own page it is. Linux: mm/hmm.c:pte_to_hmm_pfn_flags() */
function pteToHmmPfnFlags(lo: number, isOwn: boolean): number {
  const isUsable = isOwn || ((lo & KIND_MASK) === Kind.present && (lo & Pte.protnone) === 0);
  if (!isUsable) return 0;
  return lo & Pte.write ? HmmPfn.valid | HmmPfn.write : HmmPfn.valid;
}
