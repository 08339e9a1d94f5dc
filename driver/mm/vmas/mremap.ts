import { EFAULT, EINVAL, ENOMEM } from '../../../uapi/errno.js';
import { MAP_FIXED, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from '../../../uapi/mman.js';
import type { Coroutine } from '../../core/effect.js';
import { unlinkAnonVmas } from '../frames/anon-rmap.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { movePageTables } from '../tables/move-page-tables.js';
import { alignUp, isHugeAligned, isPageAligned, pageAlign } from '../tables/page-align.js';
import { TASK_SIZE } from '../tables/page-table.js';
import { mremapUserfaultfdPrep } from '../userfault/userfault-events.js';
import { copyVma } from './copy-vma.js';
import { type Mm, mayExpandVm, mmapAssertWriteLocked, vmEnoughMemory } from './mm.js';
import { AfterUnlock, doVmiMunmap } from './munmap.js';
import { mmPopulate } from './populate.js';
import { getUnmappedArea } from './unmapped-area.js';
import { VM, VM_LOCKED_MASK } from './vm-flags.js';
import { type Vma, vmaIsAnonymous } from './vma.js';
import { findVmaIntersection, lockRmap, unlockRmap } from './vma-list.js';
import { vmaMergeExtend } from './vma-merge.js';
import { vmaMaySplit } from './vma-split.js';

/** Arguments of mremap(2). `newAddr` counts only with MREMAP_FIXED, and as a hint with MREMAP_DONTUNMAP. */
export interface MremapRequest {
  readonly addr: number;
  readonly oldLen: number;
  readonly newLen: number;
  /** MREMAP_* bits. */
  readonly flags: number;
  readonly newAddr: number;
}

/** A request whose lengths are whole pages, under mmap_lock, with what is to be done afterwards. */
interface Remap extends MremapRequest {
  readonly after: AfterUnlock;
}

const MREMAP_ALL = MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP;

/**
 * The system call: the address where the memory is now, or -EINVAL, -EFAULT (not one vma), -ENOMEM.
 * Linux: mm/mremap.c:mremap()
 */
export function* mremap(mm: Mm, request: MremapRequest): Coroutine<number> {
  const { flags, addr } = request;
  if (flags & ~MREMAP_ALL) return -EINVAL;
  if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE)) return -EINVAL;
  if (flags & MREMAP_DONTUNMAP && request.oldLen !== request.newLen) return -EINVAL;
  if (!isPageAligned(addr)) return -EINVAL;
  const oldLen = pageAlign(request.oldLen);
  const newLen = pageAlign(request.newLen);
  if (newLen === 0) return -EINVAL;
  const after = new AfterUnlock();
  yield* mm.mmapLock.writeLock();
  const result = yield* mremapLocked(mm, { ...request, oldLen, newLen, after });
  const isLocked = result >= 0 && newLen > oldLen && ((mm.vmaLookup(result)?.flags ?? 0) & VM.locked) !== 0;
  mm.mmapLock.writeUnlock();
  yield* after.run();
  if (isLocked) yield* mmPopulate(mm, result + oldLen, result + newLen);
  return result;
}

/** mmap_lock is held for write. */
function* mremapLocked(mm: Mm, request: Remap): Coroutine<number> {
  mmapAssertWriteLocked(mm);
  const vma = mm.vmaLookup(request.addr);
  if (vma === null) return -EFAULT;
  const remap = vma.flags & VM.hugetlb ? hugetlbRemap(request) : request;
  if (remap === null) return -EINVAL;
  const { addr, oldLen, newLen, flags, after } = remap;
  if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) return yield* mremapTo(mm, remap);
  if (oldLen === newLen) return addr;
  if (oldLen > newLen) {
    const error = yield* doVmiMunmap(mm, { addr: addr + newLen, len: oldLen - newLen, after });
    return error !== 0 ? error : addr;
  }
  return yield* growOrMove(mm, remap);
}

/** Whole 2 MiB pages, and no growing; null for what is not aligned so. */
function hugetlbRemap(request: Remap): Remap | null {
  if (!isHugeAligned(request.addr) || !isHugeAligned(request.newAddr)) return null;
  const oldLen = alignUp(request.oldLen, HPAGE_PMD_SIZE);
  const newLen = alignUp(request.newLen, HPAGE_PMD_SIZE);
  return newLen > oldLen ? null : { ...request, oldLen, newLen };
}

function* growOrMove(mm: Mm, remap: Remap): Coroutine<number> {
  const { addr, oldLen, newLen } = remap;
  const vma = vmaToResize(mm, remap);
  if (typeof vma === 'number') return vma;
  const delta = newLen - oldLen;
  if (oldLen === vma.end - addr && vmaExpandable(mm, vma, delta)) {
    if (!mayAccount(vma, delta)) return -ENOMEM;
    const grown = yield* vmaMergeExtend(mm, vma, delta);
    return grown === null ? -ENOMEM : addr;
  }
  if (!(remap.flags & MREMAP_MAYMOVE)) return -ENOMEM;
  const newAddr = areaFor(mm, vma, { addr: 0, len: newLen, flags: 0 });
  if (newAddr < 0) return newAddr;
  return yield* moveVma(mm, vma, { ...remap, newAddr });
}

/** May so many bytes more be mapped as `vma` is? */
function mayAccount({ mm, flags }: Vma, bytes: number): boolean {
  return !(flags & VM.account) || vmEnoughMemory(mm.memory, bytes / PAGE_SIZE);
}

/** Linux: mm/mremap.c:vma_expandable() */
function vmaExpandable(mm: Mm, vma: Vma, delta: number): boolean {
  const end = vma.end + delta;
  return end <= TASK_SIZE && findVmaIntersection(mm, vma.end, end) === null;
}

function areaFor(mm: Mm, vma: Vma, { addr, len, flags }: { addr: number; len: number; flags: number }): number {
  const isHugetlb = (vma.flags & VM.hugetlb) !== 0;
  return getUnmappedArea(mm, { addr, len, flags, isHugetlb, isAnonymous: vma.file === null });
}

/** The destination is given, or the source stays mapped. Linux: mm/mremap.c:mremap_to() */
function* mremapTo(mm: Mm, remap: Remap): Coroutine<number> {
  const { addr, newAddr, newLen, flags, after } = remap;
  let { oldLen } = remap;
  if (!isPageAligned(newAddr)) return -EINVAL;
  if (newLen > TASK_SIZE || newAddr > TASK_SIZE - newLen) return -EINVAL;
  if (addr + oldLen > newAddr && newAddr + newLen > addr) return -EINVAL;
  if (mm.vmas.length + 2 >= mm.memory.maxMapCount - 3) return -ENOMEM;
  if (flags & MREMAP_FIXED) {
    const error = yield* doVmiMunmap(mm, { addr: newAddr, len: newLen, after });
    if (error !== 0) return error;
  }
  if (oldLen > newLen) {
    const error = yield* doVmiMunmap(mm, { addr: addr + newLen, len: oldLen - newLen, after });
    if (error !== 0) return error;
    oldLen = newLen;
  }
  const vma = vmaToResize(mm, { ...remap, oldLen });
  if (typeof vma === 'number') return vma;
  if (flags & MREMAP_DONTUNMAP && !mayExpandVm(mm, oldLen / PAGE_SIZE)) return -ENOMEM;
  const isFixed = (flags & MREMAP_FIXED) !== 0;
  const area = areaFor(mm, vma, { addr: newAddr, len: newLen, flags: isFixed ? MAP_FIXED : 0 });
  if (area < 0) return area;
  return yield* moveVma(mm, vma, { ...remap, oldLen, newAddr: isFixed ? newAddr : area });
}

/** The vma of the source, if it may get the new size. Linux: mm/mremap.c:vma_to_resize() */
function vmaToResize(mm: Mm, { addr, oldLen, newLen, flags }: Remap): Vma | number {
  const vma = mm.vmaLookup(addr);
  if (vma === null) return -EFAULT;
  if (oldLen === 0 && !(vma.flags & (VM.shared | VM.mayshare))) return -EINVAL;
  const isFixedSize = (vma.flags & (VM.dontexpand | VM.pfnmap)) !== 0;
  if (flags & MREMAP_DONTUNMAP && isFixedSize) return -EINVAL;
  if (oldLen > vma.end - addr) return -EFAULT;
  if (newLen !== oldLen && isFixedSize) return -EFAULT;
  return newLen > oldLen && !mayExpandVm(mm, (newLen - oldLen) / PAGE_SIZE) ? -ENOMEM : vma;
}

/**
 * Copies the vma, moves its entries and unmaps the source. mmap_lock is held for write.
 * Linux: mm/mremap.c:move_vma()
 */
function* moveVma(mm: Mm, source: Vma, remap: Remap): Coroutine<number> {
  mmapAssertWriteLocked(mm);
  const { addr, oldLen, newAddr, newLen, flags, after } = remap;
  const keepSource = (flags & MREMAP_DONTUNMAP) !== 0;
  if (mm.vmas.length >= mm.memory.maxMapCount - 3) return -ENOMEM;
  const error = source.start !== addr ? vmaMaySplit(source, addr) : 0;
  const errorBehind = source.end !== addr + oldLen ? vmaMaySplit(source, addr + oldLen) : 0;
  if (error !== 0 || errorBehind !== 0) return error || errorBehind;
  if (!mayAccount(source, keepSource ? newLen : newLen - oldLen)) return -ENOMEM;
  const place = { addr: newAddr, len: newLen, pgoff: source.linearPageIndex(addr), keepSource };
  const { newVma, vma, needRmapLocks } = yield* copyVma(source, place);
  yield* movePageTables({ vma, oldAddr: addr, newVma, newAddr, len: oldLen, needRmapLocks });
  mremapUserfaultfdPrep(newVma, { from: addr, to: newAddr, len: oldLen }, after.events);
  if (keepSource) {
    vma.flags &= ~VM_LOCKED_MASK;
    if (vma.start === addr && vma.end === addr + oldLen) yield* forgetAnonVmas(vma);
    return newAddr;
  }
  yield* doVmiMunmap(mm, { addr, len: oldLen, after });
  return newAddr;
}

/** A source that stays is as if it had never been touched. */
function* forgetAnonVmas(vma: Vma): Coroutine<void> {
  const locks = yield* lockRmap(vma);
  unlinkAnonVmas(vma);
  if (vmaIsAnonymous(vma)) vma.pgoff = vma.start / PAGE_SIZE;
  unlockRmap(locks);
}
