import { EINVAL, ESRCH } from '../../../uapi/errno.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { folioGet, folioLock, folioPut, folioTryGet, folioTrylock, folioUnlock } from '../frames/folio.js';
import { HPAGE_PMD_NR, PAGE_SIZE, PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pmdIndex, pteIndex } from '../tables/page-table.js';
import { mmput } from '../vmas/exit-mmap.js';
import { type Mm, mmgetNotZero } from '../vmas/mm.js';
import { VM, VM_SPECIAL } from '../vmas/vm-flags.js';
import { splitFolio } from './thp-split-folio.js';

const SPLIT_POINT = preemptPoint('split_huge_pages');

/** Splits every 2 MiB folio of RAM that nobody holds. Linux: mm/huge_memory.c:split_huge_pages_all() */
export function* splitHugePagesAll(memory: Memory): Coroutine<void> {
  const { frames, kernel } = memory;
  for (let head = HPAGE_PMD_NR; head < memory.allocator.freshStart; head += HPAGE_PMD_NR) {
    if (!folioTryGet(memory, head)) continue;
    const isLarge = frames.order(head) > 0 && !frames.hasFlags(head, PG.hugetlb) && frames.hasFlags(head, PG.lru);
    if (isLarge) {
      yield* folioLock(memory, head);
      yield* splitFolio(memory, head);
      folioUnlock(memory, head);
    }
    folioPut(memory, head);
    if (kernel.scheduler.contended) yield SPLIT_POINT;
  }
}

/** Splits the 2 MiB folios that are mapped in [start, end). 0, or -EINVAL. Linux: part of mm/huge_memory.c:split_huge_pages_pid() */
export function* splitHugePagesPid(mm: Mm | null, start: number, end: number): Coroutine<number> {
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
    yield* splitAt(mm, addr / PAGE_SIZE);
    if (kernel.scheduler.contended) yield SPLIT_POINT;
  }
  mm.mmapLock.readUnlock();
  yield* mmput(mm);
  return 0;
}

function* splitAt(mm: Mm, vpn: number): Coroutine<void> {
  const { memory } = mm;
  const { frames } = memory;
  const pfn = presentPfn(mm, vpn);
  const head = pfn === 0 ? 0 : frames.head(pfn);
  if (head === 0 || frames.order(head) === 0 || head === memory.hugeZeroPfn) return;
  if (frames.folioMapcount(head) !== frames.refcount(head) || !folioTrylock(memory, head)) return;
  folioGet(memory, head);
  yield* splitFolio(memory, head);
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
