import { EFAULT, EINTR, EINVAL, ENOSPC, ESRCH } from '../../../../uapi/errno.js';
import { PAGE_IS, PM_SCAN, PM_SCAN_ARG_BYTES } from '../../../../uapi/pm-scan.js';
import { readU64 } from '../../../../uapi/u64.js';
import type { Coroutine } from '../../../core/effect.js';
import { PAGE_SIZE } from '../../../mm/frames/frames.js';
import {
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  type NotifierRange,
} from '../../../mm/notifier.js';
import { TASK_SIZE } from '../../../mm/tables/page-table.js';
import { PagemapRegions } from '../../../mm/tables/pagemap-regions.js';
import { type PagemapScan, pagemapScanRange } from '../../../mm/tables/pagemap-scan.js';
import { mmput } from '../../../mm/vmas/exit-mmap.js';
import { type Mm, mmgetNotZero } from '../../../mm/vmas/mm.js';
import { readUserView, words64, writeUser } from '../../processes/user-memory.js';

const ALL_CATEGORIES = Object.values(PAGE_IS).reduce((sum, bit) => sum | bit, 0);
const ALL_FLAGS = PM_SCAN.wpMatching | PM_SCAN.checkWpAsync;
const WALK_END_OFFSET = 32;
const REGION_BYTES = 24;

interface ScanArgs {
  readonly scan: PagemapScan;
  readonly start: number;
  readonly end: number;
  readonly vec: number;
  readonly regions: PagemapRegions;
}

/** The regions found, or a negative errno. Linux: fs/proc/task_mmu.c:do_pagemap_scan() */
export function* doPagemapScan(mm: Mm, caller: Mm, arg: number): Coroutine<number> {
  if (!mmgetNotZero(mm)) return -ESRCH;
  const record = yield* readUserView(caller, arg, PM_SCAN_ARG_BYTES);
  const args = typeof record === 'number' ? record : pagemapScanGetArgs(record);
  let ret = typeof args === 'number' ? args : yield* scanAll(mm, caller, args);
  if (typeof args !== 'number') {
    const walkEnd = args.regions.walkEnd || args.end;
    if ((yield* writeUser(caller, arg + WALK_END_OFFSET, words64(walkEnd))) !== 0) ret = -EFAULT;
  }
  yield* mmput(mm);
  return ret;
}

/** Linux: fs/proc/task_mmu.c:pagemap_scan_get_args() */
function pagemapScanGetArgs(record: DataView): ScanArgs | number {
  const word = (i: number): number => readU64(record, 8 * i);
  const [size, flags, start, end, vec, vecLen] = [0, 1, 2, 3, 5, 6].map(word) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const masks = [8, 9, 10, 11].map(word);
  if (size !== PM_SCAN_ARG_BYTES || flags > ALL_FLAGS || masks.some((mask) => mask > ALL_CATEGORIES)) return -EINVAL;
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  if (end < start || end > TASK_SIZE) return -EFAULT;
  if (vec === 0 && vecLen > 0) return -EINVAL;
  if (vec !== 0 && vec + vecLen * REGION_BYTES > TASK_SIZE) return -EFAULT;
  const [inverted, mask, anyof, returnMask] = masks as [number, number, number, number];
  return {
    scan: { flags, inverted, mask, anyof, hasOutput: vecLen > 0 },
    start,
    end: Math.ceil(end / PAGE_SIZE) * PAGE_SIZE,
    vec,
    regions: new PagemapRegions(vecLen > 0 ? vecLen : null, word(7) || Number.POSITIVE_INFINITY, returnMask),
  };
}

function* scanAll(mm: Mm, caller: Mm, { scan, start, end, vec, regions }: ScanArgs): Coroutine<number> {
  const { kernel } = mm.memory;
  let count = 0;
  for (let at = start; at < end; at = regions.walkEnd) {
    if (kernel.current.killed) return -EINTR;
    yield* mm.mmapLock.readLock();
    const range: NotifierRange = { mm, start: at, end, event: 'PROTECTION_VMA', owner: null };
    const isTold = (scan.flags & PM_SCAN.wpMatching) !== 0;
    if (isTold) yield* mmuNotifierInvalidateRangeStart(range);
    const ret = yield* pagemapScanRange(mm, { start: at, end }, scan, regions);
    if (isTold) yield* mmuNotifierInvalidateRangeEnd(range);
    mm.mmapLock.readUnlock();
    const found = regions.take();
    const words = found.flatMap((region) => [region.start, region.end, region.categories]);
    if (words.length > 0 && (yield* writeUser(caller, vec + count * REGION_BYTES, words64(...words))) !== 0)
      return -EFAULT;
    count += found.length;
    if (ret !== -ENOSPC && ret !== 0) return ret;
    if (ret === 0 || !regions.hasRoom) break;
  }
  return count;
}
