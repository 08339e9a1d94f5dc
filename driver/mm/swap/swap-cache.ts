import { assert } from '../../core/assert.js';
import { folioGet, folioIsLocked, folioPut, folioTrylock, folioUnlock } from '../frames/folio.js';
import { PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';

/**
 * Gives the locked small folio a slot and puts it in the swap cache, which holds a reference; it is dirty, as the slot
 * has no bytes yet. False when swap is full. Linux: mm/swap_state.c:add_to_swap()
 */
export function addToSwap(memory: Memory, pfn: number): boolean {
  const { frames } = memory;
  assert(folioIsLocked(memory, pfn) && frames.order(pfn) === 0, 'pfn % is not a locked small folio', pfn);
  const slot = memory.swap.folioAllocSwap(pfn);
  if (slot === 0) return false;
  addToSwapCache(memory, pfn, slot);
  frames.setFlags(pfn, PG.dirty);
  return true;
}

/** Linux: mm/swap_state.c:add_to_swap_cache(). The area knows already that `pfn` caches `slot`. */
export function addToSwapCache(memory: Memory, pfn: number, slot: number): void {
  const { frames } = memory;
  frames.assertLocked(pfn);
  assert(memory.swap.cachedPfn(slot) === pfn, 'swap slot % is not cached by pfn %', slot, pfn);
  folioGet(memory, pfn);
  frames.setFlags(pfn, PG.swapcache);
  frames.setSwapSlot(pfn, slot);
}

/** Takes the locked folio out of the swap cache and drops the cache's reference. Linux: mm/swap_state.c:delete_from_swap_cache() */
export function deleteFromSwapCache(memory: Memory, pfn: number): void {
  const { frames } = memory;
  frames.assertLocked(pfn);
  const slot = frames.swapSlot(pfn);
  frames.clearFlags(pfn, PG.swapcache);
  frames.setSwapSlot(pfn, -1);
  memory.swap.clearCached(slot);
  folioPut(memory, pfn);
}

/**
 * Gives up the slot of a locked folio if no entry names it; the folio is dirty then, as it has no other copy. False
 * when it has no slot or the slot is needed. Linux: mm/swapfile.c:folio_free_swap()
 */
export function folioFreeSwap(memory: Memory, pfn: number): boolean {
  memory.frames.assertLocked(pfn);
  const { frames } = memory;
  if (!frames.hasFlags(pfn, PG.swapcache) || memory.swap.swapCount(frames.swapSlot(pfn)) > 0) return false;
  deleteFromSwapCache(memory, pfn);
  frames.setFlags(pfn, PG.dirty);
  return true;
}

/** A page that was just unmapped keeps no slot that nobody needs. Linux: mm/swap_state.c:free_swap_cache() */
export function freeSwapCache(memory: Memory, pfn: number): void {
  const { frames } = memory;
  const head = frames.head(pfn);
  if (!frames.hasFlags(head, PG.swapcache) || frames.folioMapcount(head) > 0 || !folioTrylock(memory, head)) return;
  folioFreeSwap(memory, head);
  folioUnlock(memory, head);
}

/**
 * A SWAP entry that named `slot` is gone. With the last one an unmapped folio leaves the swap cache, if its lock is free.
 * Linux: include/linux/swap.h:free_swap_and_cache()
 */
export function freeSwapAndCache(memory: Memory, slot: number): void {
  const { swap } = memory;
  swap.swapFree(slot);
  const pfn = swap.cachedPfn(slot);
  if (pfn === 0 || swap.swapCount(slot) > 0) return;
  if (memory.frames.folioMapcount(pfn) > 0 && !swap.vmSwapFull) return;
  if (!folioTrylock(memory, pfn)) return;
  // The reference keeps the folio until it is unlocked.
  folioGet(memory, pfn);
  folioFreeSwap(memory, pfn);
  folioUnlock(memory, pfn);
  folioPut(memory, pfn);
}
