import { EINVAL } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { folioPut, folioUnlock } from '../frames/folio.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { swapCacheFolioLocked } from '../swap/swap-in.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pteIndex } from '../tables/page-table.js';
import { advisePages, clearYoungDirtyPtes, type PageAdvice } from './madvise-pages.js';
import { mmapAssertLocked } from './mm.js';
import { VM } from './vm-flags.js';
import { assertInVma, type Vma, vmaIsAnonymous } from './vma.js';

/**
 * MADV_COLD: the pages count as not used for long. 0 or -EINVAL. mmap_lock is held.
 * Deviates: without aging, what is left is the young bit, and that a large folio covered in part is split.
 * Linux: mm/madvise.c:madvise_cold()
 */
export function* madviseCold(vma: Vma, start: number, end: number): Coroutine<number> {
  mmapAssertLocked(vma.mm);
  assertInVma(vma, start, end);
  if (vma.flags & (VM.pfnmap | VM.hugetlb | VM.locked)) return -EINVAL;
  yield* advisePages(vma.mm, { start, end }, COLD);
  return 0;
}

const COLD: PageAdvice = {
  folio: (memory, at, gather) => {
    if (memory.frames.folioMapcount(at.head) === at.count) clearYoungDirtyPtes(at, Pte.young, gather);
  },
  huge: (_memory, at, gather) => clearYoungDirtyPtes(at, Pte.young, gather),
  nonPresent: () => {},
};

/**
 * MADV_WILLNEED on anonymous memory: swapped pages are read into the swap cache, the entries stay. mmap_lock is held.
 * Deviates: nothing is done for files, whose pages are always at hand.
 * Linux: mm/madvise.c:madvise_willneed()
 */
export function* madviseWillneed(vma: Vma, start: number, end: number): Coroutine<number> {
  mmapAssertLocked(vma.mm);
  if (!vmaIsAnonymous(vma) || vma.mm.rss.swap === 0) return 0;
  const { mm } = vma;
  for (let vpn = start / PAGE_SIZE; vpn < end / PAGE_SIZE; vpn++) {
    const table = mm.pageTable.pteTable(vpn);
    if (table === null) continue;
    const i = pteIndex(vpn);
    if (kindOf(table.lo(i)) !== Kind.swap) continue;
    const pfn = yield* swapCacheFolioLocked(mm.memory, table.hi(i));
    if (pfn === 0) continue;
    folioUnlock(mm.memory, pfn);
    folioPut(mm.memory, pfn);
  }
  return 0;
}
