import { EINVAL, ENOMEM } from '../../../uapi/errno.js';
import { MAP_HUGE_MASK, MAP_HUGE_SHIFT } from '../../../uapi/mman.js';

const HPAGE_SHIFT = 21;
const GIGANTIC_SHIFT = 30;

/**
 * Which huge pages the flags of mmap, memfd_create or shmget ask for: those of 2 MiB, also where they name none, of 1 GiB, of which the pool
 * is empty, or null. Linux: include/linux/hugetlb.h:hstate_sizelog()
 */
export function hstateSizelog(flags: number): 'pmd' | 'gigantic' | null {
  const sizeLog = (flags >>> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
  if (sizeLog === GIGANTIC_SHIFT) return 'gigantic';
  return sizeLog === 0 || sizeLog === HPAGE_SHIFT ? 'pmd' : null;
}

/** Of who needs the pages at once: 0, -EINVAL or -ENOMEM. */
export function sizelogError(flags: number): number {
  const size = hstateSizelog(flags);
  if (size === null) return -EINVAL;
  return size === 'gigantic' ? -ENOMEM : 0;
}
