import { EAGAIN, EINVAL, ENOMEM } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { VM_FAULT, VM_FAULT_ERROR } from '../faults/fault-code.js';
import { doSwapPage } from '../faults/fault-non-present.js';
import { folioAddLru, folioIsLocked, folioPut } from '../frames/folio.js';
import { isRefcountSuitable } from '../frames/folio-sharing.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddNewAnonRmapPmd } from '../frames/rmap.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { KIND_MASK, Kind, kindOf, Pte } from '../tables/entry.js';
import type { Table } from '../tables/page-table.js';
import { maybeMkwrite, mkPte } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { flushTlbMm } from '../tables/tlb.js';
import { userfaultfdArmed } from '../userfault/ctx.js';
import { type Mm, mmapAssertLocked, mmapAssertWriteLocked } from '../vmas/mm.js';
import { assertInVma, type Vma } from '../vmas/vma.js';
import {
  collapseHugePageCopy,
  collapseHugePageCopySucceeded,
  collapseHugePageIsolate,
  releasePtePages,
} from './thp-collapse-pages.js';
import { setPmd } from './thp-fault.js';
import { hugeStart, mmFindPmd, type PmdSlot, thpVmaCollapsible, thpVmaSuitableOrder } from './thp-policy.js';

/** Why a part was not collapsed; only the groups that madvise(2) tells apart or treats differently. */
export type ScanResult = 'succeed' | 'mapped' | 'busy' | 'other' | 'stop' | 'no-memory';

const PART_POINT = preemptPoint('collapse');

/**
 * MADV_COLLAPSE: makes one huge page of each aligned 2 MiB of [start, end). 0 when all of them are huge pages now, else
 * the errno of the last failure: -EAGAIN (locked or referenced pages), -ENOMEM, -EINVAL. mmap_lock is held for read at
 * the call and at the return but not throughout, so vmas known to the caller may be gone.
 * Linux: mm/khugepaged.c:madvise_collapse()
 */
export function* madviseCollapse(vma: Vma, start: number, end: number): Coroutine<number> {
  mmapAssertLocked(vma.mm);
  assertInVma(vma, start, end);
  if (!thpVmaCollapsible(vma)) return -EINVAL;
  const { mm } = vma;
  const first = Math.ceil(start / HPAGE_PMD_SIZE) * HPAGE_PMD_SIZE;
  let last = hugeStart(end);
  let collapsed = 0;
  let failure: ScanResult = 'other';
  const { scheduler } = mm.memory.kernel;
  for (let addr = first; addr < last; addr += HPAGE_PMD_SIZE) {
    if (scheduler.contended) yield PART_POINT;
    const current = hugepageVmaRevalidate(mm, addr, false);
    if (current === null) {
      failure = 'other';
      break;
    }
    last = Math.min(last, hugeStart(current.end));
    const result = yield* collapseOne(current, addr);
    if (result === 'succeed' || result === 'mapped') collapsed++;
    else failure = result;
    if (result === 'stop' || result === 'no-memory') break;
  }
  return collapsed === (last - first) / HPAGE_PMD_SIZE ? 0 : madviseCollapseErrno(failure);
}

/** Linux: mm/khugepaged.c:madvise_collapse_errno() */
function madviseCollapseErrno(result: ScanResult): number {
  if (result === 'no-memory') return -ENOMEM;
  return result === 'busy' ? -EAGAIN : -EINVAL;
}

/** The vma of `addr` if it may still be collapsed. Linux: mm/khugepaged.c:hugepage_vma_revalidate() */
function hugepageVmaRevalidate(mm: Mm, addr: number, expectAnon: boolean): Vma | null {
  const vma = mm.vmaLookup(addr);
  if (vma === null || mm.users === 0 || !thpVmaSuitableOrder(vma, addr) || !thpVmaCollapsible(vma)) return null;
  return expectAnon && vma.anonVma === null ? null : vma;
}

/** The page table of the part, or why there is none to collapse. Linux: mm/khugepaged.c:find_pmd_or_thp_or_none() */
function findPmdOrThpOrNone(mm: Mm, addr: number): { slot: PmdSlot; table: Table } | ScanResult {
  const slot = mmFindPmd(mm, addr / PAGE_SIZE);
  if (slot === null) return 'other';
  const lo = slot.table.lo(slot.index);
  if (kindOf(lo) === Kind.none) return 'stop';
  if (kindOf(lo) === Kind.present) return 'mapped';
  const table = slot.table.child(slot.index);
  return table === null ? 'other' : { slot, table };
}

/** Linux: part of mm/khugepaged.c:hpage_collapse_scan_pmd() and collapse_huge_page() */
function* collapseOne(vma: Vma, addr: number): Coroutine<ScanResult> {
  const { mm } = vma;
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  const found = findPmdOrThpOrNone(mm, addr);
  if (typeof found === 'string') return found;
  const scan = scanSmallPages(vma, found.table);
  if (scan.result !== 'succeed') return scan.result;
  const head = mm.memory.allocator.allocateHuge();
  if (head === 0) return 'no-memory';
  let result: ScanResult = scan.notPresent > 0 ? yield* collapseHugePageSwapin(vma, addr) : 'succeed';
  if (result === 'succeed') {
    mm.mmapLock.readUnlock();
    yield* mm.mmapLock.writeLock();
    result = yield* collapseLocked(mm, addr, head);
    mm.mmapLock.writeUnlock();
    yield* mm.mmapLock.readLock();
  }
  if (result !== 'succeed') folioPut(mm.memory, head);
  return result;
}

function scanSmallPages(vma: Vma, table: Table): { result: ScanResult; notPresent: number } {
  let notPresent = 0;
  let isWritable = false;
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    const lo = table.lo(i);
    if (kindOf(lo) === Kind.none || (kindOf(lo) === Kind.present && lo & Pte.special)) {
      // Linux: SCAN_EXCEED_NONE_PTE
      if (userfaultfdArmed(vma)) return { result: 'other', notPresent };
      continue;
    }
    // Linux: SCAN_PTE_UFFD_WP
    if (lo & Pte.uffdWp || kindOf(lo) === Kind.marker) return { result: 'other', notPresent };
    if (kindOf(lo) !== Kind.present) {
      notPresent++;
      continue;
    }
    if (lo & Pte.write) isWritable = true;
    const result = checkPage(vma, table.hi(i));
    if (result !== 'succeed') return { result, notPresent };
  }
  // Linux: SCAN_PAGE_RO
  return { result: isWritable ? 'succeed' : 'other', notPresent };
}

/** Device memory, file pages, and pages in use by somebody else can't be collapsed. */
function checkPage(vma: Vma, pfn: number): ScanResult {
  const { memory } = vma.mm;
  const { frames } = memory;
  if (frames.isZoneDevice(pfn)) return 'other';
  if (!frames.isAnon(pfn)) return 'stop';
  const isOnLru = frames.hasFlags(frames.head(pfn), PG.lru);
  return isOnLru && !folioIsLocked(memory, pfn) && isRefcountSuitable(memory, pfn) ? 'succeed' : 'busy';
}

/** Swapped pages, and pages of devices, become present. mmap_lock is held. Linux: mm/khugepaged.c:__collapse_huge_page_swapin() */
function* collapseHugePageSwapin(vma: Vma, start: number): Coroutine<ScanResult> {
  mmapAssertLocked(vma.mm);
  const { mm } = vma;
  for (let addr = start; addr < start + HPAGE_PMD_SIZE; addr += PAGE_SIZE) {
    const vpn = addr / PAGE_SIZE;
    const table = mm.pageTable.pteTable(vpn);
    if (table === null) return 'other';
    const lo = table.lo(vpn % 512);
    if (kindOf(lo) === Kind.none || kindOf(lo) === Kind.present) continue;
    const fault = { vma, addr, realAddr: addr, vpn, flags: 0, lo, hi: table.hi(vpn % 512) };
    const ret = yield* doSwapPage(fault);
    if (ret & VM_FAULT.retry) return 'busy';
    if (ret & VM_FAULT_ERROR) return 'stop';
  }
  return 'succeed';
}

/** With mmap_lock held for write: replaces the table by the huge page `head`. Linux: part of mm/khugepaged.c:collapse_huge_page() */
function* collapseLocked(mm: Mm, addr: number, head: number): Coroutine<ScanResult> {
  mmapAssertWriteLocked(mm);
  const vma = hugepageVmaRevalidate(mm, addr, true);
  if (vma === null) return 'stop';
  const found = findPmdOrThpOrNone(mm, addr);
  if (typeof found === 'string') return found;
  const { lock } = vma.anonVma!;
  yield* lock.writeLock();
  const range: NotifierRange = { mm, start: addr, end: addr + HPAGE_PMD_SIZE, event: 'CLEAR', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  yield* mmuNotifierInvalidateRangeEnd(range);
  ptlLock(mm);
  // Linux: mm/pgtable-generic.c:pmdp_collapse_flush(), whatever comes of it
  flushTlbMm(mm);
  const isolated: number[] = [];
  const result = collapseHugePageIsolate(mm.memory, found.table, isolated);
  if (result === 'succeed') {
    collapseHugePageCopy(mm.memory, found.table, head);
    collapseHugePageCopySucceeded(mm, found.table, isolated);
    mapCollapsed(vma, addr, { slot: found.slot, head });
  } else {
    releasePtePages(mm.memory, isolated);
  }
  ptlUnlock(mm);
  lock.writeUnlock();
  return result;
}

function mapCollapsed(vma: Vma, addr: number, { slot, head }: { slot: PmdSlot; head: number }): void {
  const { mm } = vma;
  const { memory } = mm;
  mm.pageTable.releaseLeaf(mm.pageTable.detachPteTable(addr / PAGE_SIZE));
  assert((slot.table.lo(slot.index) & KIND_MASK) === Kind.none, 'the PMD entry of a collapse is in use');
  memory.frames.setFlags(head, PG.uptodate);
  folioAddNewAnonRmapPmd(memory, head, vma, addr);
  folioAddLru(memory, head);
  setPmd(slot, maybeMkwrite(mkPte(vma) | Pte.huge | Pte.dirtied, vma), head);
}
