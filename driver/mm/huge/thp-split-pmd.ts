import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { folioPut } from '../frames/folio.js';
import { ZERO_PFN } from '../frames/frame-allocator.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PG } from '../frames/frames.js';
import { folioRemoveRmapPmd } from '../frames/rmap.js';
import type { Memory } from '../memory.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { KIND_MASK, Kind, kindOf, migrationEntryFor, Pte } from '../tables/entry.js';
import type { Table } from '../tables/page-table.js';
import { addMmCounter, folioMarkDirty, mkPte, pteMkuffdWp } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from '../tables/ptl.js';
import { flushPmdTlbRange } from '../tables/tlb.js';
import { type Vma, vmaIsAnonymous } from '../vmas/vma.js';
import { hugeStart, hugeVpn, mmFindPmd, type PmdSlot } from './thp-policy.js';

/** The folio whose mapping alone is to be split, and whether into migration entries. */
export interface SplitPmdOptions {
  /** Only when the entry maps this folio. */
  readonly folio?: number;
  /** Migration entries in place of present ones; the caller has the folio locked. */
  readonly freeze?: boolean;
}

/**
 * Replaces the 2 MiB entry around `addr` by 512 small ones of the same folio, or of a file by none, with a CLEAR event over the 2 MiB. The
 * event is sent whatever is there, as in Linux. Linux: mm/huge_memory.c:__split_huge_pmd()
 */
export function* splitHugePmd(vma: Vma, addr: number, options: SplitPmdOptions = {}): Coroutine<void> {
  const { mm } = vma;
  const start = hugeStart(addr);
  const range: NotifierRange = {
    mm,
    start,
    end: start + HPAGE_PMD_SIZE,
    event: 'CLEAR',
    owner: mm.memory.clearOwner(),
  };
  yield* mmuNotifierInvalidateRangeStart(range);
  ptlLock(mm);
  splitHugePmdLocked(vma, addr, options);
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
}

/** As `splitHugePmd`, but nothing happens where not even a PMD table is. Linux: mm/huge_memory.c:split_huge_pmd_address() */
export function* splitHugePmdAddress(vma: Vma, addr: number, options: SplitPmdOptions = {}): Coroutine<void> {
  if (mmFindPmd(vma.mm, hugeVpn(addr)) !== null) yield* splitHugePmd(vma, addr, options);
}

/**
 * Splits what would cross the new borders `start` and `end` of `vma`, which still has its old ones; each 2 MiB that was
 * inside it gets a CLEAR event, huge or not. Linux: mm/huge_memory.c:vma_adjust_trans_huge()
 */
export function* vmaAdjustTransHuge(vma: Vma, start: number, end: number): Coroutine<void> {
  for (const border of [start, end]) {
    const huge = hugeStart(border);
    if (huge === border || huge < vma.start || huge + HPAGE_PMD_SIZE > vma.end) continue;
    yield* splitHugePmdAddress(vma, border);
  }
}

/** `splitHugePmd` under the ptl and between the caller's events. Linux: mm/huge_memory.c:split_huge_pmd_locked() */
export function splitHugePmdLocked(vma: Vma, addr: number, { folio, freeze = false }: SplitPmdOptions = {}): void {
  const { memory } = vma.mm;
  ptlAssertHeld(vma.mm);
  if (folio) memory.frames.assertLocked(folio);
  const slot = mmFindPmd(vma.mm, hugeVpn(addr));
  if (slot === null) return;
  const lo = slot.table.lo(slot.index);
  const head = slot.table.hi(slot.index);
  const kind = lo & KIND_MASK;
  if (!(lo & Pte.huge)) return;
  if (folio !== undefined && (kind === Kind.migration || folio !== head)) return;
  if (kind === Kind.present) flushPmdTlbRange(vma.mm, hugeVpn(addr));
  if (!vmaIsAnonymous(vma)) {
    clearFilePmd(vma, slot);
    return;
  }
  const leaf = vma.mm.pageTable.newLeaf();
  if (lo & Pte.special) leaf.fill(mkPte(vma) | Pte.special | (lo & Pte.uffdWp), ZERO_PFN, 0);
  else if (kind === Kind.migration) leaf.fill(lo & ~Pte.huge, head, 1);
  else splitMapped(memory, leaf, { vma, slot, freeze });
  vma.mm.pageTable.setPteTable(hugeVpn(addr), leaf);
}

/** The file still has the folio, so that who needs it faults it in again. The TLB is flushed. Linux: part of mm/huge_memory.c:__split_huge_pmd_locked() */
function clearFilePmd({ mm }: Vma, { table, index }: PmdSlot): void {
  const { memory } = mm;
  const lo = table.lo(index);
  const head = table.hi(index);
  table.clear(index);
  addMmCounter(mm, head, -HPAGE_PMD_NR);
  if (kindOf(lo) !== Kind.present) return;
  if (lo & Pte.dirty) folioMarkDirty(memory, head);
  folioRemoveRmapPmd(memory, head);
  folioPut(memory, head);
}

/** A present folio, or one on a device. Linux: part of mm/huge_memory.c:__split_huge_pmd_locked() */
function splitMapped(memory: Memory, leaf: Table, at: { vma: Vma; slot: PmdSlot; freeze: boolean }): void {
  const { frames } = memory;
  const lo = at.slot.table.lo(at.slot.index);
  const head = at.slot.table.hi(at.slot.index);
  if (lo & Pte.dirty) folioMarkDirty(memory, head);
  const isExclusive = frames.isAnonExclusive(head);
  const freeze = at.freeze && (!isExclusive || folioTryShareAnonRmapPmd(memory, head));
  if (freeze) {
    leaf.fill(migrationEntryFor(lo, isExclusive) & ~Pte.huge, head, 1);
  } else {
    frames.addRefcount(head, HPAGE_PMD_NR - 1);
    folioAddAnonRmapPtes(memory, head, isExclusive);
    leaf.fill(smallEntry(at.vma, lo), head, 1);
  }
  folioRemoveRmapPmd(memory, head);
  if (freeze) folioPut(memory, head);
}

/** The entry of each page that says what the 2 MiB entry `lo` said of all. */
function smallEntry(vma: Vma, lo: number): number {
  if ((lo & KIND_MASK) === Kind.devicePrivate) return lo & ~Pte.huge;
  const bits = mkPte(vma) | (lo & (Pte.write | Pte.dirtied));
  const pte = lo & Pte.uffdWp ? pteMkuffdWp(bits) : bits;
  return lo & Pte.young ? pte : pte & ~Pte.young;
}

/** Linux: mm/rmap.c:folio_add_anon_rmap_ptes() */
function folioAddAnonRmapPtes(memory: Memory, head: number, isExclusive: boolean): void {
  const { frames } = memory;
  frames.addMapcounts(head, HPAGE_PMD_NR, 1);
  if (isExclusive) frames.setFlagsOfPages(head, HPAGE_PMD_NR, PG.anonExclusive);
  frames.addFolioMapcount(head, HPAGE_PMD_NR);
}

/**
 * Gives up the exclusive mark of a folio mapped by one PMD; false when it may be pinned.
 * Linux: include/linux/rmap.h:folio_try_share_anon_rmap_pmd()
 */
export function folioTryShareAnonRmapPmd(memory: Memory, head: number): boolean {
  const { frames } = memory;
  assert(frames.isAnonExclusive(head), 'folio % is not exclusive', head);
  if (frames.folioMaybeDmaPinned(head)) return false;
  frames.clearFlags(head, PG.anonExclusive);
  return true;
}
