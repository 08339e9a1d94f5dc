import { PAGE_IS } from '../../../uapi/pm-scan.js';
import { ZERO_PFN } from '../frames/frame-allocator.js';
import type { Memory } from '../memory.js';
import { Kind, kindOf, Pte } from './entry.js';

interface Entry {
  readonly lo: number;
  readonly hi: number;
}

/** What PAGEMAP_SCAN tells of a small entry: one that is none counts as written. Linux: fs/proc/task_mmu.c:pagemap_page_category() */
export function pagemapPageCategory(memory: Memory, { lo, hi }: Entry): number {
  if (kindOf(lo) === Kind.none) return PAGE_IS.written;
  const isZero = kindOf(lo) === Kind.present && hi === ZERO_PFN;
  return commonCategory(lo) | (isZero ? PAGE_IS.pfnZero : 0) | (isOfFile(memory, { lo, hi }) ? PAGE_IS.file : 0);
}

/** Linux: fs/proc/task_mmu.c:pagemap_thp_category() */
export function pagemapThpCategory(memory: Memory, { lo, hi }: Entry): number {
  if (kindOf(lo) === Kind.none) return PAGE_IS.huge;
  const isZero = kindOf(lo) === Kind.present && (lo & Pte.special) !== 0;
  const file = isOfFile(memory, { lo, hi }) ? PAGE_IS.file : 0;
  return PAGE_IS.huge | commonCategory(lo) | (isZero ? PAGE_IS.pfnZero : 0) | file;
}

/** Linux: fs/proc/task_mmu.c:pagemap_hugetlb_category() */
export function pagemapHugetlbCategory({ frames }: Memory, { lo, hi }: Entry): number {
  if (kindOf(lo) === Kind.none) return PAGE_IS.huge;
  const isFile = kindOf(lo) === Kind.present && !frames.isAnon(hi);
  return PAGE_IS.huge | commonCategory(lo) | (isFile ? PAGE_IS.file : 0);
}

/** A marker counts as swapped. */
function commonCategory(lo: number): number {
  const where = kindOf(lo) === Kind.present ? PAGE_IS.present : PAGE_IS.swapped;
  return where | (lo & Pte.uffdWp ? 0 : PAGE_IS.written) | (lo & Pte.softDirty ? PAGE_IS.softDirty : 0);
}

function isOfFile({ frames }: Memory, { lo, hi }: Entry): boolean {
  const kind = kindOf(lo);
  if (kind === Kind.swap || kind === Kind.marker || lo & Pte.special) return false;
  return !frames.isAnon(hi);
}
