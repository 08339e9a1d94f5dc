import { ENOMEM } from '../../uapi/errno.js';
import { assert } from '../core/assert.js';
import type { Coroutine } from '../core/effect.js';
import type { AddressSpace } from './address-space.js';
import { folioGet, folioPut, folioUnlock } from './folio.js';
import { PG } from './frames.js';
import type { Memory } from './memory.js';
import { deleteFromSwapCache, freeSwapAndCache } from './swap-cache.js';
import { swapCacheFolioLocked } from './swap-in.js';

/** How a page cache names a swap slot, and back. */
function slotOf(entry: number): number {
  return -1 - entry;
}

/**
 * Moves a locked, unmapped page of a tmpfs file to the swap cache and writes it. False without a free slot. The page is
 * then anybody's who drops it from the swap cache. Linux: mm/shmem.c:shmem_writepage()
 */
export function shmemWritepage(memory: Memory, pfn: number): boolean {
  const { frames, swap } = memory;
  const mapping = memory.mappings.get(frames.mapping[pfn]!);
  const index = frames.index[pfn]!;
  assert(mapping !== undefined && mapping.pages[index] === pfn, `pfn ${pfn} is not in the page cache`);
  const slot = swap.alloc(pfn);
  if (slot === 0) return false;
  swap.dup(slot);
  // The file's reference becomes the swap cache's.
  mapping.pages[index] = -1 - slot;
  frames.mapping[pfn] = 0;
  frames.flags[pfn]! |= PG.swapcache;
  frames.flags[pfn]! &= ~PG.dirty;
  frames.swapSlot[pfn] = slot;
  swap.write(slot, memory.bytes, pfn);
  return true;
}

/** Brings the page back that `index` has in swap; 0 or -ENOMEM. Linux: mm/shmem.c:shmem_swapin_folio() */
export function* shmemSwapinFolio(memory: Memory, mapping: AddressSpace, index: number): Coroutine<number> {
  const { frames, swap } = memory;
  const entry = mapping.pages[index]!;
  const slot = slotOf(entry);
  const pfn = yield* swapCacheFolioLocked(memory, slot);
  if (pfn === 0) return -ENOMEM;
  if (mapping.pages[index] === entry && swap.cachedPfn(slot) === pfn) {
    mapping.pages[index] = pfn;
    frames.mapping[pfn] = mapping.id;
    frames.index[pfn] = index;
    frames.flags[pfn]! |= PG.dirty;
    folioGet(memory, pfn);
    deleteFromSwapCache(memory, pfn);
    swap.free(slot);
  }
  folioUnlock(memory, pfn);
  folioPut(memory, pfn);
  return 0;
}

/** Frees the slot of a page that is in swap. Linux: mm/shmem.c:shmem_free_swap() */
export function shmemForgetSwap(memory: Memory, mapping: AddressSpace, index: number): void {
  const slot = slotOf(mapping.pages[index]!);
  mapping.pages[index] = 0;
  freeSwapAndCache(memory, slot);
}
