import { assert } from '../../core/assert.js';
import { folioGet, folioPut } from '../frames/folio.js';
import type { Memory } from '../memory.js';
import type { AddressSpace } from './address-space.js';

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
 * Takes the page out of its file and drops the file's reference. The folio is locked.
 * Linux: mm/filemap.c:filemap_remove_folio()
 */
export function filemapRemoveFolio(memory: Memory, pfn: number): void {
  memory.frames.assertLocked(pfn);
  const { frames } = memory;
  const mapping = memory.mappings.get(frames.mapping(pfn));
  const index = frames.index(pfn);
  assert(mapping !== undefined && mapping.pages.get(index) === pfn, 'pfn % is not in the page cache', pfn);
  mapping.pages.set(index, 0);
  frames.setMapping(pfn, 0);
  folioPut(memory, pfn);
}
