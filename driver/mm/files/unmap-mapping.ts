import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { type ZapOptions, zapPageRangeSingle } from '../tables/zap.js';
import type { AddressSpace } from './address-space.js';

/** Pages of a file, by their indices. */
export interface IndexRange {
  readonly first: number;
  /** The end of the file when left out. */
  readonly end?: number;
}

/** Linux: mm/memory.c:unmap_mapping_pages() */
export function* unmapMappingPages(
  mapping: AddressSpace,
  { first, end = Number.POSITIVE_INFINITY, evenCows = true }: IndexRange & ZapOptions,
): Coroutine<void> {
  yield* mapping.lock.readLock();
  for (const vma of mapping.vmas) {
    const from = vma.start + Math.max(0, first - vma.pgoff) * PAGE_SIZE;
    const to = Math.min(vma.end, vma.start + Math.max(0, end - vma.pgoff) * PAGE_SIZE);
    if (from < to) yield* zapPageRangeSingle(vma, from, to, { evenCows });
  }
  mapping.lock.readUnlock();
}
