import type { Memory } from '../memory.js';
import { KIND_MASK, Kind, Pte } from './entry.js';
import type { Table } from './page-table.js';

/** Bits in which entries of one batch may differ where nobody asks for the dirty ones. Linux: FPB_IGNORE_DIRTY, FPB_IGNORE_SOFT_DIRTY */
const BATCH_IGNORES = Pte.write | Pte.young | Pte.dirtied;

/**
 * How many entries from `index` on, `max` at most, map pages of one folio in a row and say the same but for `ignored`: what is done to
 * them is one step. Linux: mm/internal.h:folio_pte_batch()
 */
export function folioPteBatch(
  { frames }: Memory,
  table: Table,
  { index, max, ignored = BATCH_IGNORES }: { index: number; max: number; ignored?: number },
): number {
  if ((table.lo(index) & (KIND_MASK | Pte.special)) !== Kind.present) return 1;
  const pfn = table.hi(index);
  const head = frames.head(pfn);
  return table.runLength(index, Math.min(max, head + frames.folioNrPages(head) - pfn), ignored);
}
