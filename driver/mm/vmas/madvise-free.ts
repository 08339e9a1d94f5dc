import { EINVAL } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { folioTrylock, folioUnlock } from '../frames/folio.js';
import { PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { folioFreeSwap, freeSwapAndCache } from '../swap/swap-cache.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import type { Table } from '../tables/page-table.js';
import type { TlbGather } from '../tables/tlb-gather.js';
import { advisePages, clearYoungDirtyPtes, type FolioEntries, type PageAdvice } from './madvise-pages.js';
import { type Mm, mmapAssertLocked } from './mm.js';
import { assertInVma, type Vma, vmaIsAnonymous } from './vma.js';

/**
 * MADV_FREE: reclaim may drop the pages without writing them out until they are written again; swapped ones go at
 * once. Sends CLEAR over the range even where nothing is mapped. 0 or -EINVAL. mmap_lock is held.
 * Linux: mm/madvise.c:madvise_free_single_vma()
 */
export function* madviseFreeSingleVma(vma: Vma, start: number, end: number): Coroutine<number> {
  mmapAssertLocked(vma.mm);
  assertInVma(vma, start, end);
  if (!vmaIsAnonymous(vma)) return -EINVAL;
  const range: NotifierRange = { mm: vma.mm, start, end, event: 'CLEAR', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  yield* advisePages(vma.mm, range, FREE);
  yield* mmuNotifierInvalidateRangeEnd(range);
  return 0;
}

const FREE: PageAdvice = { folio: freeFolio, huge: madviseFreeHugePmd, nonPresent: freeNonPresent };

/** Becomes clean and lazily free, unless somebody else maps or holds it. */
function freeFolio(memory: Memory, at: FolioEntries, gather: TlbGather): void {
  const { frames } = memory;
  const { head } = at;
  if (frames.hasFlags(head, PG.swapcache | PG.dirty)) {
    if (!folioTrylock(memory, head)) return;
    const isSole = frames.folioMapcount(head) === at.count;
    const isClean = isSole && (!frames.hasFlags(head, PG.swapcache) || folioFreeSwap(memory, head));
    if (isClean) frames.clearFlags(head, PG.dirty);
    folioUnlock(memory, head);
    if (!isClean) return;
  }
  cleanEntries(memory, at, gather);
}

/** Linux: mm/huge_memory.c:madvise_free_huge_pmd() */
function madviseFreeHugePmd(memory: Memory, at: FolioEntries, gather: TlbGather): void {
  const { head } = at;
  if (!folioTrylock(memory, head)) return;
  memory.frames.clearFlags(head, PG.dirty);
  folioUnlock(memory, head);
  cleanEntries(memory, at, gather);
}

function cleanEntries(memory: Memory, at: FolioEntries, gather: TlbGather): void {
  clearYoungDirtyPtes(at, Pte.young | Pte.dirty, gather);
  folioMarkLazyfree(memory, at.head);
}

/** Deviates: takes effect at once, as there are no per-CPU batches. Linux: mm/swap.c:folio_mark_lazyfree() */
function folioMarkLazyfree(memory: Memory, head: number): void {
  const { frames } = memory;
  const flags = frames.flags(head);
  const wanted = PG.anon | PG.swapbacked | PG.lru;
  if ((flags & (wanted | PG.swapcache)) === wanted) frames.clearFlags(head, PG.swapbacked);
}

/** Swapped pages are dropped; pages of devices, and those on their way, are passed over. */
function freeNonPresent(mm: Mm, table: Table, index: number): void {
  const kind = kindOf(table.lo(index));
  const slot = table.hi(index);
  if (kind !== Kind.swap && kind !== Kind.hwpoison) return;
  table.clear(index);
  if (kind !== Kind.swap) return;
  mm.rss.swap--;
  freeSwapAndCache(mm.memory, slot);
}
