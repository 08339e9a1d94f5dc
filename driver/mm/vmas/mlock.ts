import { EAGAIN, EFAULT, EINVAL, ENOMEM } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { alignDown, pageAlign, TWO_64 } from '../tables/page-align.js';
import { TASK_SIZE } from '../tables/page-table.js';
import { type Mm, mmapAssertWriteLocked } from './mm.js';
import { mmPopulate } from './populate.js';
import { VM, VM_LOCKED_MASK, VM_SPECIAL } from './vm-flags.js';
import type { Vma } from './vma.js';
import { vmaModifyFlags } from './vma-merge.js';

const MLOCK_ONFAULT = 1;
const MCL_CURRENT = 1;
const MCL_FUTURE = 2;
const MCL_ONFAULT = 4;

/**
 * mlock(2), mlock2(2): the pages are there and stay. 0; -EINVAL, -ENOMEM for a hole or what can't be read in, -EAGAIN
 * without memory. Deviates: everybody may lock all memory, as root may. Linux: mm/mlock.c:do_mlock()
 */
export function* doMlock(mm: Mm, start: number, len: number, flags = 0): Coroutine<number> {
  if (flags & ~MLOCK_ONFAULT) return -EINVAL;
  const range = wholePages(start, len);
  const bits = flags & MLOCK_ONFAULT ? VM_LOCKED_MASK : VM.locked;
  const error = yield* applyVmaLockFlags(mm, range, bits);
  if (error !== 0) return error;
  const populated = yield* mmPopulate(mm, range.start, range.end, { stopsAtError: true });
  if (populated === -EFAULT) return -ENOMEM;
  return populated === -ENOMEM ? -EAGAIN : populated;
}

/** Linux: mm/mlock.c:munlock() */
export function* munlock(mm: Mm, start: number, len: number): Coroutine<number> {
  return yield* applyVmaLockFlags(mm, wholePages(start, len), 0);
}

function wholePages(start: number, len: number): { start: number; end: number } {
  const first = alignDown(start, PAGE_SIZE);
  return { start: first, end: first + pageAlign(len + (start - first)) };
}

/** Linux: mm/mlock.c:apply_vma_lock_flags(), with its lock */
function* applyVmaLockFlags(mm: Mm, { start, end }: { start: number; end: number }, bits: number): Coroutine<number> {
  if (end < start || end >= TWO_64) return -EINVAL;
  yield* mm.mmapLock.writeLock();
  let error = 0;
  for (let at = start; at < end && error === 0; ) {
    const vma = mm.vmaLookup(at);
    if (vma === null) {
      error = -ENOMEM;
      break;
    }
    const last = Math.min(vma.end, end);
    error = yield* mlockFixup(vma, { start: at, end: last, bits });
    at = last;
  }
  mm.mmapLock.writeUnlock();
  return error;
}

/** mmap_lock is held for write. Linux: mm/mlock.c:mlock_fixup() */
function* mlockFixup(vma: Vma, { start, end, bits }: { start: number; end: number; bits: number }): Coroutine<number> {
  mmapAssertWriteLocked(vma.mm);
  const flags = (vma.flags & ~VM_LOCKED_MASK) | bits;
  if (flags === vma.flags || !vmaSupportsMlock(vma)) return 0;
  const changed = yield* vmaModifyFlags(vma, { start, end, flags });
  if (typeof changed === 'number') return changed;
  changed.flags = flags;
  return 0;
}

/** Linux: mm/internal.h:vma_supports_mlock() */
export function vmaSupportsMlock({ flags }: { flags: number }): boolean {
  return (flags & (VM_SPECIAL | VM.hugetlb)) === 0;
}

/** What is mapped, or what will be. Linux: mm/mlock.c:mlockall() */
export function* mlockall(mm: Mm, flags: number): Coroutine<number> {
  if (flags === 0 || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags === MCL_ONFAULT) return -EINVAL;
  const bits = flags & MCL_ONFAULT ? VM_LOCKED_MASK : VM.locked;
  yield* mm.mmapLock.writeLock();
  mm.defFlags = flags & MCL_FUTURE ? bits : 0;
  if (flags & MCL_CURRENT) yield* applyMlockallFlags(mm, bits);
  mm.mmapLock.writeUnlock();
  if (flags & MCL_CURRENT) yield* mmPopulate(mm, 0, TASK_SIZE);
  return 0;
}

/** Linux: mm/mlock.c:munlockall() */
export function* munlockall(mm: Mm): Coroutine<number> {
  yield* mm.mmapLock.writeLock();
  mm.defFlags = 0;
  yield* applyMlockallFlags(mm, 0);
  mm.mmapLock.writeUnlock();
  return 0;
}

/** What can't be split stays as it is. Linux: mm/mlock.c:apply_mlockall_flags() */
function* applyMlockallFlags(mm: Mm, bits: number): Coroutine<void> {
  for (let vma = mm.findVma(0); vma !== null; ) {
    const { start, end } = vma;
    yield* mlockFixup(vma, { start, end, bits });
    vma = mm.findVma(end);
  }
}

/** Pages of vmas that are locked. Linux: mm->locked_vm */
export function lockedPages(mm: Mm): number {
  return mm.vmas.reduce((sum, { start, end, flags }) => sum + (flags & VM.locked ? (end - start) / PAGE_SIZE : 0), 0);
}
