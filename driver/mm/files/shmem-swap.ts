import { EIO, ENOMEM } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { folioIsLocked, folioPut, folioUnlock, folioUnlockAndPut } from '../frames/folio.js';
import { PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import { addToSwap, deleteFromSwapCache, freeSwapAndCache } from '../swap/swap-cache.js';
import { swapCacheFolioLocked } from '../swap/swap-in.js';
import type { AddressSpace } from './address-space.js';
import { filemapRemoveFolio, shmemAddToPageCache } from './filemap.js';

/** How the page cache remembers that a page is in swap. */
function swapIndex(slot: number): number {
  return -1 - slot;
}

/**
 * Brings the page back that `index` has in swap; 0 (also when somebody else was faster) or -ENOMEM.
 * Linux: mm/shmem.c:shmem_swapin_folio()
 */
export function* shmemSwapinFolio(memory: Memory, mapping: AddressSpace, index: number): Coroutine<number> {
  const { frames } = memory;
  const found = mapping.pages.get(index);
  if (found >= 0) return 0;
  const slot = -1 - found;
  const pfn = yield* swapCacheFolioLocked(memory, slot);
  if (pfn === 0) return mapping.pages.get(index) === found ? -ENOMEM : 0;
  if (!frames.hasFlags(pfn, PG.uptodate)) {
    folioUnlock(memory, pfn);
    folioPut(memory, pfn);
    return -EIO;
  }
  const isOurs =
    frames.hasFlags(pfn, PG.swapcache) && frames.swapSlot(pfn) === slot && mapping.pages.get(index) === found;
  if (isOurs) {
    deleteFromSwapCache(memory, pfn);
    shmemAddToPageCache(memory, pfn, mapping, index);
    frames.setFlags(pfn, PG.dirty);
    memory.swap.swapFree(slot);
  }
  yield* folioUnlockAndPut(memory, pfn);
  return 0;
}

/**
 * Moves a locked, unmapped page from its file to the swap cache; it is the caller's to write. False when swap is full.
 * Linux: part of mm/shmem.c:shmem_writepage()
 */
export function shmemSwapOut(memory: Memory, pfn: number): boolean {
  const { frames } = memory;
  assert(folioIsLocked(memory, pfn) && frames.folioMapcount(pfn) === 0, 'pfn % is mapped or not locked', pfn);
  const mapping = memory.mappings.get(frames.mapping(pfn));
  const index = frames.index(pfn);
  if (mapping === undefined || !addToSwap(memory, pfn)) return false;
  const slot = frames.swapSlot(pfn);
  // What fallocate has put there is written as any other page.
  frames.setFlags(pfn, PG.uptodate);
  memory.swap.swapDuplicate(slot);
  filemapRemoveFolio(memory, pfn);
  mapping.pages.set(index, swapIndex(slot));
  return true;
}

/** Frees the slot of a page that is in swap. Linux: mm/shmem.c:shmem_free_swap() */
export function shmemFreeSwap(memory: Memory, mapping: AddressSpace, index: number): void {
  const found = mapping.pages.get(index);
  assert(found < 0, 'page % of mapping % is not in swap', index, mapping.id);
  mapping.pages.set(index, 0);
  freeSwapAndCache(memory, -1 - found);
}
