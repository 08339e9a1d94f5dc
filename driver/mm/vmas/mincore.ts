import { ENOMEM } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import { Kind, kindOf } from '../tables/entry.js';
import { pmdIndex, pteIndex } from '../tables/page-table.js';
import type { Mm } from './mm.js';
import type { Vma } from './vma.js';

/** Whether each page from `start` on is in memory, up to the first hole, and -ENOMEM if there is one. Linux: mm/mincore.c:do_mincore() */
export function* doMincore(mm: Mm, start: number, npages: number): Coroutine<{ vec: number[]; ret: number }> {
  const vec: number[] = [];
  yield* mm.mmapLock.readLock();
  for (let vma = mm.vmaLookup(start); vma !== null && vec.length < npages; vma = mm.vmaLookup(vma.end)) {
    const end = Math.min(vma.end, start + npages * PAGE_SIZE);
    for (let addr = start + vec.length * PAGE_SIZE; addr < end; addr += PAGE_SIZE) vec.push(mincorePage(vma, addr));
  }
  mm.mmapLock.readUnlock();
  return { vec, ret: vec.length < npages ? -ENOMEM : 0 };
}

/** A page on a device, or under way, counts as there. Linux: part of mm/mincore.c:mincore_pte_range() */
function mincorePage(vma: Vma, addr: number): number {
  const { memory, pageTable } = vma.mm;
  const vpn = addr / PAGE_SIZE;
  const pmd = pageTable.pmdTable(vpn);
  const leaf = pmd === null ? null : pmd.child(pmdIndex(vpn));
  const table = leaf ?? pmd;
  const i = leaf === null ? pmdIndex(vpn) : pteIndex(vpn);
  const kind = table === null ? Kind.none : kindOf(table.lo(i));
  if (kind === Kind.swap) return inSwapCache(memory, table!.hi(i));
  if (kind !== Kind.none && kind !== Kind.marker) return 1;
  const cached = vma.file?.mapping?.pages.get(vma.linearPageIndex(addr)) ?? 0;
  return cached < 0 ? inSwapCache(memory, -1 - cached) : isUptodate(memory, cached);
}

function inSwapCache(memory: Memory, slot: number): number {
  return isUptodate(memory, memory.swap.cachedPfn(slot));
}

function isUptodate({ frames }: Memory, pfn: number): number {
  return pfn !== 0 && frames.hasFlags(frames.head(pfn), PG.uptodate) ? 1 : 0;
}
