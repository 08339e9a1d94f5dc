import { clearPage, copyPage } from '../frames/folio.js';
import { HPAGE_PMD_NR, PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';

/**
 * The head of the huge zero folio, made at its first use; 0 when there is no memory for it.
 * Linux: mm/huge_memory.c:mm_get_huge_zero_folio()
 * Deviates: Linux frees it under memory pressure once no address space uses it; here it stays.
 */
export function mmGetHugeZeroFolio(memory: Memory): number {
  if (memory.hugeZeroPfn !== 0) return memory.hugeZeroPfn;
  const head = memory.allocator.allocateHuge();
  if (head === 0) return 0;
  clearHugePage(memory, head);
  memory.frames.setFlags(head, PG.uptodate);
  memory.hugeZeroPfn = head;
  return head;
}

/** Fills a 2 MiB folio with zeroes. */
export function clearHugePage(memory: Memory, head: number): void {
  clearPage(memory, head, HPAGE_PMD_NR);
}

/** Copies the bytes of one 2 MiB folio to another. */
export function copyHugePage(memory: Memory, to: number, from: number): void {
  copyPage(memory, to, from, HPAGE_PMD_NR);
}
