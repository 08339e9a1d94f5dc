import { ENXIO } from '../../../uapi/errno.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import type { AddressSpace } from './address-space.js';

/**
 * The first byte from `start` on that is data, or that is in a hole, as there is one behind the end; -ENXIO: none. Pages in swap are data, and
 * what fallocate(2) has put there is none before it is used. Linux: mm/filemap.c:mapping_seek_hole_data()
 */
export function mappingSeekHoleData(
  { frames }: Memory,
  { pages, size }: AddressSpace,
  start: number,
  { data }: { data: boolean },
): number {
  if (start >= size) return -ENXIO;
  let at = start;
  for (const index of pages.filled(Math.floor(start / PAGE_SIZE))) {
    const pos = index * PAGE_SIZE;
    if (pos >= size) break;
    if (at < pos) {
      if (!data) return at;
      at = pos;
    }
    const pfn = pages.get(index);
    const isData = pfn < 0 || frames.hasFlags(frames.head(pfn), PG.uptodate);
    if (isData === data) return at;
    at = pos + PAGE_SIZE;
  }
  return data ? -ENXIO : Math.min(at, size);
}
