import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { folioGet, folioLock, folioPut, folioUnlock } from '../frames/folio.js';
import { type Frames, PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import type { AddressSpace } from './address-space.js';

/** How many slots of its file a folio has, and so references of it. Deviates: of hugetlb one. Linux: part of mm/huge_memory.c:can_split_folio() */
export function cacheReferences(frames: Frames, head: number): number {
  return frames.hasFlags(head, PG.hugetlb) ? 1 : frames.folioNrPages(head);
}

/** Gives the file a locked page; the file holds a reference of its own. Linux: mm/shmem.c:shmem_add_to_page_cache() */
export function shmemAddToPageCache(memory: Memory, pfn: number, mapping: AddressSpace, index: number): void {
  const { frames } = memory;
  frames.assertLocked(pfn);
  assert(mapping.pages.get(index) <= 0, 'page % of mapping % is there already', index, mapping.id);
  mapping.pages.set(index, pfn);
  frames.setMapping(pfn, mapping.id);
  frames.setIndex(pfn, index);
  folioGet(memory, pfn);
}

/**
 * Takes the folio of `head` out of its file and drops the file's references. It is locked.
 * Linux: mm/filemap.c:filemap_remove_folio()
 */
export function filemapRemoveFolio(memory: Memory, head: number): void {
  memory.frames.assertLocked(head);
  const { frames } = memory;
  const mapping = memory.mappings.get(frames.mapping(head));
  const index = frames.index(head);
  assert(mapping !== undefined && mapping.pages.get(index) === head, 'pfn % is not in the page cache', head);
  const nr = cacheReferences(frames, head);
  mapping.pages.setRun(index, 0, nr);
  frames.setMapping(head, 0);
  folioPut(memory, head, nr);
}

/** The page of `index` with a reference, its folio locked; 0 where the file has none in memory. Linux: include/linux/pagemap.h:filemap_lock_folio() */
export function* filemapLockFolio(memory: Memory, mapping: AddressSpace, index: number): Coroutine<number> {
  for (;;) {
    if (memory.kernel.scheduler.isFine) yield FINE.cache;
    const pfn = mapping.pages.get(index);
    if (pfn <= 0) return 0;
    folioGet(memory, pfn);
    yield* folioLock(memory, pfn);
    if (mapping.pages.get(index) === pfn) return pfn;
    folioUnlock(memory, pfn);
    folioPut(memory, pfn);
  }
}
