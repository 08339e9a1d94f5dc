import type { Coroutine } from '../../core/effect.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { mkPte, pteMkuffdWp, type UffdChange, withUffdWp } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { flushTlbRange } from '../tables/tlb.js';
import { mmapAssertWriteLocked } from '../vmas/mm.js';
import type { Vma } from '../vmas/vma.js';
import { hugePteAlloc } from './hugetlb-fault.js';
import { setPmd } from './thp-fault.js';
import { mmFindPmd } from './thp-policy.js';

/**
 * mprotect of a hugetlb range, or of a userfaultfd; `vma` has its new flags already. Sends the PROTECTION_VMA event itself, populated
 * or not. A private page gets its write access back only by a fault. mmap_lock is held, for write without `uffd`.
 * Linux: mm/hugetlb.c:hugetlb_change_protection()
 */
export function* hugetlbChangeProtection(
  vma: Vma,
  { start, end }: { start: number; end: number },
  uffd: UffdChange,
): Coroutine<void> {
  if (uffd === null) mmapAssertWriteLocked(vma.mm);
  const { mm } = vma;
  const range: NotifierRange = { mm, start, end, event: 'PROTECTION_VMA', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  ptlLock(mm);
  for (let addr = start; addr < end; addr += HPAGE_PMD_SIZE) {
    const slot = uffd === 'wp' ? hugePteAlloc(vma, addr) : mmFindPmd(mm, addr / PAGE_SIZE);
    if (slot === null) continue;
    const lo = withUffdWp(slot.table.lo(slot.index), uffd);
    switch (lo & KIND_MASK) {
      case Kind.none:
        if (uffd === 'wp') setPmd(slot, Kind.marker | Pte.huge | Pte.uffdWp, 0);
        break;
      case Kind.marker:
        if (uffd === 'resolve' && !(lo & Pte.poisoned)) setPmd(slot, Kind.none, 0);
        break;
      case Kind.present:
        slot.table.setLo(slot.index, changed(vma, lo));
    }
  }
  flushTlbRange(mm, start / PAGE_SIZE, (end - start) / PAGE_SIZE);
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
}

function changed(vma: Vma, lo: number): number {
  const all = mkPte(vma) | (lo & (Pte.huge | Pte.dirty));
  const used = lo & Pte.young ? all : all & ~Pte.young;
  return lo & Pte.uffdWp ? pteMkuffdWp(used) : used;
}
