import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { folioPut } from '../frames/folio.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { folioRemoveRmapPtes } from '../frames/rmap.js';
import { unmapHugepageRange } from '../huge/hugetlb-copy.js';
import { zapHugePmd } from '../huge/thp-move.js';
import { splitHugePmd } from '../huge/thp-split-pmd.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { freeSwapAndCache } from '../swap/swap-cache.js';
import type { Mm } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import { assertInVma, type Vma } from '../vmas/vma.js';
import { Kind, kindOf, Pte } from './entry.js';
import { pmdAddrEnd, pudAddrEnd } from './page-align.js';
import { pmdIndex, pteIndex, type Table } from './page-table.js';
import { folioPteBatch } from './pte-batch.js';
import { addMmCounter, folioMarkDirty, pteInstallUffdWpIfNeeded } from './pte-build.js';
import { ptlLock, ptlUnlock } from './ptl.js';
import { TlbGather } from './tlb-gather.js';

const ZAP_POINT = preemptPoint('zap');

/**
 * Removes every entry of [start, end), which lies in `vma`, and what it owns: mappings, references, swap slots, resident
 * counts. The caller tells the notifiers, and ends the gather. Linux: mm/memory.c:unmap_single_vma()
 */
export function* unmapSingleVma(
  gather: TlbGather,
  vma: Vma,
  { start = vma.start, end = vma.end, evenCows = true, dropsMarkers = true }: ZapRange = {},
): Coroutine<void> {
  assertInVma(vma, start, end);
  if (start >= end) return;
  if (vma.flags & VM.hugetlb) yield* unmapHugepageRange(gather, vma, { start, end, dropsMarkers });
  else yield* unmapPageRange(vma, { start, end }, { gather, evenCows, dropsMarkers });
}

export interface ZapOptions {
  /** Private copies of a file's pages go too. */
  readonly evenCows?: boolean;
  /** Protection of what a userfaultfd serves ends with the mapping; else that of a file's pages stays. Linux: ZAP_FLAG_DROP_MARKER */
  readonly dropsMarkers?: boolean;
}

interface ZapRange extends ZapOptions {
  readonly start?: number;
  readonly end?: number;
}

/** Linux: struct zap_details, and the mmu_gather */
interface Zap {
  readonly gather: TlbGather;
  readonly evenCows: boolean;
  readonly dropsMarkers: boolean;
}

/** Linux: mm/memory.c:unmap_page_range() */
function* unmapPageRange(vma: Vma, { start, end }: { start: number; end: number }, zap: Zap): Coroutine<void> {
  const { pageTable, memory } = vma.mm;
  const { scheduler } = memory.kernel;
  for (let addr = start; addr < end; ) {
    const pmd = pageTable.pmdTable(addr / PAGE_SIZE);
    if (pmd === null) {
      addr = pudAddrEnd(addr, end);
      continue;
    }
    const next = pmdAddrEnd(addr, end);
    yield* zapPmd(vma, { pmd, start: addr, end: next }, zap);
    addr = next;
    if (addr < end && scheduler.contended) yield ZAP_POINT;
  }
  zap.gather.tlbEndVma();
}

/**
 * As `unmapSingleVma`, with the CLEAR event that MADV_DONTNEED and truncation owe the notifiers even where nothing is
 * mapped. Linux: mm/memory.c:zap_page_range_single()
 */
export function* zapPageRangeSingle(vma: Vma, start: number, end: number, options: ZapOptions = {}): Coroutine<void> {
  const range: NotifierRange = { mm: vma.mm, start, end, event: 'CLEAR', owner: null };
  const gather = new TlbGather(vma.mm);
  yield* mmuNotifierInvalidateRangeStart(range);
  yield* unmapSingleVma(gather, vma, { start, end, dropsMarkers: false, ...options });
  yield* mmuNotifierInvalidateRangeEnd(range);
  yield* gather.tlbFinishMmu();
}

/** One entry of the table. Linux: part of mm/memory.c:zap_pmd_range() */
function* zapPmd(vma: Vma, { pmd, start, end }: { pmd: Table; start: number; end: number }, zap: Zap): Coroutine<void> {
  const { scheduler } = vma.mm.memory.kernel;
  const vpn = start / PAGE_SIZE;
  const i = pmdIndex(vpn);
  if (pmd.lo(i) & Pte.huge) {
    if (end - start === HPAGE_PMD_SIZE) {
      if (scheduler.isFine) yield FINE.ptl;
      ptlLock(vma.mm);
      const isZapped = zapHugePmd(vma, vpn, zap.gather);
      ptlUnlock(vma.mm);
      if (isZapped) return;
    } else yield* splitHugePmd(vma, start);
  }
  for (let at = vpn; at < end / PAGE_SIZE; ) {
    if (scheduler.isFine) yield FINE.ptl;
    const table = pmd.child(i);
    if (table === null) return;
    at = zapPteRange(vma, { table, vpn: at, count: end / PAGE_SIZE - at }, zap);
  }
}

/**
 * Answers where it stopped. Linux lets go of the lock when the CPU is wanted for something else, which it asks at each batch: an explorer
 * tries that at every one. Linux: mm/memory.c:zap_pte_range()
 */
function zapPteRange(
  vma: Vma,
  { table, vpn, count }: { table: Table; vpn: number; count: number },
  { gather, evenCows, dropsMarkers }: Zap,
): number {
  const { mm } = vma;
  const first = pteIndex(vpn);
  const needResched = mm.memory.kernel.scheduler.isFine;
  let i = first;
  ptlLock(mm);
  for (let done = 0, nr = 1; ; i += nr) {
    nr = 1;
    i = table.nextUsed(i, first + count);
    if (i === first + count || (needResched && done++ > 0)) break;
    const lo = table.lo(i);
    const pfn = table.hi(i);
    if (!evenCows && isCow(mm, lo, pfn)) continue;
    nr = folioPteBatch(mm.memory, table, { index: i, max: first + count - i });
    table.clear(i, nr);
    if (!dropsMarkers && lo & Pte.uffdWp) for (let n = i; n < i + nr; n++) pteInstallUffdWpIfNeeded(vma, table, n, lo);
    if (kindOf(lo) === Kind.present) zapPresent(mm, { lo, pfn, vpn: vpn + i - first, nr }, gather);
    else zapNonPresent(mm, lo, pfn);
  }
  ptlUnlock(mm);
  return vpn + i - first;
}

/** The entry of a file's mapping has a page of the process's own. Linux: part of mm/memory.c:should_zap_folio() */
function isCow({ memory: { frames } }: Mm, lo: number, pfn: number): boolean {
  const kind = kindOf(lo);
  if (kind === Kind.swap || (kind === Kind.marker && lo & Pte.poisoned)) return true;
  return !(lo & Pte.special) && kind !== Kind.marker && kind !== Kind.hwpoison && frames.isAnon(pfn);
}

/** Gives up what an entry, already cleared, owned: spec 1.1. Linux: part of mm/memory.c:zap_pte_range() */
function zapNonPresent(mm: Mm, lo: number, pfn: number): void {
  const { memory } = mm;
  switch (kindOf(lo)) {
    case Kind.devicePrivate:
    case Kind.deviceExclusive:
      addMmCounter(mm, pfn, -1);
      // A device-exclusive entry of 6.12 has a reference but is no mapping.
      if (kindOf(lo) === Kind.devicePrivate || memory.profile.exclusiveIsMapping) folioRemoveRmapPtes(memory, pfn);
      folioPut(memory, pfn);
      return;
    case Kind.swap:
      mm.rss.swap--;
      freeSwapAndCache(memory, pfn);
      return;
    // The migrator owns the page and finds nothing to restore.
    case Kind.migration:
      addMmCounter(mm, pfn, -1);
      return;
    default:
      return;
  }
}

/** As `zapNonPresent` of `nr` pages of a folio; they are put once no TLB has them any more. Linux: part of mm/memory.c:zap_present_folio_ptes() */
function zapPresent(
  mm: Mm,
  { lo, pfn, vpn, nr }: { lo: number; pfn: number; vpn: number; nr: number },
  gather: TlbGather,
): void {
  const { memory } = mm;
  gather.tlbRemoveTlbEntry(vpn, nr);
  if (lo & Pte.special) return;
  if (lo & Pte.dirty && !memory.frames.isAnon(pfn)) folioMarkDirty(memory, pfn);
  addMmCounter(mm, pfn, -nr);
  folioRemoveRmapPtes(memory, pfn, nr);
  gather.tlbRemoveFolioPages(pfn, nr);
}
