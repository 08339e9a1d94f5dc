import { EACCES, EAGAIN, EFAULT, EHWPOISON, EINTR, EINVAL, ENOMEM, EOPNOTSUPP } from '../../../uapi/errno.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '../../../uapi/fcntl.js';
import {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_REMOVE,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
} from '../../../uapi/mman.js';
import type { Coroutine } from '../../core/effect.js';
import { faultinPageRange } from '../faults/gup.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { khugepagedEnterVma } from '../huge/khugepaged-enter.js';
import { madviseCollapse } from '../huge/madvise-collapse.js';
import { madvisePageout } from '../swap/pageout.js';
import { alignDown, isHugeAligned, isPageAligned, pageAlign, TWO_64 } from '../tables/page-align.js';
import { zapPageRangeSingle } from '../tables/zap.js';
import { userfaultfdRemove } from '../userfault/userfault-events.js';
import { madviseCold, madviseWillneed } from './madvise-cold.js';
import { madviseFreeSingleVma } from './madvise-free.js';
import { type Mm, mmapAssertLocked } from './mm.js';
import { VM, VM_SPECIAL } from './vm-flags.js';
import { type Vma, vmaIsAnonymous } from './vma.js';
import { vmaModifyFlags } from './vma-merge.js';

/** Advice that works on pages, under mmap_lock held for read. Linux: mm/madvise.c:madvise_need_mmap_write() */
const READ_LOCK_ADVICE = new Set([
  MADV_REMOVE,
  MADV_WILLNEED,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_COLD,
  MADV_PAGEOUT,
  MADV_FREE,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_COLLAPSE,
]);

/**
 * Advice that changes vma flags; the values are those of the flags to set and to clear.
 * Deviates: MADV_MERGEABLE and UNMERGEABLE (a kernel without KSM), HWPOISON and SOFT_OFFLINE are -EINVAL.
 */
const FLAG_ADVICE = new Map<number, { readonly set: number; readonly clear: number }>([
  [MADV_NORMAL, { set: 0, clear: VM.randRead | VM.seqRead }],
  [MADV_SEQUENTIAL, { set: VM.seqRead, clear: VM.randRead }],
  [MADV_RANDOM, { set: VM.randRead, clear: VM.seqRead }],
  [MADV_DONTFORK, { set: VM.dontcopy, clear: 0 }],
  [MADV_DOFORK, { set: 0, clear: VM.dontcopy }],
  [MADV_WIPEONFORK, { set: VM.wipeonfork, clear: 0 }],
  [MADV_KEEPONFORK, { set: 0, clear: VM.wipeonfork }],
  [MADV_DONTDUMP, { set: VM.dontdump, clear: 0 }],
  [MADV_DODUMP, { set: 0, clear: VM.dontdump }],
  [MADV_HUGEPAGE, { set: VM.hugepage, clear: VM.nohugepage }],
  [MADV_NOHUGEPAGE, { set: VM.nohugepage, clear: VM.hugepage }],
]);

/**
 * The system call. 0; -EINVAL (unknown, not aligned, not for this memory), -ENOMEM (a gap: what else lies in the range
 * is done), -EAGAIN (too many vmas), and what POPULATE and COLLAPSE add. Linux: mm/madvise.c:do_madvise()
 */
export function* doMadvise(mm: Mm, start: number, len: number, advice: number): Coroutine<number> {
  const isRead = READ_LOCK_ADVICE.has(advice);
  if (!isRead && !FLAG_ADVICE.has(advice)) return -EINVAL;
  if (!isPageAligned(start)) return -EINVAL;
  const aligned = pageAlign(len);
  if (len !== 0 && aligned === 0) return -EINVAL;
  const end = start + aligned;
  if (end >= TWO_64) return -EINVAL;
  if (end === start) return 0;
  if (isRead) yield* mm.mmapLock.readLock();
  else yield* mm.mmapLock.writeLock();
  const isPopulate = advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE;
  const result = isPopulate
    ? yield* madvisePopulate(mm, { start, end, write: advice === MADV_POPULATE_WRITE })
    : yield* madviseWalkVmas(mm, { start, end, advice });
  if (isRead) mm.mmapLock.readUnlock();
  else mm.mmapLock.writeUnlock();
  return result;
}

interface Advice {
  readonly start: number;
  readonly end: number;
  readonly advice: number;
}

/**
 * Gaps are passed over, but make the answer -ENOMEM; an error ends the walk. mmap_lock is held.
 * Linux: mm/madvise.c:madvise_walk_vmas()
 */
function* madviseWalkVmas(mm: Mm, { start, end, advice }: Advice): Coroutine<number> {
  mmapAssertLocked(mm);
  let unmapped = 0;
  for (let at = start; at < end; ) {
    const vma = mm.findVma(at);
    if (vma === null) return -ENOMEM;
    if (at < vma.start) {
      unmapped = -ENOMEM;
      at = vma.start;
      if (at >= end) break;
    }
    const last = Math.min(vma.end, end);
    const error = yield* madviseVmaBehavior(vma, { start: at, end: last, advice });
    if (error !== 0) return error;
    at = last;
  }
  return unmapped;
}

/** Linux: mm/madvise.c:madvise_vma_behavior() */
function* madviseVmaBehavior(vma: Vma, part: Advice): Coroutine<number> {
  const { start, end, advice } = part;
  switch (advice) {
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
    case MADV_FREE:
      return yield* madviseDontneedFree(vma, part);
    case MADV_COLD:
      return yield* madviseCold(vma, start, end);
    case MADV_PAGEOUT:
      return yield* madvisePageout(vma, start, end);
    case MADV_WILLNEED:
      return yield* madviseWillneed(vma, start, end);
    case MADV_REMOVE:
      return yield* madviseRemove(vma, start, end);
    case MADV_COLLAPSE:
      return yield* madviseCollapse(vma, start, end);
    default:
      return yield* adviseFlags(vma, part);
  }
}

/** A hole in the file, punched without mmap_lock. Linux: mm/madvise.c:madvise_remove() */
function* madviseRemove(vma: Vma, start: number, end: number): Coroutine<number> {
  const { mm, file, flags } = vma;
  if (flags & VM.locked || (file === null && !(flags & VM.hugetlb))) return -EINVAL;
  const writable = VM.shared | VM.maywrite;
  if ((flags & writable) !== writable) return -EACCES;
  if (file === null || file.mapping === null) return -EOPNOTSUPP;
  const offset = vma.linearPageIndex(start) * PAGE_SIZE;
  file.get();
  if (yield* userfaultfdRemove(vma, start, end)) mm.mmapLock.readUnlock();
  const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  const error = yield* file.fallocate({ mode, offset, len: end - start });
  yield* file.put();
  yield* mm.mmapLock.readLock();
  return error;
}

/** Linux: mm/madvise.c:madvise_dontneed_free() */
function* madviseDontneedFree(of: Vma, { start, end, advice }: Advice): Coroutine<number> {
  let vma: Vma | null = of;
  let last = madviseDontneedFreeValidVma(vma, { start, end, advice });
  if (last < 0) return last;
  if (start === last) return 0;
  if (!(yield* userfaultfdRemove(vma, start, last))) {
    const { mm } = vma;
    yield* mm.mmapLock.readLock();
    vma = mm.vmaLookup(start);
    if (vma === null) return -ENOMEM;
    last = Math.min(madviseDontneedFreeValidVma(vma, { start, end: last, advice }), vma.end);
    if (last <= start) return Math.min(last, 0);
  }
  if (advice === MADV_FREE) return yield* madviseFreeSingleVma(vma, start, last);
  yield* zapPageRangeSingle(vma, start, last);
  return 0;
}

/** Where the part that can be given up ends, or -EINVAL. Linux: mm/madvise.c:madvise_dontneed_free_valid_vma() */
function madviseDontneedFreeValidVma({ flags }: Vma, { start, end, advice }: Advice): number {
  if (flags & VM.hugetlb) {
    return advice === MADV_FREE || !isHugeAligned(start) ? -EINVAL : alignDown(end, HPAGE_PMD_SIZE);
  }
  return flags & VM.pfnmap || (flags & VM.locked && advice !== MADV_DONTNEED_LOCKED) ? -EINVAL : end;
}

function* adviseFlags(vma: Vma, { start, end, advice }: Advice): Coroutine<number> {
  const error = flagError(vma, advice);
  if (error !== 0) return error;
  const { set, clear } = FLAG_ADVICE.get(advice)!;
  const flags = (vma.flags & ~clear) | set;
  if (flags === vma.flags) return 0;
  if (advice === MADV_HUGEPAGE) khugepagedEnterVma(vma, flags);
  const changed = yield* vmaModifyFlags(vma, { start, end, flags });
  if (typeof changed === 'number') return changed === -ENOMEM ? -EAGAIN : changed;
  changed.flags = flags;
  return 0;
}

function flagError(vma: Vma, advice: number): number {
  switch (advice) {
    case MADV_DOFORK:
      return vma.flags & VM.io ? -EINVAL : 0;
    case MADV_WIPEONFORK:
      return vmaIsAnonymous(vma) ? 0 : -EINVAL;
    case MADV_DODUMP:
      return !(vma.flags & VM.hugetlb) && vma.flags & VM_SPECIAL ? -EINVAL : 0;
    default:
      return 0;
  }
}

const POPULATE_ERRORS: ReadonlySet<number> = new Set([-EINTR, -EINVAL, -EHWPOISON, -EFAULT]);

/** mmap_lock is held. Linux: mm/madvise.c:madvise_populate() */
function* madvisePopulate(
  mm: Mm,
  { start, end, write }: { start: number; end: number; write: boolean },
): Coroutine<number> {
  mmapAssertLocked(mm);
  for (let addr = start; addr < end; ) {
    const done = yield* faultinPageRange(mm, addr, end, write);
    if (done < 0) return POPULATE_ERRORS.has(done) ? done : -ENOMEM;
    addr += done * PAGE_SIZE;
  }
  return 0;
}
