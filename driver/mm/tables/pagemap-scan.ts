import { EPERM } from '../../../uapi/errno.js';
import { PAGE_IS, PM_SCAN } from '../../../uapi/pm-scan.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { hugePteAlloc } from '../huge/hugetlb-fault.js';
import { setPmd } from '../huge/thp-fault.js';
import { mmFindPmd, type PmdSlot } from '../huge/thp-policy.js';
import { splitHugePmd } from '../huge/thp-split-pmd.js';
import { userfaultfdWpAsync, userfaultfdWpUseMarkers } from '../userfault/ctx.js';
import { uffdWpRange } from '../userfault/wp.js';
import { type Mm, mmapAssertLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { findVmaIntersection } from '../vmas/vma-list.js';
import { Kind, kindOf, Pte } from './entry.js';
import { alignDown, pmdAddrEnd, pudAddrEnd } from './page-align.js';
import { pteIndex, type Table } from './page-table.js';
import { pagemapHugetlbCategory, pagemapPageCategory, pagemapThpCategory } from './pagemap-category.js';
import type { PagemapRegions } from './pagemap-regions.js';
import { pteMkuffdWp } from './pte-build.js';
import { ptlLock, ptlUnlock } from './ptl.js';
import { flushPmdTlbRange, flushTlbRange } from './tlb.js';

/** What is looked for, as bits of PAGE_IS, and what is done with what is found. Linux: struct pm_scan_arg */
export interface PagemapScan {
  readonly flags: number;
  readonly inverted: number;
  readonly mask: number;
  readonly anyof: number;
  /** Nobody wants the places: what is to be protected is, whatever it is. */
  readonly hasOutput: boolean;
}

interface Part {
  readonly start: number;
  readonly end: number;
}

/** 0 to go on, 1 to leave out the vma, or a negative errno; the vma's own categories. Linux: fs/proc/task_mmu.c:pagemap_scan_test_walk() */
function pagemapScanTestWalk(vma: Vma, { flags, mask, inverted }: PagemapScan): { ret: number; category: number } {
  const allowsWp = userfaultfdWpAsync(vma) && userfaultfdWpUseMarkers(vma);
  if (!allowsWp && flags & PM_SCAN.checkWpAsync) return { ret: -EPERM, category: 0 };
  if ((!allowsWp && flags & PM_SCAN.wpMatching) || vma.flags & VM.pfnmap) return { ret: 1, category: 0 };
  const category = (allowsWp ? PAGE_IS.wpAllowed : 0) | (vma.flags & VM.notSoftDirty ? 0 : PAGE_IS.softDirty);
  const required = mask & PAGE_IS.wpAllowed;
  return { ret: ((category ^ inverted) & required) === required ? 0 : 1, category };
}

/**
 * Looks at every page of [start, end) and puts those that are looked for into `regions`, protecting them if that is asked for. 0,
 * -ENOSPC when no more fit, or another errno. mmap_lock is held. Linux: part of mm/pagewalk.c:walk_page_range(), with fs/proc/task_mmu.c's callbacks
 */
export function* pagemapScanRange(
  mm: Mm,
  { start, end }: Part,
  scan: PagemapScan,
  regions: PagemapRegions,
): Coroutine<number> {
  mmapAssertLocked(mm);
  let error = 0;
  for (let at = start; at < end && error === 0; ) {
    const vma = findVmaIntersection(mm, at, end);
    if (vma === null) return 0;
    const part = { start: Math.max(at, vma.start), end: Math.min(end, vma.end) };
    at = part.end;
    const { ret, category } = pagemapScanTestWalk(vma, scan);
    if (ret < 0) return ret;
    if (ret === 0) error = yield* new VmaScan(vma, category, { scan, regions }).walk(part);
  }
  return error;
}

/** The walk over one vma. */
class VmaScan {
  private readonly scan: PagemapScan;
  private readonly regions: PagemapRegions;
  private readonly protects: boolean;

  constructor(
    private readonly vma: Vma,
    private readonly category: number,
    { scan, regions }: { scan: PagemapScan; regions: PagemapRegions },
  ) {
    this.scan = scan;
    this.regions = regions;
    this.protects = (scan.flags & PM_SCAN.wpMatching) !== 0;
  }

  *walk({ start, end }: Part): Coroutine<number> {
    const { vma } = this;
    const isHugetlb = (vma.flags & VM.hugetlb) !== 0;
    let error = 0;
    for (let addr = start; addr < end && error === 0; ) {
      const slot = mmFindPmd(vma.mm, addr / PAGE_SIZE);
      const next = slot === null && !isHugetlb ? pudAddrEnd(addr, end) : pmdAddrEnd(addr, end);
      const part = { start: addr, end: next };
      if (slot === null || (!isHugetlb && kindOf(slot.table.lo(slot.index)) === Kind.none))
        error = yield* this.pteHole(part);
      else if (isHugetlb) error = yield* this.hugetlbEntry(part, slot);
      else error = yield* this.pmdEntry(part, slot);
      addr = next;
    }
    return error;
  }

  /** Linux: part of fs/proc/task_mmu.c:pagemap_scan_is_interesting_page() */
  private isInteresting(categories: number): boolean {
    const { inverted, mask, anyof } = this.scan;
    const seen = categories ^ inverted;
    return (seen & mask) === mask && (anyof === 0 || (seen & anyof) !== 0);
  }

  /** Linux: part of fs/proc/task_mmu.c:pagemap_scan_pte_hole() */
  private *pteHole({ start, end }: Part): Coroutine<number> {
    const { vma } = this;
    const isHugetlb = (vma.flags & VM.hugetlb) !== 0;
    const categories = this.category | (vma.flags & VM.uffdWp && !isHugetlb ? PAGE_IS.written : 0);
    if (!this.isInteresting(categories)) return 0;
    const out = this.regions.output(categories, start, end);
    if (out.end === start || !this.protects) return out.error;
    if (!isHugetlb) return (yield* uffdWpRange(vma, start, out.end, true)) || out.error;
    for (let addr = alignDown(start, HPAGE_PMD_SIZE); addr < out.end; addr += HPAGE_PMD_SIZE) {
      makeUffdWpHugePte(vma, addr, hugePteAlloc(vma, addr));
    }
    return out.error;
  }

  /** Linux: part of fs/proc/task_mmu.c:pagemap_scan_pmd_entry() */
  private *pmdEntry(part: Part, slot: PmdSlot): Coroutine<number> {
    const { mm } = this.vma;
    if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
    if (slot.table.lo(slot.index) & Pte.huge) {
      const error = yield* this.thpEntry(part, slot);
      if (error !== null) return error;
    }
    const table = slot.table.child(slot.index);
    // What was split of a file is not mapped any more.
    if (table === null) return kindOf(slot.table.lo(slot.index)) === Kind.none ? yield* this.pteHole(part) : 0;
    ptlLock(mm);
    const error = this.scanPtes(part, table);
    ptlUnlock(mm);
    return error;
  }

  /** null: it is a table by now. Linux: part of fs/proc/task_mmu.c:pagemap_scan_thp_entry() */
  private *thpEntry({ start, end }: Part, { table, index }: PmdSlot): Coroutine<number | null> {
    const { vma, regions } = this;
    const { mm } = vma;
    const lo = table.lo(index);
    const categories = this.category | pagemapThpCategory(mm.memory, { lo, hi: table.hi(index) });
    if (!this.isInteresting(categories)) return 0;
    const out = regions.output(categories, start, end);
    if (out.end === start || !this.protects || !(categories & PAGE_IS.written)) return out.error;
    if (out.end !== start + HPAGE_PMD_SIZE) {
      yield* splitHugePmd(vma, start);
      regions.backoutRange(start, out.end);
      return null;
    }
    ptlLock(mm);
    flushPmdTlbRange(mm, start / PAGE_SIZE);
    if (kindOf(lo) === Kind.present) table.setLo(index, pteMkuffdWp(lo));
    else if (kindOf(lo) === Kind.migration) table.setLo(index, lo | Pte.uffdWp);
    ptlUnlock(mm);
    return out.error;
  }

  /** Under the ptl. */
  private scanPtes({ start, end }: Part, table: Table): number {
    const { vma, regions, scan } = this;
    const { mm } = vma;
    const protectsAll = this.protects && !scan.hasOutput;
    let first = -1;
    let error = 0;
    let addr = start;
    for (; addr < end && error === 0; addr += PAGE_SIZE) {
      const i = pteIndex(addr / PAGE_SIZE);
      const lo = table.lo(i);
      const categories = this.category | pagemapPageCategory(mm.memory, { lo, hi: table.hi(i) });
      if (!protectsAll && !this.isInteresting(categories)) continue;
      if (!protectsAll) {
        const out = regions.output(categories, addr, addr + PAGE_SIZE);
        error = out.error;
        if (out.end === addr) break;
      }
      if (!this.protects || lo & Pte.uffdWp) continue;
      makeUffdWpPte(table, i, lo);
      if (first < 0) first = addr;
    }
    if (first >= 0) flushTlbRange(mm, first / PAGE_SIZE, (addr - first) / PAGE_SIZE);
    return error;
  }

  /** Linux: part of fs/proc/task_mmu.c:pagemap_scan_hugetlb_entry() */
  private *hugetlbEntry({ start, end }: Part, slot: PmdSlot): Coroutine<number> {
    const { vma, regions } = this;
    const lock = this.protects ? (vma.file?.mapping?.lock ?? null) : null;
    if (lock !== null) yield* lock.writeLock();
    const entry = { lo: slot.table.lo(slot.index), hi: slot.table.hi(slot.index) };
    const categories = this.category | pagemapHugetlbCategory(vma.mm.memory, entry);
    let error = 0;
    if (this.isInteresting(categories)) {
      const out = regions.output(categories, start, end);
      error = out.error;
      if (out.end !== start && this.protects && categories & PAGE_IS.written) {
        if (out.end === start + HPAGE_PMD_SIZE) makeUffdWpHugePte(vma, start, slot);
        else error = regions.backoutPartialHuge(start, out.end);
      }
    }
    lock?.writeUnlock();
    return error;
  }
}

/** Under the ptl. Linux: fs/proc/task_mmu.c:make_uffd_wp_pte() */
function makeUffdWpPte(table: Table, i: number, lo: number): void {
  if (kindOf(lo) === Kind.present) table.setLo(i, pteMkuffdWp(lo));
  else if (kindOf(lo) === Kind.none) table.set(i, Kind.marker | Pte.uffdWp, 0);
  else table.setLo(i, lo | Pte.uffdWp);
}

/** Linux: fs/proc/task_mmu.c:make_uffd_wp_huge_pte() */
function makeUffdWpHugePte({ mm }: Vma, addr: number, slot: PmdSlot): void {
  ptlLock(mm);
  const lo = slot.table.lo(slot.index);
  if (kindOf(lo) === Kind.none) setPmd(slot, Kind.marker | Pte.huge | Pte.uffdWp, 0);
  else if (kindOf(lo) === Kind.present) slot.table.setLo(slot.index, pteMkuffdWp(lo));
  flushTlbRange(mm, addr / PAGE_SIZE, HPAGE_PMD_NR);
  ptlUnlock(mm);
}
