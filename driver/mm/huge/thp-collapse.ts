import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { VM_FAULT, VM_FAULT_ERROR } from '../faults/fault-code.js';
import { doSwapPage } from '../faults/fault-non-present.js';
import { folioAddLru, folioIsLocked, folioPut } from '../frames/folio.js';
import { folioLikelyMappedShared, isRefcountSuitable } from '../frames/folio-sharing.js';
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
import type { Vma } from '../vmas/vma.js';
import {
  type CollapseControl,
  findPmdOrThpOrNone,
  hugepageVmaRevalidate,
  type ScanResult,
} from './collapse-control.js';
import {
  collapseHugePageCopy,
  collapseHugePageCopySucceeded,
  collapseHugePageIsolate,
  pteNoneOrZero,
  releasePtePages,
} from './thp-collapse-pages.js';
import { setPmd } from './thp-fault.js';
import type { PmdSlot } from './thp-policy.js';

/**
 * Makes one huge page of the small ones of [addr, addr + 2 MiB), if they are as `cc` asks. mmap_lock is held for read, and is
 * let go when it comes to the collapse itself: see `isLocked` of the answer. Linux: mm/khugepaged.c:hpage_collapse_scan_pmd()
 */
export function* hpageCollapseScanPmd(
  vma: Vma,
  addr: number,
  cc: CollapseControl,
): Coroutine<{ result: ScanResult; isLocked: boolean }> {
  const { mm } = vma;
  mmapAssertLocked(mm);
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  const found = findPmdOrThpOrNone(mm, addr);
  if (typeof found === 'string') return { result: found, isLocked: true };
  const scan = new PteScan(vma, cc);
  const result = scan.scan(found.table);
  if (result !== 'succeed') return { result, isLocked: true };
  mm.mmapLock.readUnlock();
  return { result: yield* collapseHugePage(mm, addr, { cc, unmapped: scan.unmapped }), isLocked: false };
}

/** One look at the entries of a table. Linux: the loop of mm/khugepaged.c:hpage_collapse_scan_pmd() */
class PteScan {
  unmapped = 0;
  private none = 0;
  private shared = 0;
  private referenced = 0;
  private isWritable = false;

  constructor(
    private readonly vma: Vma,
    private readonly cc: CollapseControl,
  ) {}

  scan(table: Table): ScanResult {
    for (let i = 0; i < HPAGE_PMD_NR; i++) {
      const result = this.entry(table.lo(i), table, i);
      if (result !== 'succeed') return result;
    }
    if (!this.isWritable) return 'page_ro';
    const lacks = this.referenced === 0 || (this.unmapped > 0 && this.referenced < HPAGE_PMD_NR / 2);
    return this.cc.isKhugepaged && lacks ? 'lack_referenced_page' : 'succeed';
  }

  private entry(lo: number, table: Table, i: number): ScanResult {
    if (pteNoneOrZero(lo)) {
      return userfaultfdArmed(this.vma) || ++this.none > this.cc.limits.none ? 'exceed_none_pte' : 'succeed';
    }
    if (kindOf(lo) !== Kind.present) {
      if (++this.unmapped > this.cc.limits.swap) return 'exceed_swap_pte';
      return lo & Pte.uffdWp ? 'pte_uffd_wp' : 'succeed';
    }
    if (lo & Pte.uffdWp) return 'pte_uffd_wp';
    if (lo & Pte.write) this.isWritable = true;
    const result = this.page(table.hi(i));
    if (result === 'succeed' && lo & Pte.young) this.referenced++;
    return result;
  }

  /** Device memory, file pages, and pages in use by somebody else can't be collapsed. */
  private page(pfn: number): ScanResult {
    const { memory } = this.vma.mm;
    const { frames } = memory;
    if (frames.isZoneDevice(pfn)) return 'page_null';
    if (!frames.isAnon(pfn)) return 'page_anon';
    if (folioLikelyMappedShared(memory, pfn) && ++this.shared > this.cc.limits.shared) return 'exceed_shared_pte';
    if (!frames.hasFlags(frames.head(pfn), PG.lru)) return 'page_lru';
    if (folioIsLocked(memory, pfn)) return 'page_lock';
    return isRefcountSuitable(memory, pfn) ? 'succeed' : 'page_count';
  }
}

interface Collapse {
  readonly cc: CollapseControl;
  /** Pages that are elsewhere: in swap, on a device. */
  readonly unmapped: number;
}

/** mmap_lock is not held, neither at the call nor at the return. Linux: mm/khugepaged.c:collapse_huge_page() */
function* collapseHugePage(mm: Mm, addr: number, how: Collapse): Coroutine<ScanResult> {
  const head = mm.memory.allocator.allocateHuge();
  if (head === 0) return 'alloc_huge_page_fail';
  yield* mm.mmapLock.readLock();
  let result = yield* bringPagesIn(mm, addr, how);
  mm.mmapLock.readUnlock();
  if (result === 'succeed') {
    yield* mm.mmapLock.writeLock();
    result = yield* collapseLocked(mm, addr, { head, cc: how.cc });
    mm.mmapLock.writeUnlock();
  }
  if (result === 'succeed') return result;
  if (mm.memory.kernel.scheduler.isFine) yield FINE.refcount;
  folioPut(mm.memory, head);
  return result;
}

function* bringPagesIn(mm: Mm, addr: number, { cc, unmapped }: Collapse): Coroutine<ScanResult> {
  const vma = hugepageVmaRevalidate(mm, addr, { expectsAnon: true, cc });
  if (typeof vma === 'string') return vma;
  const found = findPmdOrThpOrNone(mm, addr);
  if (typeof found === 'string') return found;
  return unmapped > 0 ? yield* collapseHugePageSwapin(vma, addr) : 'succeed';
}

/** Swapped pages, and pages of devices, become present. mmap_lock is held. Linux: mm/khugepaged.c:__collapse_huge_page_swapin() */
function* collapseHugePageSwapin(vma: Vma, start: number): Coroutine<ScanResult> {
  mmapAssertLocked(vma.mm);
  const { mm } = vma;
  for (let addr = start; addr < start + HPAGE_PMD_SIZE; addr += PAGE_SIZE) {
    const vpn = addr / PAGE_SIZE;
    const table = mm.pageTable.pteTable(vpn);
    if (table === null) return 'pmd_null';
    const lo = table.lo(vpn % 512);
    if (kindOf(lo) === Kind.none || kindOf(lo) === Kind.present) continue;
    const fault = { vma, addr, realAddr: addr, vpn, flags: 0, lo, hi: table.hi(vpn % 512) };
    const ret = yield* doSwapPage(fault);
    if (ret & VM_FAULT.retry) return 'page_lock';
    if (ret & VM_FAULT_ERROR) return 'fail';
  }
  return 'succeed';
}

/** With mmap_lock held for write: replaces the table by the huge page `head`. Linux: part of mm/khugepaged.c:collapse_huge_page() */
function* collapseLocked(
  mm: Mm,
  addr: number,
  { head, cc }: { head: number; cc: CollapseControl },
): Coroutine<ScanResult> {
  mmapAssertWriteLocked(mm);
  const vma = hugepageVmaRevalidate(mm, addr, { expectsAnon: true, cc });
  if (typeof vma === 'string') return vma;
  const found = findPmdOrThpOrNone(mm, addr);
  if (typeof found === 'string') return found;
  const { lock } = vma.anonVma!;
  yield* lock.writeLock();
  const table = yield* takeTable(mm, addr);
  const isolated: number[] = [];
  const result = yield* isolateOrPutBack(vma, addr, { table, cc, isolated });
  lock.writeUnlock();
  if (result !== 'succeed') return result;
  const { scheduler } = mm.memory.kernel;
  if (scheduler.isFine) yield FINE.content;
  collapseHugePageCopy(mm.memory, table, head);
  if (scheduler.isFine) yield FINE.ptl;
  ptlLock(mm);
  collapseHugePageCopySucceeded(mm, table, isolated);
  mm.pageTable.releaseLeaf(table);
  mapCollapsed(vma, addr, { slot: found.slot, head });
  ptlUnlock(mm);
  return 'succeed';
}

/** From here on nobody finds the small pages by address. Linux: part of mm/khugepaged.c:collapse_huge_page() */
function* takeTable(mm: Mm, addr: number): Coroutine<Table> {
  const range: NotifierRange = { mm, start: addr, end: addr + HPAGE_PMD_SIZE, event: 'CLEAR', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(mm);
  const table = mm.pageTable.detachPteTable(addr / PAGE_SIZE);
  flushTlbMm(mm);
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
  return table;
}

function* isolateOrPutBack(
  vma: Vma,
  addr: number,
  at: { table: Table; cc: CollapseControl; isolated: number[] },
): Coroutine<ScanResult> {
  const { mm } = vma;
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(mm);
  const result = collapseHugePageIsolate(vma, at.table, at);
  if (result !== 'succeed') {
    mm.pageTable.setPteTable(addr / PAGE_SIZE, at.table);
    releasePtePages(mm.memory, at.isolated);
  }
  ptlUnlock(mm);
  return result;
}

function mapCollapsed(vma: Vma, addr: number, { slot, head }: { slot: PmdSlot; head: number }): void {
  const { memory } = vma.mm;
  assert((slot.table.lo(slot.index) & KIND_MASK) === Kind.none, 'the PMD entry of a collapse is in use');
  memory.frames.setFlags(head, PG.uptodate);
  folioAddNewAnonRmapPmd(memory, head, vma, addr);
  folioAddLru(memory, head);
  setPmd(slot, maybeMkwrite(mkPte(vma) | Pte.huge | Pte.dirtied, vma), head);
}
