import { ENOMEM } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { folioGet } from '../frames/folio.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddNewAnonRmapPmd, folioRemoveRmapPmd } from '../frames/rmap.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { pmdIndex } from '../tables/page-table.js';
import { folioMarkDirty, mkPte } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { flushTlbRange } from '../tables/tlb.js';
import { TlbGather } from '../tables/tlb-gather.js';
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
  const from = presentSlot(src, addr);
  if (from === null) return 0;
  const head = from.table.hi(from.index);
  const vpn = addr / PAGE_SIZE;
  const to: PmdSlot = { table: dst.mm.pageTable.pmdTableAlloc(vpn), index: pmdIndex(vpn) };
  if (frames.isAnon(head)) {
    if (frames.isAnonExclusive(head) && frames.folioMaybeDmaPinned(head)) return copyPinned(dst, addr, { to, head });
    frames.clearFlags(head, PG.anonExclusive);
  }
  folioGet(memory, head);
  frames.addEntireMapcount(head, 1);
  frames.addFolioMapcount(head, 1);
  const lo = from.table.lo(from.index) & ~Pte.write;
  from.table.setLo(from.index, lo);
  setPmd(to, lo, head);
  return 0;
}

/** Linux: part of mm/hugetlb.c:copy_hugetlb_page_range() */
function copyPinned(dst: Vma, addr: number, { to, head }: { to: PmdSlot; head: number }): number {
  const { memory } = dst.mm;
  const copy = hugetlbReservation(dst).allocate(dst, addr);
  if (copy === 0) return -ENOMEM;
  copyHugePage(memory, copy, head);
  memory.frames.setFlags(copy, PG.uptodate);
  folioAddNewAnonRmapPmd(memory, copy, dst, addr);
  setPmd(to, mkPte(dst) | Pte.huge | Pte.write | Pte.dirty, copy);
  return 0;
}

/** The entry of `addr` if a page is mapped there. */
function presentSlot(vma: Vma, addr: number): PmdSlot | null {
  const slot = mmFindPmd(vma.mm, addr / PAGE_SIZE);
  if (slot === null || (slot.table.lo(slot.index) & KIND_MASK) === Kind.none) return null;
  return slot;
}

/**
 * Unmaps the pages of [start, end), both multiples of 2 MiB, between the caller's notifier events; with `onlyPfn` only
 * where that page is mapped. True when something was unmapped. Linux: mm/hugetlb.c:__unmap_hugepage_range()
 */
export function* unmapHugepageRange(vma: Vma, start: number, end: number, { onlyPfn = 0 } = {}): Coroutine<boolean> {
  assert(start % HPAGE_PMD_SIZE === 0 && end % HPAGE_PMD_SIZE === 0, 'the range is not of whole huge pages');
  const { mm } = vma;
  const gather = new TlbGather(mm);
  let isAny = false;
  for (let addr = start; addr < end; addr += HPAGE_PMD_SIZE) {
    if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
    const slot = presentSlot(vma, addr);
    if (slot === null || (onlyPfn !== 0 && slot.table.hi(slot.index) !== onlyPfn)) continue;
    ptlLock(mm);
    unmapOne(vma, { addr, slot }, gather);
    ptlUnlock(mm);
    isAny = true;
  }
  yield* gather.tlbFinishMmu();
  return isAny;
}

function unmapOne(vma: Vma, { addr, slot }: { addr: number; slot: PmdSlot }, gather: TlbGather): void {
  const { memory } = vma.mm;
  const head = slot.table.hi(slot.index);
  if (slot.table.lo(slot.index) & Pte.dirty) folioMarkDirty(memory, head);
  setPmd(slot, Kind.none, 0);
  gather.tlbRemoveTlbEntry(addr / PAGE_SIZE, HPAGE_PMD_NR);
  folioRemoveRmapPmd(memory, head);
  if (memory.frames.isAnon(head) && memory.frames.folioMapcount(head) === 0)
    hugetlbReservation(vma).restore(vma, addr, head);
  gather.tlbRemovePage(head);
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
    const from = presentSlot(vma, oldAddr + offset);
    if (from === null) continue;
    const vpn = (newAddr + offset) / PAGE_SIZE;
    const to: PmdSlot = { table: newVma.mm.pageTable.pmdTableAlloc(vpn), index: pmdIndex(vpn) };
    setPmd(to, from.table.lo(from.index), from.table.hi(from.index));
    setPmd(from, Kind.none, 0);
  }
  flushTlbRange(mm, oldAddr / PAGE_SIZE, len / PAGE_SIZE);
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
  if (!(vma.flags & VM.mayshare)) hugetlbReservation(vma).clearVmaResvHugePages(vma);
}
