import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { moveHugetlbPageTables } from '../huge/hugetlb-copy.js';
import { moveHugePmd } from '../huge/thp-move.js';
import { splitHugePmd } from '../huge/thp-split-pmd.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { vmaHasUffdWithoutEventRemap } from '../userfault/ctx.js';
import { type Mm, mmapAssertWriteLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { findVmaIntersection, lockRmap, unlockRmap } from '../vmas/vma-list.js';
import { Kind, kindOf, Pte } from './entry.js';
import { alignDown, PGD_SIZE, PUD_SIZE } from './page-align.js';
import { pmdIndex, pteIndex, type Table } from './page-table.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from './ptl.js';
import { flushTlbBatchedPending, flushTlbRange } from './tlb.js';

/** `len` bytes go from `oldAddr` in `vma` to `newAddr` in `newVma`, where nothing is mapped. */
export interface TableMove {
  readonly vma: Vma;
  readonly oldAddr: number;
  readonly newVma: Vma;
  readonly newAddr: number;
  readonly len: number;
  /** An rmap walk might look at the new place before the old one, so it must be kept away. */
  readonly needRmapLocks: boolean;
}

/**
 * Moves every entry verbatim, whole tables where both places allow it, inside one UNMAP event on the old range.
 * mmap_lock is held for write.
 * Linux: mm/mremap.c:move_page_tables()
 */
export function* movePageTables(move: TableMove): Coroutine<void> {
  mmapAssertWriteLocked(move.vma.mm);
  const { vma, newVma, len } = move;
  if (len === 0) return;
  if (vma.flags & VM.hugetlb) {
    yield* moveHugetlbPageTables(vma, newVma, move);
    return;
  }
  const end = move.oldAddr + len;
  const skipped = tryRealignAddr(move);
  let oldAddr = move.oldAddr - skipped;
  let newAddr = move.newAddr - skipped;
  const range: NotifierRange = { mm: vma.mm, start: oldAddr, end, event: 'UNMAP', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  while (oldAddr < end) {
    const extent = yield* moveOneStep(move, { oldAddr, newAddr, end });
    oldAddr += extent;
    newAddr += extent;
  }
  yield* mmuNotifierInvalidateRangeEnd(range);
}

/**
 * How far both addresses can be moved down to a 2 MiB border, so that the first table moves as a whole: nothing may be
 * mapped in between. Linux: mm/mremap.c:try_realign_addr()
 */
function tryRealignAddr({ vma, oldAddr, newVma, newAddr, len }: TableMove): number {
  const offset = oldAddr % HPAGE_PMD_SIZE;
  if (offset === 0 || len < HPAGE_PMD_SIZE - offset || newAddr % HPAGE_PMD_SIZE !== offset) return 0;
  return canAlignDown(vma, oldAddr) && canAlignDown(newVma, newAddr) ? offset : 0;
}

/** Linux: mm/mremap.c:can_align_down() */
function canAlignDown(vma: Vma, addr: number): boolean {
  return vma.start === addr && findVmaIntersection(vma.mm, alignDown(addr, HPAGE_PMD_SIZE), addr) === null;
}

interface Step {
  readonly oldAddr: number;
  readonly newAddr: number;
  readonly end: number;
}

/** Moves what one entry of some level covers; answers how many bytes that is. */
function* moveOneStep(move: TableMove, step: Step): Coroutine<number> {
  const { mm } = move.vma;
  const { oldAddr } = step;
  const pudExtent = getExtent(step, PUD_SIZE);
  const pud = mm.pageTable.root.child(Math.floor(oldAddr / PGD_SIZE));
  if (pud === null || pud.child(pudIndexOf(oldAddr)) === null) return pudExtent;
  // What loses its protection on the way is moved one by one.
  const isVerbatim = !vmaHasUffdWithoutEventRemap(move.vma);
  if (isVerbatim && pudExtent === PUD_SIZE && (yield* moveNormalPud(move, step))) return pudExtent;

  const extent = getExtent(step, HPAGE_PMD_SIZE);
  const oldPmd = mm.pageTable.pmdTable(oldAddr / PAGE_SIZE)!;
  const i = pmdIndex(oldAddr / PAGE_SIZE);
  if (oldPmd.lo(i) === Kind.none) return extent;
  if (oldPmd.lo(i) & Pte.huge) {
    if (extent === HPAGE_PMD_SIZE && (yield* moveHuge(move, step))) return extent;
    yield* splitHugePmd(move.vma, oldAddr);
  } else if (isVerbatim && extent === HPAGE_PMD_SIZE && (yield* moveNormalPmd(move, step))) {
    return extent;
  }
  if (oldPmd.child(i) !== null) yield* movePtes(move, { ...step, count: extent / PAGE_SIZE });
  return extent;
}

/** The bytes up to the next border of either place. Linux: mm/mremap.c:get_extent() */
function getExtent({ oldAddr, newAddr, end }: Step, size: number): number {
  return Math.min(end - oldAddr, size - (oldAddr % size), size - (newAddr % size));
}

function pudIndexOf(addr: number): number {
  return Math.floor(addr / PUD_SIZE) % 512;
}

/** A whole PMD table changes its place. Linux: mm/mremap.c:move_normal_pud() */
function* moveNormalPud({ vma, newVma }: TableMove, { oldAddr, newAddr }: Step): Coroutine<boolean> {
  const { mm } = newVma;
  const to = allocNewPud(mm, newAddr);
  const toIndex = pudIndexOf(newAddr);
  if (to.child(toIndex) !== null) return false;
  const from = mm.pageTable.root.child(Math.floor(oldAddr / PGD_SIZE))!;
  const fromIndex = pudIndexOf(oldAddr);
  const locks = yield* lockRmap(vma);
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(mm);
  to.attach(toIndex, from.detach(fromIndex));
  mm.pageTable.forgetCache();
  flushTlbRange(mm, oldAddr / PAGE_SIZE, PUD_SIZE / PAGE_SIZE);
  ptlUnlock(mm);
  unlockRmap(locks);
  return true;
}

/** Linux: mm/mremap.c:alloc_new_pud() */
function allocNewPud(mm: Mm, addr: number): Table {
  const { root } = mm.pageTable;
  const index = Math.floor(addr / PGD_SIZE);
  const existing = root.child(index);
  if (existing !== null) return existing;
  const table = mm.memory.tables.allocate(false);
  root.attach(index, table);
  return table;
}

/** A whole PTE table changes its place. Linux: mm/mremap.c:move_normal_pmd() */
function* moveNormalPmd({ vma, newVma }: TableMove, { oldAddr, newAddr }: Step): Coroutine<boolean> {
  const { mm } = newVma;
  const newVpn = newAddr / PAGE_SIZE;
  const newPmd = mm.pageTable.pmdTableAlloc(newVpn);
  if (newPmd.lo(pmdIndex(newVpn)) !== Kind.none) return false;
  const locks = yield* lockRmap(vma);
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(mm);
  // A collapse of the file may have taken the table meanwhile.
  const isThere = mm.pageTable.pteTable(oldAddr / PAGE_SIZE) !== null;
  if (isThere) {
    mm.pageTable.setPteTable(newVpn, mm.pageTable.detachPteTable(oldAddr / PAGE_SIZE));
    flushTlbRange(mm, oldAddr / PAGE_SIZE, HPAGE_PMD_NR);
  }
  ptlUnlock(mm);
  unlockRmap(locks);
  return isThere;
}

function* moveHuge({ vma, newVma, needRmapLocks }: TableMove, { oldAddr, newAddr }: Step): Coroutine<boolean> {
  const locks = needRmapLocks ? yield* lockRmap(vma) : null;
  if (vma.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(vma.mm);
  const moved = moveHugePmd(vma, oldAddr / PAGE_SIZE, newVma, newAddr / PAGE_SIZE);
  ptlUnlock(vma.mm);
  if (locks !== null) unlockRmap(locks);
  return moved;
}

/** Linux: mm/mremap.c:move_ptes() */
function* movePtes(move: TableMove, part: Step & { count: number }): Coroutine<void> {
  const { mm } = move.vma;
  const locks = move.needRmapLocks ? yield* lockRmap(move.vma) : null;
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(mm);
  flushTlbBatchedPending(mm);
  // Looked up under the lock: a collapse of the file may take either of them.
  const from = mm.pageTable.pteTable(part.oldAddr / PAGE_SIZE);
  if (from !== null) movePtesLocked(move, part, { from, to: mm.pageTable.pteTableAlloc(part.newAddr / PAGE_SIZE) });
  ptlUnlock(mm);
  if (locks !== null) unlockRmap(locks);
}

/** Under the ptl. */
function movePtesLocked(
  move: TableMove,
  part: Step & { count: number },
  { from, to }: { from: Table; to: Table },
): void {
  const { mm } = move.vma;
  ptlAssertHeld(mm);
  let needsFlush = false;
  const first = pteIndex(part.oldAddr / PAGE_SIZE);
  const shift = pteIndex(part.newAddr / PAGE_SIZE) - first;
  const clearsUffdWp = vmaHasUffdWithoutEventRemap(move.vma);
  for (let i = first; i < first + part.count; i++) {
    const lo = from.lo(i);
    if (lo === Kind.none) continue;
    needsFlush ||= kindOf(lo) === Kind.present;
    assert(to.lo(i + shift) === Kind.none, 'mremap moves a page to a place that is in use');
    from.move(i, to, i + shift);
    if (clearsUffdWp && kindOf(lo) === Kind.marker && !(lo & Pte.poisoned)) to.clear(i + shift);
    else to.setLo(i + shift, (lo | Pte.softDirty) & ~(clearsUffdWp ? Pte.uffdWp : 0));
  }
  if (needsFlush) flushTlbRange(mm, part.oldAddr / PAGE_SIZE, part.count);
}
