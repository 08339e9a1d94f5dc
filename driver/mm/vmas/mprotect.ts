import { EACCES, EINVAL, ENOMEM } from '../../../uapi/errno.js';
import { PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_READ, PROT_SEM, PROT_WRITE } from '../../../uapi/mman.js';
import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { changeProtection } from '../tables/change-protection.js';
import { isPageAligned, pageAlign, TWO_64 } from '../tables/page-align.js';
import { type Mm, mmapAssertWriteLocked, vmEnoughMemory } from './mm.js';
import { VM, VM_ACCESS_FLAGS } from './vm-flags.js';
import { type Vma, vmaIsAnonymous } from './vma.js';
import { findVmaIntersection } from './vma-list.js';
import { vmaModifyFlags } from './vma-merge.js';

const PROT_GROWS = PROT_GROWSDOWN | PROT_GROWSUP;
const PROT_ALL = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM;

/**
 * The system call: 0, -EINVAL, -ENOMEM (nothing mapped, or a gap: what lies before it is done), -EACCES.
 * Linux: mm/mprotect.c:do_mprotect_pkey()
 */
export function* doMprotectPkey(mm: Mm, start: number, len: number, prot: number): Coroutine<number> {
  const grows = prot & PROT_GROWS;
  if (grows === PROT_GROWS) return -EINVAL;
  if (!isPageAligned(start)) return -EINVAL;
  if (len === 0) return 0;
  const end = start + pageAlign(len);
  if (end <= start || end >= TWO_64) return -ENOMEM;
  if (prot & ~PROT_GROWS & ~PROT_ALL) return -EINVAL;
  yield* mm.mmapLock.writeLock();
  const result = yield* mprotectLocked(mm, { start, end, prot: prot & PROT_ALL, grows });
  mm.mmapLock.writeUnlock();
  return result;
}

interface ProtectRequest {
  readonly start: number;
  readonly end: number;
  readonly prot: number;
  readonly grows: number;
}

function* mprotectLocked(mm: Mm, { start, end, prot, grows }: ProtectRequest): Coroutine<number> {
  const isDown = (grows & PROT_GROWSDOWN) !== 0;
  const first = findVmaIntersection(mm, start, end);
  if (first === null) return -ENOMEM;
  if (isDown && !(first.flags & VM.growsdown)) return -EINVAL;
  if (!isDown && first.start > start) return -ENOMEM;
  // No vma grows up.
  if (grows & PROT_GROWSUP) return -EINVAL;
  const access = prot & VM_ACCESS_FLAGS;
  let at = isDown ? first.start : start;
  while (at < end) {
    const vma = findVmaIntersection(mm, at, end);
    if (vma === null || vma.start > at) return -ENOMEM;
    const flags = access | (vma.flags & ~VM_ACCESS_FLAGS);
    // VM_MAYREAD and so on lie four bits above VM_READ and so on.
    if (flags & ~(flags >>> 4) & VM_ACCESS_FLAGS) return -EACCES;
    const changed = yield* mprotectFixup(vma, { start: at, end: Math.min(vma.end, end), flags });
    if (typeof changed === 'number') return changed;
    at = changed.end;
  }
  return 0;
}

/** Answers the vma that the range is part of now. mmap_lock is held for write. Linux: mm/mprotect.c:mprotect_fixup() */
function* mprotectFixup(vma: Vma, range: { start: number; end: number; flags: number }): Coroutine<Vma | number> {
  mmapAssertWriteLocked(vma.mm);
  if (range.flags === vma.flags) return vma;
  const flags = accountedFlags(vma, range.flags);
  const isPromised = (flags & ~vma.flags & VM.account) !== 0;
  if (isPromised && !vmEnoughMemory(vma.mm.memory, (range.end - range.start) / PAGE_SIZE)) return -ENOMEM;
  const changed = yield* vmaModifyFlags(vma, { ...range, flags });
  if (typeof changed === 'number') return changed;
  changed.flags = flags;
  yield* changeProtection(changed, range.start, range.end);
  return changed;
}

/**
 * Private memory that becomes writable is accounted, and stays so when it becomes read-only again unless nothing was
 * ever written. All that is seen of it is that vmas which differ in this don't merge.
 */
function accountedFlags(vma: Vma, flags: number): number {
  if (flags & VM.write) {
    const exempt = VM.account | VM.write | VM.hugetlb | VM.shared | VM.noreserve;
    return vma.flags & exempt ? flags : flags | VM.account;
  }
  const isUnused = vmaIsAnonymous(vma) && vma.anonVma === null;
  return isUnused ? flags & ~VM.account : flags;
}
