import { type Coroutine, FINE } from '../../core/effect.js';
import { clearPage, folioGet, folioLock, folioUnlockAndPut } from '../frames/folio.js';
import { PG } from '../frames/frames.js';
import { splitFolio } from '../huge/thp-split-folio.js';
import type { Memory } from '../memory.js';
import { folioMarkDirty } from '../tables/pte-build.js';
import type { AddressSpace } from './address-space.js';
import { filemapRemoveFolio } from './filemap.js';
import { shmemFreeSwap } from './shmem-swap.js';
import type { IndexRange } from './unmap-mapping.js';

/**
 * Frees the pages of a range of indices, which nobody maps. Of a large folio that lies there in part, the rest stays; if it can't be split,
 * as somebody has a reference, all of it does, with zeroes in the range. Linux: mm/shmem.c:shmem_undo_range()
 */
export function* shmemUndoRange(
  memory: Memory,
  mapping: AddressSpace,
  { first, end = Number.POSITIVE_INFINITY }: IndexRange,
): Coroutine<void> {
  if (mapping.fallocEnd > first && mapping.fallocEnd <= end) mapping.fallocEnd = first;
  const range = { first, end };
  for (let from = first; ; ) {
    const indices = mapping.pages.filled(from).filter((index) => index < end);
    for (const index of indices) {
      if (index < from) continue;
      from = Math.max(from, yield* undoIndex(memory, mapping, index, range));
    }
    // What a collapse has filled meanwhile must go too where the file ends.
    if (indices.length === 0 || end !== Number.POSITIVE_INFINITY) return;
  }
}

/** Frees the page of `index`, whatever becomes of it meanwhile. Answers the index behind what can't be freed, else 0. */
function* undoIndex(
  memory: Memory,
  mapping: AddressSpace,
  index: number,
  range: Required<IndexRange>,
): Coroutine<number> {
  for (;;) {
    const pfn = mapping.pages.get(index);
    if (pfn === 0) return 0;
    if (pfn < 0) {
      shmemFreeSwap(memory, mapping, index);
      return 0;
    }
    const head = memory.frames.head(pfn);
    folioGet(memory, head);
    yield* folioLock(memory, head);
    const kept = mapping.pages.get(index) === pfn ? yield* truncateFolio(memory, head, range) : 0;
    yield* folioUnlockAndPut(memory, head);
    if (kept > 0) return kept;
  }
}

/** A folio that lies in the range leaves the file; one that lies there in part is split. It is locked. Answers as `undoIndex`. */
function* truncateFolio(memory: Memory, head: number, { first, end }: Required<IndexRange>): Coroutine<number> {
  memory.frames.assertLocked(head);
  const { frames } = memory;
  const start = frames.index(head);
  const next = start + frames.folioNrPages(head);
  if (start >= first && next <= end) {
    frames.clearFlags(head, PG.dirty);
    filemapRemoveFolio(memory, head);
    return 0;
  }
  const part = { first: Math.max(first, start) - start, end: Math.min(end, next) - start };
  return (yield* truncateInodePartialFolio(memory, head, part)) ? 0 : next;
}

/** Pages of the folio, counted from its head, become zero; false when it can't be split. Linux: mm/truncate.c:truncate_inode_partial_folio() */
function* truncateInodePartialFolio(
  memory: Memory,
  head: number,
  { first, end }: Required<IndexRange>,
): Coroutine<boolean> {
  if (memory.kernel.scheduler.isFine) yield FINE.content;
  clearPage(memory, head + first, end - first);
  folioMarkDirty(memory, head);
  return (yield* splitFolio(memory, head)) === 0;
}
