import { type Coroutine, FINE } from '../../core/effect.js';
import { cacheReferences, filemapRemoveFolio } from '../files/filemap.js';
import { shmemSwapOut } from '../files/shmem-swap.js';
import { folioPut, folioPutbackLru, folioTrylock, folioUnlock } from '../frames/folio.js';
import { type Frames, PG } from '../frames/frames.js';
import { canSplitFolio, splitFolio } from '../huge/thp-split-folio.js';
import type { Memory } from '../memory.js';
import { TlbBatch } from '../tables/tlb.js';
import { addToSwap, deleteFromSwapCache, folioFreeSwap } from './swap-cache.js';
import { tryToUnmap } from './swap-unmap.js';

/** Pages that are flushed and freed together. Linux: PAGEVEC_SIZE */
const FREE_BATCH = 31;

/**
 * Reclaims isolated folios, given with the reference of their isolation: each is unmapped, written if it is dirty, and
 * freed, or put back where that fails. References by the CPU are ignored. Linux: mm/vmscan.c:reclaim_pages()
 */
export function* reclaimPages(memory: Memory, folios: number[]): Coroutine<void> {
  const batch = new TlbBatch();
  const freed: number[] = [];
  const kept: number[] = [];
  const { scheduler } = memory.kernel;
  // A large folio that is split adds its tails to the list.
  for (let i = 0; i < folios.length; i++) {
    const pfn = folios[i]!;
    if (scheduler.isFine) yield FINE.folioLock;
    if (!folioTrylock(memory, pfn)) {
      kept.push(pfn);
      continue;
    }
    const shrunk = yield* shrinkFolio(memory, pfn, { folios, batch });
    if (shrunk !== 'unlocked') {
      if (scheduler.isFine) yield FINE.folioLock;
      folioUnlock(memory, pfn);
    }
    if (shrunk !== 'freed') kept.push(pfn);
    else if (freed.push(pfn) === FREE_BATCH) putFlushed(memory, freed, batch);
  }
  if (scheduler.isFine) yield FINE.tlb;
  putFlushed(memory, freed, batch);
  for (const pfn of kept) {
    if (scheduler.isFine) yield FINE.lru;
    folioPutbackLru(memory, pfn);
  }
}

/** `freed`: only the isolation's reference of a locked folio is left; `unlocked`: somebody else has the lock by now. */
type Shrunk = 'freed' | 'kept' | 'unlocked';

/** Nobody's TLB may have a page that is free. */
function putFlushed(memory: Memory, freed: number[], batch: TlbBatch): void {
  batch.tryToUnmapFlush();
  for (const pfn of freed.splice(0)) folioPut(memory, pfn);
}

/** Not in memory that SHM_LOCK locks; in that of mlock is seen when the folio is unmapped. Linux: part of mm/internal.h:folio_evictable() */
function folioEvictable({ frames, mappings }: Memory, pfn: number): boolean {
  return frames.hasFlags(pfn, PG.anon) || mappings.get(frames.mapping(pfn))?.isUnevictable !== true;
}

/** Linux: part of mm/vmscan.c:shrink_folio_list() */
function* shrinkFolio(
  memory: Memory,
  pfn: number,
  { folios, batch }: { folios: number[]; batch: TlbBatch },
): Coroutine<Shrunk> {
  memory.frames.assertLocked(pfn);
  const { frames, kernel } = memory;
  if (!folioEvictable(memory, pfn)) return 'kept';
  const isAnonSwapbacked = frames.isAnon(pfn) && frames.hasFlags(pfn, PG.swapbacked);
  if (isAnonSwapbacked && !frames.hasFlags(pfn, PG.swapcache)) {
    if (frames.folioMaybeDmaPinned(pfn)) return 'kept';
    if (frames.order(pfn) > 0) {
      if (!canSplitFolio(memory, pfn)) return 'kept';
      if ((yield* splitForSwap(memory, pfn, folios)) !== 0) return 'kept';
    }
    if (!addToSwap(memory, pfn)) return 'kept';
  }
  if (frames.folioMapcount(pfn) > 0) yield* tryToUnmap(memory, pfn, { batch });
  if (frames.folioMapcount(pfn) > 0 || frames.folioMaybeDmaPinned(pfn)) {
    if (memory.swap.vmSwapFull) folioFreeSwap(memory, pfn);
    return 'kept';
  }
  if (frames.hasFlags(pfn, PG.dirty)) {
    // What is written out must be what the program wrote last. Linux: mm/rmap.c:try_to_unmap_flush_dirty()
    batch.tryToUnmapFlush();
    if (kernel.scheduler.isFine) yield FINE.refcount;
    if (frames.order(pfn) > 0 && !(yield* splitToWrite(memory, pfn, folios))) return 'kept';
    if (!pageout(memory, pfn)) return 'kept';
    // The folio is unlocked while it is written. Linux: mm/page_io.c:swap_writepage()
    folioUnlock(memory, pfn);
    if (kernel.scheduler.isFine) yield FINE.folioLock;
    if (frames.hasFlags(pfn, PG.dirty) || !folioTrylock(memory, pfn)) return 'unlocked';
    if (frames.hasFlags(pfn, PG.dirty)) return 'kept';
  }
  if (kernel.scheduler.isFine) yield FINE.refcount;
  return removeMapping(memory, pfn) ? 'freed' : 'kept';
}

/** The isolation's reference and those of the page cache are the only ones. Linux: mm/vmscan.c:is_page_cache_freeable() */
function isPageCacheFreeable(frames: Frames, head: number): boolean {
  return frames.refcount(head) === 1 + cacheReferences(frames, head);
}

/** A large folio of a file, which is dirty, goes to swap in pieces, as `splitForSwap` says. Linux: part of mm/shmem.c:shmem_writepage() */
function* splitToWrite(memory: Memory, head: number, isolated: number[]): Coroutine<boolean> {
  if (!isPageCacheFreeable(memory.frames, head) || memory.swap.capacity === 0) return false;
  return (yield* splitFolio(memory, head, { isolated })) === 0;
}

/** Deviates: swap takes small pages only, as on a device without clusters. Linux: part of mm/vmscan.c:shrink_folio_list() */
function* splitForSwap(memory: Memory, head: number, isolated: number[]): Coroutine<number> {
  const order = memory.frames.order(head);
  const isPartial = memory.frames.hasFlags(head, PG.partiallyMapped);
  const error = yield* splitFolio(memory, head, { isolated });
  if (error === 0 && !isPartial) memory.mthpStats.countMthpStat(order, 'swpout_fallback');
  return error;
}

/**
 * Writes a dirty folio to swap. False when it can't be dropped then: it is referenced, or swap is full.
 * Deviates: writing is done at once. On a disk the folio would stay in the swap cache until memory is short, which an
 * allocator without reclaim could not undo. Linux: mm/vmscan.c:pageout(), mm/page_io.c:swap_writepage()
 */
function pageout(memory: Memory, pfn: number): boolean {
  const { frames, swap } = memory;
  if (!isPageCacheFreeable(frames, pfn)) return false;
  if (!frames.hasFlags(pfn, PG.swapcache) && !shmemSwapOut(memory, pfn)) return false;
  frames.clearFlags(pfn, PG.dirty);
  const slot = frames.swapSlot(pfn);
  if (folioFreeSwap(memory, pfn)) return false;
  swap.write(slot, memory.bytes, pfn);
  return true;
}

/**
 * Takes an unmapped clean folio out of its cache if nobody else has a reference. The folio is locked.
 * Linux: mm/vmscan.c:__remove_mapping()
 */
function removeMapping(memory: Memory, pfn: number): boolean {
  memory.frames.assertLocked(pfn);
  const { frames } = memory;
  const flags = frames.flags(pfn);
  // Lazyfree memory is in no cache.
  if (flags & PG.anon && !(flags & PG.swapbacked)) return frames.refcount(pfn) === 1;
  if (frames.mapping(pfn) === 0 && !(flags & PG.swapcache)) return false;
  if (frames.refcount(pfn) !== 2 || flags & PG.dirty) return false;
  if (flags & PG.swapcache) deleteFromSwapCache(memory, pfn);
  else filemapRemoveFolio(memory, pfn);
  return true;
}
