import { type Coroutine, FINE } from '../../core/effect.js';
import { HPAGE_PMD_NR, PAGE_SIZE } from '../frames/frames.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import type { Mm } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { Kind, kindOf, Pte } from './entry.js';
import { pmdAddrEnd } from './page-align.js';
import { pmdIndex, pteIndex, TASK_SIZE, type Table } from './page-table.js';
import { isCowMapping } from './pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from './ptl.js';
import { decTlbFlushPending, flushPmdTlbRange, flushTlbMm, incTlbFlushPending } from './tlb.js';

/** What is forgotten. Linux: enum clear_refs_types of fs/proc/task_mmu.c */
export const CLEAR_REFS = { all: 1, anon: 2, mapped: 3, softDirty: 4, mmHiwaterRss: 5 } as const;

/**
 * Forgets which pages were used or, with a SOFT_DIRTY event over everything, which were written: entries then lose the right to
 * write, so that the next write is noted. Linux: fs/proc/task_mmu.c:clear_refs_write()
 */
export function* clearRefsWrite(mm: Mm, type: number): Coroutine<void> {
  yield* mm.mmapLock.writeLock();
  const range: NotifierRange = { mm, start: 0, end: TASK_SIZE, event: 'SOFT_DIRTY', owner: null };
  const isSoftDirty = type === CLEAR_REFS.softDirty;
  if (isSoftDirty) {
    for (const vma of mm.vmas) vma.flags |= VM.notSoftDirty;
    incTlbFlushPending(mm);
    yield* mmuNotifierInvalidateRangeStart(range);
  }
  // There is no high-water mark to be reset.
  if (type !== CLEAR_REFS.mmHiwaterRss) {
    for (const vma of mm.vmas) if (!isSkipped(vma, type)) yield* clearRefsOfVma(vma, isSoftDirty);
  }
  if (isSoftDirty) {
    yield* mmuNotifierInvalidateRangeEnd(range);
    flushTlbMm(mm);
    decTlbFlushPending(mm);
  }
  mm.mmapLock.writeUnlock();
}

/** hugetlb memory has no part of it either: its walk has nobody to call. Linux: part of fs/proc/task_mmu.c:clear_refs_test_walk() */
function isSkipped({ flags, file }: Vma, type: number): boolean {
  if (flags & (VM.pfnmap | VM.hugetlb)) return true;
  return (type === CLEAR_REFS.anon && file !== null) || (type === CLEAR_REFS.mapped && file === null);
}

function* clearRefsOfVma(vma: Vma, isSoftDirty: boolean): Coroutine<void> {
  const { mm } = vma;
  for (let addr = vma.start; addr < vma.end; ) {
    const next = pmdAddrEnd(addr, vma.end);
    const vpn = addr / PAGE_SIZE;
    const pmd = mm.pageTable.pmdTable(vpn);
    if (pmd !== null) {
      if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
      ptlLock(mm);
      clearRefsPteRange(vma, { pmd, vpn, count: (next - addr) / PAGE_SIZE }, isSoftDirty);
      ptlUnlock(mm);
    }
    addr = next;
  }
}

/** Under the ptl. Linux: fs/proc/task_mmu.c:clear_refs_pte_range() */
function clearRefsPteRange(
  vma: Vma,
  { pmd, vpn, count }: { pmd: Table; vpn: number; count: number },
  isSoftDirty: boolean,
): void {
  ptlAssertHeld(vma.mm);
  const p = pmdIndex(vpn);
  const lo = pmd.lo(p);
  if (lo & Pte.huge) {
    if (isSoftDirty) clearSoftDirtyPmd(vma, pmd, vpn);
    else if (kindOf(lo) === Kind.present) pmd.setLo(p, lo & ~Pte.young);
    return;
  }
  const table = pmd.child(p);
  if (table === null) return;
  const first = pteIndex(vpn);
  for (let i = first; i < first + count; i++) {
    const entry = table.lo(i);
    if (isSoftDirty) clearSoftDirty(vma, table, i);
    else if (kindOf(entry) === Kind.present && !(entry & Pte.special)) table.setLo(i, entry & ~Pte.young);
  }
}

/** Device-private, exclusive, migration and swap entries keep their rights: what they become is not writable. Linux: fs/proc/task_mmu.c:clear_soft_dirty() */
function clearSoftDirty(vma: Vma, table: Table, i: number): void {
  const lo = table.lo(i);
  const kind = kindOf(lo);
  if (kind === Kind.none) return;
  if (kind !== Kind.present) table.setLo(i, lo & ~Pte.softDirty);
  else if (!pteIsPinned(vma, lo, table.hi(i))) table.setLo(i, lo & ~(Pte.write | Pte.softDirty));
}

/** What a device may write without being seen stays as it is. Linux: fs/proc/task_mmu.c:pte_is_pinned() */
function pteIsPinned(vma: Vma, lo: number, pfn: number): boolean {
  const { frames } = vma.mm.memory;
  if (!(lo & Pte.write) || !isCowMapping(vma.flags) || lo & Pte.special) return false;
  return frames.isAnon(pfn) && frames.folioMaybeDmaPinned(frames.head(pfn));
}

/** Linux: fs/proc/task_mmu.c:clear_soft_dirty_pmd() */
function clearSoftDirtyPmd(vma: Vma, pmd: Table, vpn: number): void {
  const p = pmdIndex(vpn);
  const lo = pmd.lo(p);
  if (kindOf(lo) === Kind.present) {
    flushPmdTlbRange(vma.mm, vpn - (vpn % HPAGE_PMD_NR));
    pmd.setLo(p, lo & ~(Pte.write | Pte.softDirty));
  } else if (kindOf(lo) === Kind.migration) {
    pmd.setLo(p, lo & ~Pte.softDirty);
  }
}
