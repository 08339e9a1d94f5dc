import type { Coroutine } from '../../core/effect.js';
import { unlinkAnonVmas } from '../frames/anon-rmap.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { type Mm, mmapAssertLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { lockRmap, removeSharedVmStruct, unlockRmap } from '../vmas/vma-list.js';
import { alignDown, PGD_SIZE, PUD_SIZE, pgdAddrEnd, pmdAddrEnd, pudAddrEnd } from './page-align.js';
import { pmdIndex, type Table } from './page-table.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from './ptl.js';
import { flushTlbMm } from './tlb.js';

/**
 * Addresses whose tables may go: [start, end) was unmapped, and nothing else is mapped in [floor, ceiling). A ceiling of
 * Infinity is the top of the address space.
 */
interface PgtableRange {
  readonly start: number;
  readonly end: number;
  readonly floor: number;
  readonly ceiling: number;
}

/**
 * Hides unmapped vmas, in order of address, from rmap and frees the tables that only they used. A table that
 * neighbours share stays, even when it is empty. mmap_lock is held.
 * Linux: mm/memory.c:free_pgtables()
 */
export function* freePgtables(
  mm: Mm,
  vmas: readonly Vma[],
  { floor, ceiling }: { floor: number; ceiling: number },
): Coroutine<void> {
  mmapAssertLocked(mm);
  for (let i = 0; i < vmas.length; ) {
    const first = vmas[i]!;
    let last = first;
    yield* unlinkVma(first);
    i++;
    // Vmas that lie close together are done in one go, which also frees tables they share.
    while ((first.flags & VM.hugetlb) === 0 && i < vmas.length && isGathered(last, vmas[i]!)) {
      last = vmas[i]!;
      yield* unlinkVma(last);
      i++;
    }
    freePgdRange(mm, { start: first.start, end: last.end, floor, ceiling: vmas[i]?.start ?? ceiling });
  }
}

function isGathered(last: Vma, next: Vma): boolean {
  return next.start <= last.end + HPAGE_PMD_SIZE && (next.flags & VM.hugetlb) === 0;
}

/** Linux: part of mm/memory.c:free_pgtables(). It takes the two locks one after the other. */
function* unlinkVma(vma: Vma): Coroutine<void> {
  const locks = yield* lockRmap(vma);
  unlinkAnonVmas(vma);
  removeSharedVmStruct(vma);
  unlockRmap(locks);
}

/** Frees the page tables of a range whose entries are gone already. Linux: mm/memory.c:free_pgd_range() */
function freePgdRange(mm: Mm, { start, end, floor, ceiling }: PgtableRange): void {
  let addr = alignDown(start, HPAGE_PMD_SIZE);
  if (addr < floor) addr += HPAGE_PMD_SIZE;
  const top = ceiling === Infinity ? Infinity : alignDown(ceiling, HPAGE_PMD_SIZE);
  if (top === 0) return;
  const last = end > top ? end - HPAGE_PMD_SIZE : end;
  if (addr >= last) return;
  ptlLock(mm);
  const before = mm.memory.tables.inUse;
  while (addr < last) {
    const next = pgdAddrEnd(addr, last);
    freePudRange(mm, { start: addr, end: next, floor, ceiling: top });
    addr = next;
  }
  // Linux: arch/riscv/include/asm/tlb.h:tlb_flush() of riscv, with freed_tables
  if (mm.memory.tables.inUse < before) flushTlbMm(mm);
  ptlUnlock(mm);
}

/** Linux: mm/memory.c:free_pud_range(), and the clearing of the PGD entry. */
function freePudRange(mm: Mm, range: PgtableRange): void {
  const { pageTable } = mm;
  const pgdIndex = Math.floor(range.start / PGD_SIZE);
  const pud = pageTable.root.child(pgdIndex);
  if (pud === null) return;
  for (let addr = range.start; addr < range.end; ) {
    const next = pudAddrEnd(addr, range.end);
    freePmdRange(mm, pud, { ...range, start: addr, end: next });
    addr = next;
  }
  if (isUnshared(range, PGD_SIZE)) releaseChild(mm, pageTable.root, pgdIndex);
}

/** Under the ptl. Linux: mm/memory.c:free_pmd_range() */
function freePmdRange(mm: Mm, pud: Table, range: PgtableRange): void {
  ptlAssertHeld(mm);
  const pudIndex = Math.floor(range.start / PUD_SIZE) % 512;
  const pmd = pud.child(pudIndex);
  if (pmd === null) return;
  for (let addr = range.start; addr < range.end; ) {
    const i = pmdIndex(addr / PAGE_SIZE);
    if (pmd.child(i) !== null) releaseChild(mm, pmd, i);
    addr = pmdAddrEnd(addr, range.end);
  }
  if (isUnshared(range, PUD_SIZE)) releaseChild(mm, pud, pudIndex);
}

/** Does the table for the `size` bytes around the range serve nobody outside [floor, ceiling)? */
function isUnshared({ start, end, floor, ceiling }: PgtableRange, size: number): boolean {
  if (alignDown(start, size) < floor) return false;
  return ceiling === Infinity || end <= alignDown(ceiling, size);
}

function releaseChild(mm: Mm, table: Table, index: number): void {
  const child = table.detach(index);
  if (!child.isLeaf) mm.pageTable.forgetCache();
  mm.memory.tables.release(child);
}
