import type { Coroutine } from '../core/effect.js';
import { KIND_MASK, Kind, Pte } from './entry.js';
import { folioGet, folioPut, folioTrylock, folioUnlock } from './folio.js';
import { folioLikelyMappedShared } from './folio-sharing.js';
import { HPAGE_PMD_SIZE, PG } from './frames.js';
import type { Memory } from './memory.js';
import { findPmd, hugeVpn } from './thp-policy.js';
import { splitFolio } from './thp-split-folio.js';
import type { Vma } from './vma.js';

/**
 * MADV_FREE meets a 2 MiB entry in [start, end), a part of one PMD: the whole is made clean and lazyfree; a part makes
 * the folio split. True when nothing is left to do; otherwise the caller goes on with the small entries, if there is a
 * table now. Linux: mm/huge_memory.c:madvise_free_huge_pmd()
 */
export function* madviseFreeHugePmd(vma: Vma, start: number, end: number): Coroutine<boolean> {
  const { memory } = vma.mm;
  const slot = findPmd(vma.mm, hugeVpn(start));
  const lo = slot === null ? Kind.none : slot.table.entries[2 * slot.index]!;
  if (slot === null || (lo & (KIND_MASK | Pte.huge | Pte.special)) !== (Kind.present | Pte.huge)) return false;
  const head = slot.table.entries[2 * slot.index + 1]!;
  if (folioLikelyMappedShared(memory, head) || !folioTrylock(memory, head)) return false;
  if (end - start !== HPAGE_PMD_SIZE) {
    folioGet(memory, head);
    yield* splitFolio(memory, head);
    folioUnlock(memory, head);
    folioPut(memory, head);
    return false;
  }
  memory.frames.flags[head]! &= ~PG.dirty;
  folioUnlock(memory, head);
  slot.table.entries[2 * slot.index] = lo & ~(Pte.young | Pte.dirty);
  folioMarkLazyfree(memory, head);
  return true;
}

/** The folio may be dropped without writing it, as long as it stays clean. Linux: mm/swap.c:folio_mark_lazyfree() */
export function folioMarkLazyfree(memory: Memory, head: number): void {
  const { frames } = memory;
  const wanted = PG.lru | PG.anon | PG.swapbacked;
  if ((frames.flags[head]! & (wanted | PG.swapcache)) === wanted) frames.flags[head]! &= ~PG.swapbacked;
}
