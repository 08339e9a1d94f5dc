import { EINVAL, ESRCH } from '../../../uapi/errno.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import type { AddressSpace } from '../files/address-space.js';
import { folioGet, folioLock, folioPut, folioTryGet, folioTrylock, folioUnlock } from '../frames/folio.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pmdIndex, pteIndex } from '../tables/page-table.js';
import { mmput } from '../vmas/exit-mmap.js';
import { type Mm, mmgetNotZero } from '../vmas/mm.js';
import { VM, VM_SPECIAL } from '../vmas/vm-flags.js';
import { canSplitFolio, splitFolio } from './thp-split-folio.js';

const SPLIT_POINT = preemptPoint('split_huge_pages');

/** Splits every large folio of RAM that nobody holds into pages. Linux: mm/huge_memory.c:split_huge_pages_all() */
export function* splitHugePagesAll(memory: Memory): Coroutine<void> {
  const { frames, kernel } = memory;
  const { head: heads, order } = frames.raw;
  for (let pfn = 0, nr = 1; pfn < memory.allocator.freshStart; pfn += nr) {
    nr = 1;
    if (heads[pfn] !== pfn || order[pfn] === 0 || !folioTryGet(memory, pfn)) continue;
    const isLarge = frames.order(pfn) > 0 && !frames.hasFlags(pfn, PG.hugetlb) && frames.hasFlags(pfn, PG.lru);
    if (isLarge) {
      yield* folioLock(memory, pfn);
      nr = frames.folioNrPages(pfn);
      if (nr > 1) yield* splitFolio(memory, pfn);
      folioUnlock(memory, pfn);
    }
    folioPut(memory, pfn);
    if (kernel.scheduler.contended) yield SPLIT_POINT;
  }
}

/** Splits the larger folios that are mapped in [start, end) into ones of `newOrder`. 0, or -EINVAL. Linux: part of mm/huge_memory.c:split_huge_pages_pid() */
export function* splitHugePagesPid(
  mm: Mm | null,
  { start, end, newOrder }: { start: number; end: number; newOrder: number },
): Coroutine<number> {
  if (mm === null) return -ESRCH;
  if (!mmgetNotZero(mm)) return -EINVAL;
  const { kernel } = mm.memory;
  yield* mm.mmapLock.readLock();
  for (let addr = start - (start % PAGE_SIZE); addr < end - (end % PAGE_SIZE); addr += PAGE_SIZE) {
    const vma = mm.vmaLookup(addr);
    if (vma === null) break;
    if (vma.flags & (VM_SPECIAL | VM.hugetlb)) {
      addr = vma.end - PAGE_SIZE;
      continue;
    }
    if (kernel.scheduler.isFine) yield FINE.ptl;
    yield* splitAt(mm, addr / PAGE_SIZE, newOrder);
    if (kernel.scheduler.contended) yield SPLIT_POINT;
  }
  mm.mmapLock.readUnlock();
  yield* mmput(mm);
  return 0;
}

/** Splits the larger folios that a file has in [first, end) into ones of `newOrder`. Linux: mm/huge_memory.c:split_huge_pages_in_file() */
export function* splitHugePagesInFile(
  memory: Memory,
  mapping: AddressSpace,
  { first, end, newOrder }: { first: number; end: number; newOrder: number },
): Coroutine<void> {
  const { frames, kernel } = memory;
  for (const index of mapping.pages.filled(first)) {
    if (index >= end) return;
    const pfn = mapping.pages.get(index);
    const head = pfn > 0 ? frames.head(pfn) : 0;
    if (head === 0 || frames.order(head) <= newOrder || frames.hasFlags(head, PG.hugetlb)) continue;
    if (!folioTrylock(memory, head)) continue;
    folioGet(memory, head);
    yield* splitFolio(memory, head, { newOrder });
    folioUnlock(memory, head);
    folioPut(memory, head);
    if (kernel.scheduler.contended) yield SPLIT_POINT;
  }
}

function* splitAt(mm: Mm, vpn: number, newOrder: number): Coroutine<void> {
  const { memory } = mm;
  const { frames } = memory;
  const pfn = presentPfn(mm, vpn);
  const head = pfn === 0 ? 0 : frames.head(pfn);
  if (head === 0 || frames.order(head) <= newOrder || head === memory.hugeZeroPfn) return;
  if (!canSplitFolio(memory, head, 0) || !folioTrylock(memory, head)) return;
  folioGet(memory, head);
  yield* splitFolio(memory, head, { newOrder });
  folioUnlock(memory, head);
  folioPut(memory, head);
}

/** Linux: part of mm/pagewalk.c:folio_walk_start() */
function presentPfn({ pageTable }: Mm, vpn: number): number {
  const pmd = pageTable.pmdTable(vpn);
  if (pmd === null) return 0;
  const leaf = pmd.child(pmdIndex(vpn));
  const table = leaf ?? pmd;
  const i = leaf === null ? pmdIndex(vpn) : pteIndex(vpn);
  const lo = table.lo(i);
  return kindOf(lo) === Kind.present && !(lo & Pte.special) ? table.hi(i) : 0;
}
