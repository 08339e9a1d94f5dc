import type { Coroutine } from '../../core/effect.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { mkPte } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { flushTlbRange } from '../tables/tlb.js';
import { mmapAssertWriteLocked } from '../vmas/mm.js';
import type { Vma } from '../vmas/vma.js';
import { mmFindPmd } from './thp-policy.js';

/**
 * mprotect of a hugetlb range; `vma` has its new flags already. Sends the PROTECTION_VMA event itself, populated or
 * not. A writable page gets its write access back only by a fault. mmap_lock is held for write.
 * Linux: mm/hugetlb.c:hugetlb_change_protection()
 */
export function* hugetlbChangeProtection(vma: Vma, start: number, end: number): Coroutine<void> {
  mmapAssertWriteLocked(vma.mm);
  const { mm } = vma;
  const range: NotifierRange = { mm, start, end, event: 'PROTECTION_VMA', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  ptlLock(mm);
  for (let addr = start; addr < end; addr += HPAGE_PMD_SIZE) {
    const slot = mmFindPmd(mm, addr / PAGE_SIZE);
    const lo = slot === null ? Kind.none : slot.table.lo(slot.index);
    if (slot === null || (lo & KIND_MASK) !== Kind.present) continue;
    let changed = mkPte(vma) | (lo & (Pte.huge | Pte.dirty));
    if (!(lo & Pte.young)) changed &= ~Pte.young;
    slot.table.setLo(slot.index, changed);
  }
  flushTlbRange(mm, start / PAGE_SIZE, (end - start) / PAGE_SIZE);
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
}
