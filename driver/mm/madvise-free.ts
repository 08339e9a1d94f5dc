import { EINVAL } from '../../uapi/errno.js';
import type { Coroutine } from '../core/effect.js';
import { Kind, kindOf, Pte } from './entry.js';
import { folioGet, folioPut, folioTrylock, folioUnlock } from './folio.js';
import { folioLikelyMappedShared } from './folio-sharing.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE, PG } from './frames.js';
import type { Memory } from './memory.js';
import type { Mm } from './mm.js';
import { invalidateRangeEnd, invalidateRangeStart, type NotifierRange } from './notifier.js';
import { pmdAddrEnd, pudAddrEnd } from './page-align.js';
import { pmdIndex, pteIndex, type Table } from './page-table.js';
import { ptlLock, ptlUnlock } from './ptl.js';
import { folioFreeSwap, freeSwapAndCache } from './swap-cache.js';
import { splitFolio } from './thp-split-folio.js';
import type { Vma } from './vma.js';

/**
 * MADV_FREE: reclaim may drop the pages without writing them out until they are written again; swapped ones go at once.
 * Sends CLEAR over the range even where nothing is mapped. 0 or -EINVAL. Linux: mm/madvise.c:madvise_free_single_vma()
 */
export function* madviseFree(vma: Vma, start: number, end: number): Coroutine<number> {
  if (!vma.isAnonymous) return -EINVAL;
  const { mm } = vma;
  const range: NotifierRange = { mm, start, end, event: 'CLEAR', owner: null };
  yield* invalidateRangeStart(range);
  for (let addr = start; addr < end; ) {
    const pmd = mm.pageTable.pmdTable(addr / PAGE_SIZE);
    if (pmd === null) {
      addr = pudAddrEnd(addr, end);
      continue;
    }
    const next = pmdAddrEnd(addr, end);
    yield* freePmdRange(mm, pmd, { start: addr, end: next });
    addr = next;
  }
  invalidateRangeEnd(range);
  return 0;
}

interface Part {
  readonly start: number;
  readonly end: number;
}

/** Linux: mm/madvise.c:madvise_free_pte_range() */
function* freePmdRange(mm: Mm, pmd: Table, part: Part): Coroutine<void> {
  const i = pmdIndex(part.start / PAGE_SIZE);
  if (kindOf(pmd.entries[2 * i]!) === Kind.present) {
    const isDone = yield* freeHugePmd(mm, { pmd, index: i, part });
    if (isDone) return;
  }
  let vpn = part.start / PAGE_SIZE;
  const end = part.end / PAGE_SIZE;
  while (vpn < end) {
    // Looked up again each time: a split of a folio in between may have changed the table.
    const table = pmd.children![i]!;
    if (table === null) return;
    ptlLock(mm);
    const stop = freePtes(mm, table, { vpn, end });
    ptlUnlock(mm);
    if (stop === end) return;
    const isSplit = yield* splitPartlyFreed(mm.memory, table.entries[2 * pteIndex(stop) + 1]!);
    vpn = isSplit ? stop : stop + 1;
  }
}

/**
 * Handles entries from `vpn` on. Answers `end`, or the page at which a large folio begins to be covered only in part: it
 * is locked and referenced, and must be split without the ptl.
 */
function freePtes(mm: Mm, table: Table, { vpn, end }: { vpn: number; end: number }): number {
  const { memory } = mm;
  const { entries } = table;
  for (let at = vpn; at < end; ) {
    const i = 2 * pteIndex(at);
    const lo = entries[i]!;
    const pfn = entries[i + 1]!;
    let count = 1;
    if (kindOf(lo) === Kind.swap) {
      freeSwapEntry(mm, table, i);
    } else if (kindOf(lo) === Kind.hwpoison || kindOf(lo) === Kind.marker) {
      entries[i] = Kind.none;
    } else if (kindOf(lo) === Kind.present && !(lo & Pte.special) && !memory.frames.isZoneDevice(pfn)) {
      const head = memory.frames.head[pfn]!;
      const nr = memory.frames.folioNrPages(head);
      if (nr > 1) count = batchOf(memory, table, { index: i, max: end - at });
      if (count < nr && takeForSplit(memory, head)) return at;
      if (count < nr) count = 1;
      else freeFolioPages(memory, table, { index: i, count, head });
    }
    at += count;
  }
  return end;
}

function freeSwapEntry(mm: Mm, { entries }: Table, i: number): void {
  const slot = entries[i + 1]!;
  entries[i] = Kind.none;
  entries[i + 1] = 0;
  mm.rss.swap--;
  freeSwapAndCache(mm.memory, slot);
}

/** How many entries from `index` on map consecutive pages of one folio. Linux: folio_pte_batch() */
function batchOf(memory: Memory, { entries }: Table, { index, max }: { index: number; max: number }): number {
  const { frames } = memory;
  const first = entries[index + 1]!;
  const head = frames.head[first]!;
  let count = 1;
  const isNext = (i: number, pfn: number) =>
    kindOf(entries[i]!) === Kind.present && entries[i + 1] === pfn && frames.head[pfn] === head;
  while (count < max && isNext(index + 2 * count, first + count)) count++;
  return count;
}

/** Locks and references a large folio for a split; false when it is shared or busy, so that it stays as it is. */
function takeForSplit(memory: Memory, head: number): boolean {
  if (folioLikelyMappedShared(memory, head) || !folioTrylock(memory, head)) return false;
  folioGet(memory, head);
  return true;
}

function* splitPartlyFreed(memory: Memory, pfn: number): Coroutine<boolean> {
  const head = memory.frames.head[pfn]!;
  const error = yield* splitFolio(memory, head);
  folioUnlock(memory, head);
  folioPut(memory, head);
  return error === 0;
}

/** A folio that is mapped as a whole here becomes clean and lazily free, unless somebody else maps or holds it. */
function freeFolioPages(
  memory: Memory,
  { entries }: Table,
  { index, count, head }: { index: number; count: number; head: number },
): void {
  const { frames } = memory;
  if (frames.flags[head]! & (PG.swapcache | PG.dirty)) {
    if (!folioTrylock(memory, head)) return;
    const isSole = frames.folioMapcount[head] === count;
    const isClean = isSole && (!(frames.flags[head]! & PG.swapcache) || folioFreeSwap(memory, head));
    if (isClean) frames.flags[head]! &= ~PG.dirty;
    folioUnlock(memory, head);
    if (!isClean) return;
  }
  for (let i = index; i < index + 2 * count; i += 2) entries[i]! &= ~(Pte.young | Pte.dirty);
  folioMarkLazyfree(memory, head);
}

/** Deviates: takes effect at once, as there are no per-CPU batches. Linux: mm/swap.c:folio_mark_lazyfree() */
function folioMarkLazyfree(memory: Memory, head: number): void {
  const { frames } = memory;
  const flags = frames.flags[head]!;
  const wanted = PG.anon | PG.swapbacked | PG.lru;
  if ((flags & (wanted | PG.swapcache)) === wanted) frames.flags[head] = flags & ~PG.swapbacked;
}

/**
 * A 2 MiB entry. True when there is no more to do; false when it is a table now, or stays as it is.
 * Linux: mm/huge_memory.c:madvise_free_huge_pmd()
 */
function* freeHugePmd(mm: Mm, { pmd, index, part }: { pmd: Table; index: number; part: Part }): Coroutine<boolean> {
  const { memory } = mm;
  const { frames } = memory;
  const lo = pmd.entries[2 * index]!;
  const head = pmd.entries[2 * index + 1]!;
  if (lo & Pte.special || folioLikelyMappedShared(memory, head) || !folioTrylock(memory, head)) return false;
  if (part.end - part.start !== HPAGE_PMD_SIZE) {
    folioGet(memory, head);
    yield* splitFolio(memory, head);
    folioUnlock(memory, head);
    folioPut(memory, head);
    return false;
  }
  frames.flags[head]! &= ~PG.dirty;
  folioUnlock(memory, head);
  ptlLock(mm);
  pmd.entries[2 * index]! &= ~(Pte.young | Pte.dirty);
  ptlUnlock(mm);
  folioMarkLazyfree(memory, head);
  return true;
}
