import { type Coroutine, FINE } from '../../core/effect.js';
import { folioLikelyMappedShared } from '../frames/folio-sharing.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { splitAndPut, takeForSplit } from '../huge/thp-split-folio.js';
import type { Memory } from '../memory.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pmdAddrEnd, pudAddrEnd } from '../tables/page-align.js';
import { pmdIndex, pteIndex, type Table } from '../tables/page-table.js';
import { folioPteBatch } from '../tables/pte-batch.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { TlbGather } from '../tables/tlb-gather.js';
import { type Mm, mmapAssertLocked } from './mm.js';

/** Entries of one folio: `count` of them from `index` on. */
export interface FolioEntries {
  readonly table: Table;
  readonly index: number;
  readonly count: number;
  readonly head: number;
  /** Of the first one. */
  readonly vpn: number;
}

/** What an advice does to what it finds; everything is called under the ptl. */
export interface PageAdvice {
  /** A small folio, or all pages of a large one that small entries map. */
  folio(memory: Memory, at: FolioEntries, gather: TlbGather): void;
  /** A 2 MiB entry that is advised as a whole. */
  huge(memory: Memory, at: FolioEntries, gather: TlbGather): void;
  /** An entry that is neither present nor none. */
  nonPresent(mm: Mm, table: Table, index: number): void;
}

/**
 * Shows `advice` every page of [start, end) but those of devices. A large folio that the range covers in part is split
 * first; when that fails, or it is shared, it is left alone. mmap_lock is held.
 * Linux: the walks of mm/madvise.c
 */
export function* advisePages(mm: Mm, range: { start: number; end: number }, advice: PageAdvice): Coroutine<void> {
  mmapAssertLocked(mm);
  const { end } = range;
  const gather = new TlbGather(mm);
  for (let addr = range.start; addr < end; ) {
    const pmd = mm.pageTable.pmdTable(addr / PAGE_SIZE);
    if (pmd === null) {
      addr = pudAddrEnd(addr, end);
      continue;
    }
    const next = pmdAddrEnd(addr, end);
    yield* advisePmd(mm, { pmd, start: addr, end: next, gather }, advice);
    addr = next;
  }
  yield* gather.tlbFinishMmu();
}

/** What one PMD entry covers, or a part of it. */
interface Part {
  readonly pmd: Table;
  readonly start: number;
  readonly end: number;
  readonly gather: TlbGather;
}

/** Linux: part of mm/madvise.c:madvise_free_pte_range() and madvise_cold_or_pageout_pte_range() */
function* advisePmd(mm: Mm, part: Part, advice: PageAdvice): Coroutine<void> {
  const { pmd } = part;
  const i = pmdIndex(part.start / PAGE_SIZE);
  if (kindOf(pmd.lo(i)) === Kind.present) yield* adviseHuge(mm, part, advice);
  let vpn = part.start / PAGE_SIZE;
  const end = part.end / PAGE_SIZE;
  const { scheduler } = mm.memory.kernel;
  while (vpn < end) {
    if (scheduler.isFine) yield FINE.ptl;
    // Looked up again each time: a split of a folio in between may have changed the table.
    const table = pmd.child(i);
    if (table === null) return;
    ptlLock(mm);
    const stop = advisePtes(mm, { table, vpn, end, gather: part.gather }, advice);
    ptlUnlock(mm);
    if (stop.vpn === end) return;
    const isSplit = yield* splitAndPut(mm.memory, table.hi(pteIndex(stop.vpn)));
    vpn = isSplit ? stop.vpn : stop.vpn + stop.count;
  }
}

/** A 2 MiB entry; it stays one, or is a table afterwards. Linux: part of mm/huge_memory.c:madvise_free_huge_pmd() */
function* adviseHuge(mm: Mm, { pmd, start, end, gather }: Part, advice: PageAdvice): Coroutine<void> {
  const { memory } = mm;
  if (memory.kernel.scheduler.isFine) yield FINE.ptl;
  const index = pmdIndex(start / PAGE_SIZE);
  if (kindOf(pmd.lo(index)) !== Kind.present) return;
  const head = pmd.hi(index);
  if (pmd.lo(index) & Pte.special || memory.frames.isZoneDevice(head)) return;
  if (end - start === HPAGE_PMD_SIZE) {
    if (folioLikelyMappedShared(memory, head)) return;
    ptlLock(mm);
    advice.huge(memory, { table: pmd, index, count: 1, head, vpn: start / PAGE_SIZE }, gather);
    ptlUnlock(mm);
  } else if (takeForSplit(memory, head)) {
    yield* splitAndPut(memory, head);
  }
}

/**
 * Handles entries from `vpn` on. Answers `end`, or the page at which a large folio begins to be covered only in part, by `count` entries:
 * it is locked and referenced, and must be split without the ptl.
 */
function advisePtes(
  mm: Mm,
  at: { table: Table; vpn: number; end: number; gather: TlbGather },
  advice: PageAdvice,
): { vpn: number; count: number } {
  const { memory } = mm;
  const { table, end, gather } = at;
  for (let vpn = at.vpn; vpn < end; ) {
    const index = pteIndex(vpn);
    const lo = table.lo(index);
    const pfn = table.hi(index);
    let count = 1;
    if (lo === Kind.none) {
      // Nothing to advise.
    } else if (kindOf(lo) !== Kind.present) {
      advice.nonPresent(mm, table, index);
    } else if (!(lo & Pte.special) && !memory.frames.isZoneDevice(pfn)) {
      const head = memory.frames.head(pfn);
      const nr = memory.frames.folioNrPages(head);
      if (nr > 1) count = folioPteBatch(memory, table, { index, max: end - vpn });
      if (count < nr && takeForSplit(memory, head)) return { vpn, count };
      if (count === nr) advice.folio(memory, { table, index, count, head, vpn }, gather);
    }
    vpn += count;
  }
  return { vpn: end, count: 0 };
}

/** Clears accessed or dirty bits, where there are any to clear. Linux: include/linux/pgtable.h:clear_young_dirty_ptes(), include/asm-generic/tlb.h:tlb_remove_tlb_entries() */
export function clearYoungDirtyPtes({ table, index, count, vpn }: FolioEntries, bits: number, gather: TlbGather): void {
  for (let n = 0; n < count; n++) {
    const i = index + n;
    const lo = table.lo(i);
    if (!(lo & bits)) continue;
    table.setLo(i, lo & ~bits);
    gather.tlbRemoveTlbEntry(vpn + n, lo & Pte.huge ? HPAGE_PMD_NR : 1);
  }
}
