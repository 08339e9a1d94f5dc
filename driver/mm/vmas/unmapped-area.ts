import { EINVAL, ENOMEM } from '../../../uapi/errno.js';
import { MAP_FIXED } from '../../../uapi/mman.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { alignDown, alignUp, isHugeAligned, isPageAligned } from '../tables/page-align.js';
import { TASK_SIZE } from '../tables/page-table.js';
import { type Mm, mmapAssertLocked } from './mm.js';

/** Mappings are placed below this; the stack would be above. Linux: mm->mmap_base on x86-64 without ASLR. */
const MMAP_BASE = 0x7ffff7fff000;
/** Where the search from below begins when there is no room under MMAP_BASE. Linux: TASK_UNMAPPED_BASE */
const TASK_UNMAPPED_BASE = alignUp(TASK_SIZE / 3, PAGE_SIZE);
/** Linux: CONFIG_DEFAULT_MMAP_MIN_ADDR */
export const MMAP_MIN_ADDR = 0x10000;

/** A place that is looked for: `addr` is where (MAP_FIXED), or a hint, 0 for none. */
export interface AreaRequest {
  readonly addr: number;
  readonly len: number;
  /** MAP_* bits; only MAP_FIXED counts. */
  readonly flags: number;
  /** hugetlb memory lies on 2 MiB borders. */
  readonly isHugetlb: boolean;
  /** Private anonymous memory, which is put on a 2 MiB border when its length is a multiple of it. */
  readonly isAnonymous: boolean;
}

/** An address for a mapping, or -ENOMEM, or -EINVAL. mmap_lock is held. Linux: mm/mmap.c:__get_unmapped_area() */
export function getUnmappedArea(mm: Mm, request: AreaRequest): number {
  mmapAssertLocked(mm);
  const { addr, len } = request;
  if (len > TASK_SIZE) return -ENOMEM;
  let found: number;
  if (request.isHugetlb) found = hugetlbGetUnmappedArea(mm, request);
  else if (request.isAnonymous && addr === 0 && isHugeAligned(len)) found = thpGetUnmappedArea(mm, request);
  else found = archGetUnmappedAreaTopdown(mm, request);
  if (found < 0) return found;
  if (found > TASK_SIZE - len) return -ENOMEM;
  return isPageAligned(found) ? found : -EINVAL;
}

/** Linux: arch/x86/kernel/sys_x86_64.c:arch_get_unmapped_area_topdown() */
function archGetUnmappedAreaTopdown(mm: Mm, { addr, len, flags }: AreaRequest): number {
  if (flags & MAP_FIXED) return addr;
  const hint = alignDown(addr, PAGE_SIZE);
  if (hint !== 0 && isRoom(mm, hint, len)) return hint;
  return search(mm, len, PAGE_SIZE);
}

/** Linux: arch/x86/mm/hugetlbpage.c:hugetlb_get_unmapped_area() */
function hugetlbGetUnmappedArea(mm: Mm, { addr, len, flags }: AreaRequest): number {
  if (!isHugeAligned(len)) return -EINVAL;
  if (flags & MAP_FIXED) return isHugeAligned(addr) ? addr : -EINVAL;
  const hint = alignUp(addr, HPAGE_PMD_SIZE);
  if (hint !== 0 && isRoom(mm, hint, len)) return hint;
  return search(mm, len, HPAGE_PMD_SIZE);
}

/** A place with 2 MiB more than asked holds one on a 2 MiB border. Linux: mm/huge_memory.c:__thp_get_unmapped_area() */
function thpGetUnmappedArea(mm: Mm, request: AreaRequest): number {
  if (request.flags & MAP_FIXED) return request.addr;
  const found = archGetUnmappedAreaTopdown(mm, { ...request, len: request.len + HPAGE_PMD_SIZE });
  if (found < 0) return archGetUnmappedAreaTopdown(mm, request);
  return alignDown(found + HPAGE_PMD_SIZE, HPAGE_PMD_SIZE);
}

/** Is `addr` a hint that can be followed? Linux: part of arch/x86/kernel/sys_x86_64.c:arch_get_unmapped_area_topdown() */
function isRoom(mm: Mm, addr: number, len: number): boolean {
  if (addr > TASK_SIZE - len) return false;
  const vma = mm.findVma(addr);
  return vma === null || addr + len <= vma.start;
}

/** The highest free place below MMAP_BASE, or else the lowest one from TASK_UNMAPPED_BASE on; -ENOMEM without. */
function search(mm: Mm, len: number, align: number): number {
  const found = unmappedAreaTopdown(mm, len, align);
  return found >= 0 ? found : unmappedArea(mm, len, align);
}

/** Linux: mm/mmap.c:unmapped_area_topdown() */
function unmappedAreaTopdown(mm: Mm, len: number, align: number): number {
  const needed = len + align - PAGE_SIZE;
  let gapEnd = MMAP_BASE;
  for (let i = mm.findVmaIndex(MMAP_BASE - 1); i >= -1; i--) {
    const vma = mm.vmas[i];
    const gapStart = i < 0 ? MMAP_MIN_ADDR : Math.max(MMAP_MIN_ADDR, vma?.end ?? MMAP_MIN_ADDR);
    const isBehindAll = vma === undefined && i >= 0;
    if (isBehindAll) continue;
    if (gapEnd - gapStart >= needed) return alignDown(gapEnd - len, align);
    if (vma !== undefined) gapEnd = Math.min(gapEnd, vma.start);
  }
  return -ENOMEM;
}

/** Linux: mm/mmap.c:unmapped_area() */
function unmappedArea(mm: Mm, len: number, align: number): number {
  const needed = len + align - PAGE_SIZE;
  let gapStart = TASK_UNMAPPED_BASE;
  for (let i = mm.findVmaIndex(TASK_UNMAPPED_BASE); ; i++) {
    const gapEnd = Math.min(TASK_SIZE, mm.vmas[i]?.start ?? TASK_SIZE);
    if (gapEnd - gapStart >= needed) return alignUp(gapStart, align);
    if (i >= mm.vmas.length) return -ENOMEM;
    gapStart = mm.vmas[i]!.end;
  }
}
