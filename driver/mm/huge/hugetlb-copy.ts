import { ENOMEM } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { folioGet } from '../frames/folio.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddNewAnonRmapPmd, folioRemoveRmapPmd } from '../frames/rmap.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { pmdIndex } from '../tables/page-table.js';
import { folioMarkDirty, isCowMapping, mkPte, pteMkuffdWp, userfaultfdPteWp } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { flushTlbRange } from '../tables/tlb.js';
import type { TlbGather } from '../tables/tlb-gather.js';
import { vmaHasUffdWithoutEventRemap } from '../userfault/ctx.js';
import { mmapAssertWriteLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { copyHugePage } from './huge-zero.js';
import { hugetlbReservation } from './hugetlb-pool.js';
import { setPmd } from './thp-fault.js';
import { mmFindPmd, type PmdSlot } from './thp-policy.js';

/**
 * Shares the pages of a private hugetlb vma with a fork's child, both read only; a page that may be pinned is copied.
 * 0, or -ENOMEM when the pool has no page for such a copy. mmap_lock is held for write.
 * Linux: mm/hugetlb.c:copy_hugetlb_page_range()
 */
export function* copyHugetlbPageRange(dst: Vma, src: Vma): Coroutine<number> {
  mmapAssertWriteLocked(src.mm);
  const { start, end } = src;
  const range: NotifierRange = { mm: src.mm, start, end, event: 'CLEAR', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  ptlLock(dst.mm);
  ptlLock(src.mm, true);
  let ret = 0;
  for (let addr = start; addr < end && ret === 0; addr += HPAGE_PMD_SIZE) ret = copyOne(dst, src, addr);
  ptlUnlock(src.mm);
  ptlUnlock(dst.mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
  return ret;
}

function copyOne(dst: Vma, src: Vma, addr: number): number {
  const { memory } = src.mm;
  const { frames } = memory;
  const from = usedSlot(src, addr);
  if (from === null) return 0;
  const head = from.table.hi(from.index);
  const cleared = dst.flags & VM.uffdWp ? 0 : Pte.uffdWp;
  const vpn = addr / PAGE_SIZE;
  const to: PmdSlot = { table: dst.mm.pageTable.pmdTableAlloc(vpn), index: pmdIndex(vpn) };
  if ((from.table.lo(from.index) & KIND_MASK) === Kind.marker) {
    const marker = from.table.lo(from.index) & ~cleared;
    if (marker & (Pte.uffdWp | Pte.poisoned)) setPmd(to, marker, 0);
    return 0;
  }
  if (frames.isAnon(head)) {
    if (frames.isAnonExclusive(head) && frames.folioMaybeDmaPinned(head)) return copyPinned(dst, addr, { from, to });
    frames.clearFlags(head, PG.anonExclusive);
  }
  folioGet(memory, head);
  frames.addEntireMapcount(head, 1);
  frames.addFolioMapcount(head, 1);
  const cow = isCowMapping(src.flags) ? Pte.write : 0;
  const lo = from.table.lo(from.index) & ~cow;
  from.table.setLo(from.index, lo);
  setPmd(to, lo & ~cleared, head);
  return 0;
}

/** Linux: part of mm/hugetlb.c:copy_hugetlb_page_range() */
function copyPinned(dst: Vma, addr: number, { from, to }: { from: PmdSlot; to: PmdSlot }): number {
  const head = from.table.hi(from.index);
  const { memory } = dst.mm;
  const copy = hugetlbReservation(dst).allocate(dst, addr);
  if (copy === 0) return -ENOMEM;
  copyHugePage(memory, copy, head);
  memory.frames.setFlags(copy, PG.uptodate);
  folioAddNewAnonRmapPmd(memory, copy, dst, addr);
  const lo = mkPte(dst) | Pte.huge | Pte.write | Pte.dirty;
  setPmd(to, userfaultfdPteWp(dst, from.table.lo(from.index)) ? pteMkuffdWp(lo) : lo, copy);
  return 0;
}

/** The entry of `addr` unless it is none: a page or a marker. */
function usedSlot(vma: Vma, addr: number): PmdSlot | null {
  const slot = mmFindPmd(vma.mm, addr / PAGE_SIZE);
  if (slot === null || (slot.table.lo(slot.index) & KIND_MASK) === Kind.none) return null;
  return slot;
}

interface HugepageRange {
  readonly start: number;
  readonly end: number;
  readonly onlyPfn?: number;
  readonly dropsMarkers?: boolean;
}

/**
 * Unmaps the pages of [start, end), both multiples of 2 MiB, between the caller's notifier events; with `onlyPfn` only
 * where that page is mapped. True when something was unmapped. Linux: mm/hugetlb.c:__unmap_hugepage_range()
 */
export function* unmapHugepageRange(
  gather: TlbGather,
  vma: Vma,
  { start, end, onlyPfn = 0, dropsMarkers = true }: HugepageRange,
): Coroutine<boolean> {
  assert(start % HPAGE_PMD_SIZE === 0 && end % HPAGE_PMD_SIZE === 0, 'the range is not of whole huge pages');
  const { mm } = vma;
  let isAny = false;
  for (let addr = start; addr < end; addr += HPAGE_PMD_SIZE) {
    if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
    const slot = usedSlot(vma, addr);
    if (slot === null || (onlyPfn !== 0 && slot.table.hi(slot.index) !== onlyPfn)) continue;
    ptlLock(mm);
    unmapOne(vma, { addr, slot, dropsMarkers }, gather);
    ptlUnlock(mm);
    isAny = true;
  }
  gather.tlbEndVma();
  return isAny;
}

function unmapOne(
  vma: Vma,
  { addr, slot, dropsMarkers }: { addr: number; slot: PmdSlot; dropsMarkers: boolean },
  gather: TlbGather,
): void {
  const { memory } = vma.mm;
  const lo = slot.table.lo(slot.index);
  const head = slot.table.hi(slot.index);
  const isProtected = !dropsMarkers && (lo & Pte.uffdWp) !== 0;
  setPmd(slot, isProtected ? Kind.marker | Pte.huge | Pte.uffdWp : Kind.none, 0);
  if ((lo & KIND_MASK) === Kind.marker) return;
  if (lo & Pte.dirty) folioMarkDirty(memory, head);
  gather.tlbRemoveTlbEntry(addr / PAGE_SIZE, HPAGE_PMD_NR);
  folioRemoveRmapPmd(memory, head);
  if (memory.frames.isAnon(head) && memory.frames.folioMapcount(head) === 0)
    hugetlbReservation(vma).restore(vma, addr, head);
  gather.tlbRemoveFolioPages(head);
}

/**
 * mremap of a hugetlb range, whose borders are multiples of 2 MiB; a CLEAR event covers the old place. The promises of
 * the mapping go with it. mmap_lock is held for write.
 * Linux: mm/hugetlb.c:move_hugetlb_page_tables(), clear_vma_resv_huge_pages()
 */
export function* moveHugetlbPageTables(
  vma: Vma,
  newVma: Vma,
  { oldAddr, newAddr, len }: { oldAddr: number; newAddr: number; len: number },
): Coroutine<void> {
  mmapAssertWriteLocked(vma.mm);
  const { mm } = vma;
  const range: NotifierRange = { mm, start: oldAddr, end: oldAddr + len, event: 'CLEAR', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  ptlLock(mm);
  for (let offset = 0; offset < len; offset += HPAGE_PMD_SIZE) {
    const from = usedSlot(vma, oldAddr + offset);
    if (from === null) continue;
    const isCleared = vmaHasUffdWithoutEventRemap(vma) && (from.table.lo(from.index) & Pte.uffdWp) !== 0;
    const isGone = isCleared && (from.table.lo(from.index) & KIND_MASK) === Kind.marker;
    const vpn = (newAddr + offset) / PAGE_SIZE;
    const to: PmdSlot = { table: newVma.mm.pageTable.pmdTableAlloc(vpn), index: pmdIndex(vpn) };
    const lo = isCleared ? from.table.lo(from.index) & ~Pte.uffdWp : from.table.lo(from.index);
    if (!isGone) setPmd(to, lo, from.table.hi(from.index));
    setPmd(from, Kind.none, 0);
  }
  flushTlbRange(mm, oldAddr / PAGE_SIZE, len / PAGE_SIZE);
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
  if (!(vma.flags & VM.mayshare)) hugetlbReservation(vma).clearVmaResvHugePages(vma);
}
