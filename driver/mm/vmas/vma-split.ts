import { EINVAL, ENOMEM } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { anonVmaClone } from '../frames/anon-rmap.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { vmaAdjustTransHuge } from '../huge/thp-split-pmd.js';
import { isHugeAligned } from '../tables/page-align.js';
import { mmapAssertWriteLocked } from './mm.js';
import { VM } from './vm-flags.js';
import type { Vma } from './vma.js';
import { insertVma, lockRmap, unlockRmap, vmAreaDup, vmaLinkFile } from './vma-list.js';

/** 0, or -EINVAL when `vma` can't have a border at `addr`. Linux: part of mm/vma.c:__split_vma() and mm/hugetlb.c:hugetlb_vm_op_split() */
export function vmaMaySplit(vma: Vma, addr: number): number {
  return vma.flags & VM.hugetlb && !isHugeAligned(addr) ? -EINVAL : 0;
}

/**
 * Cuts `vma` at `addr`. With `newBelow` the new vma is the lower part, so that `vma` keeps its end, else the upper one.
 * 0, -EINVAL (see `vmaMaySplit`) or -ENOMEM (too many vmas). Linux: mm/vma.c:split_vma()
 */
export function* splitVma(vma: Vma, addr: number, options: { newBelow: boolean }): Coroutine<number> {
  const { memory, vmas } = vma.mm;
  if (vmas.length >= memory.maxMapCount || !memory.kernelMemory.has(1)) return -ENOMEM;
  return yield* splitVmaUnlimited(vma, addr, options);
}

/**
 * As `splitVma`, for munmap, which needs room that it gives back at once. mmap_lock is held for write.
 * Linux: mm/vma.c:__split_vma()
 */
export function* splitVmaUnlimited(vma: Vma, addr: number, { newBelow }: { newBelow: boolean }): Coroutine<number> {
  mmapAssertWriteLocked(vma.mm);
  assert(addr > vma.start && addr < vma.end && addr % PAGE_SIZE === 0, 'a vma is split outside of it');
  const error = vmaMaySplit(vma, addr);
  if (error !== 0) return error;
  const copy = vmAreaDup(vma);
  const pagesBelow = (addr - vma.start) / PAGE_SIZE;
  if (newBelow) {
    copy.end = addr;
  } else {
    copy.start = addr;
    copy.pgoff += pagesBelow;
  }
  const locks = yield* lockRmap(vma);
  anonVmaClone(copy, vma);
  copy.file?.get();
  copy.ops?.open?.(copy);
  yield* vmaAdjustTransHuge(vma, vma.start, addr);
  if (newBelow) {
    vma.start = addr;
    vma.pgoff += pagesBelow;
  } else {
    vma.end = addr;
  }
  insertVma(copy);
  vmaLinkFile(copy);
  unlockRmap(locks);
  return 0;
}
