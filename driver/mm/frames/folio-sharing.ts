import type { Memory } from '../memory.js';
import { PG } from './frames.js';

/**
 * Is the folio of `pfn` mapped by more than one process, as far as the mapcounts tell? For a large folio that is partly
 * mapped it is a guess from its first page. Linux: include/linux/mm.h:folio_likely_mapped_shared()
 */
export function folioLikelyMappedShared(memory: Memory, pfn: number): boolean {
  const { frames } = memory;
  const head = frames.head(pfn);
  const mapcount = frames.folioMapcount(head);
  if (frames.order(head) === 0 || frames.hasFlags(head, PG.hugetlb)) return mapcount > 1;
  if (mapcount <= 1) return false;
  if (frames.entireMapcount(head) > 0 || mapcount > frames.folioNrPages(head)) return true;
  return frames.mapcount(head) > 1;
}

/** References that the mappings and the swap cache alone explain. Linux: mm/khugepaged.c:is_refcount_suitable() */
export function isRefcountSuitable(memory: Memory, pfn: number): boolean {
  const { frames } = memory;
  const head = frames.head(pfn);
  const flags = frames.flags(head);
  const cacheRefs = !(flags & PG.anon) || flags & PG.swapcache ? frames.folioNrPages(head) : 0;
  return frames.refcount(head) === frames.folioMapcount(head) + cacheRefs;
}
