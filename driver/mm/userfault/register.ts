import { EBUSY, EINVAL, ENOMEM, EPERM } from '../../../uapi/errno.js';
import { UFFD_FEATURE } from '../../../uapi/userfaultfd.js';
import type { Coroutine } from '../../core/effect.js';
import { isHugeAligned } from '../tables/page-align.js';
import { mmput } from '../vmas/exit-mmap.js';
import { mmapAssertWriteLocked, mmgetNotZero } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { findVmaIntersection } from '../vmas/vma-list.js';
import { vmaModifyFlags } from '../vmas/vma-merge.js';
import { type UserfaultCtx, VM_UFFD_FLAGS, vmaCanUserfault } from './ctx.js';
import { userfaultfdResetCtx } from './userfault-events.js';
import { uffdWpRange } from './wp.js';

interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Faults in [start, end) that `flags`, VM_UFFD bits, name are told to `ctx` from now on. 0 and whether hugetlb memory is among it; or a
 * negative errno. Linux: part of fs/userfaultfd.c:userfaultfd_register()
 */
export function* registerRange(
  ctx: UserfaultCtx,
  range: Range,
  flags: number,
): Coroutine<{ error: number; isHugetlb: boolean }> {
  const { mm } = ctx;
  if (!mmgetNotZero(mm)) return { error: -ENOMEM, isHugetlb: false };
  yield* mm.mmapLock.writeLock();
  const checked = checkRange(ctx, range, (vma) => registerError(ctx, vma, { ...range, flags }));
  const error = checked.error || (yield* userfaultfdRegisterRange(ctx, range, flags));
  mm.mmapLock.writeUnlock();
  yield* mmput(mm);
  return { ...checked, error };
}

/** Every vma of the range in turn, to the first that has something against it. */
function checkRange(
  { mm }: UserfaultCtx,
  { start, end }: Range,
  errorOf: (vma: Vma) => number,
): { error: number; isHugetlb: boolean } {
  const first = findVmaIntersection(mm, start, end);
  if (first === null || (first.flags & VM.hugetlb && !isHugeAligned(start)))
    return { error: -EINVAL, isHugetlb: false };
  let isHugetlb = false;
  for (let vma: Vma | null = first; vma !== null; vma = findVmaIntersection(mm, vma.end, end)) {
    const error = errorOf(vma);
    if (error !== 0) return { error, isHugetlb };
    isHugetlb ||= (vma.flags & VM.hugetlb) !== 0;
    if (vma.end >= end) break;
  }
  return { error: 0, isHugetlb };
}

function registerError(ctx: UserfaultCtx, vma: Vma, { end, flags }: { end: number; flags: number }): number {
  if (!vmaCanUserfault(vma, flags, ctx.has(UFFD_FEATURE.wpAsync))) return -EINVAL;
  if (!(vma.flags & VM.maywrite)) return -EPERM;
  if (vma.flags & VM.hugetlb && end <= vma.end && !isHugeAligned(end)) return -EINVAL;
  return vma.userfault !== null && vma.userfault !== ctx ? -EBUSY : 0;
}

/** mmap_lock is held for write. Linux: mm/userfaultfd.c:userfaultfd_register_range() */
function* userfaultfdRegisterRange(ctx: UserfaultCtx, { start, end }: Range, flags: number): Coroutine<number> {
  mmapAssertWriteLocked(ctx.mm);
  for (let at = start; at < end; ) {
    const vma = findVmaIntersection(ctx.mm, at, end);
    if (vma === null) break;
    const part = { start: Math.max(at, vma.start), end: Math.min(end, vma.end) };
    at = part.end;
    if (vma.userfault === ctx && (vma.flags & flags) === flags) continue;
    const changed = yield* setCtx(vma, part, { ctx, flags });
    if (typeof changed === 'number') return changed;
  }
  return 0;
}

function* setCtx(
  vma: Vma,
  part: Range,
  { ctx, flags }: { ctx: UserfaultCtx | null; flags: number },
): Coroutine<Vma | number> {
  const newFlags = (vma.flags & ~VM_UFFD_FLAGS) | flags;
  const changed = yield* vmaModifyFlags(vma, { ...part, flags: newFlags, userfault: ctx });
  if (typeof changed === 'number') return changed;
  changed.flags = newFlags;
  changed.userfault = ctx;
  return changed;
}

/** Faults in the range are nobody's any more; who waits for a missing page goes on. Linux: part of fs/userfaultfd.c:userfaultfd_unregister() */
export function* unregisterRange(ctx: UserfaultCtx, range: Range): Coroutine<number> {
  const { mm } = ctx;
  const { start, end } = range;
  if (!mmgetNotZero(mm)) return -ENOMEM;
  yield* mm.mmapLock.writeLock();
  const wpAsync = ctx.has(UFFD_FEATURE.wpAsync);
  let { error } = checkRange(ctx, range, (vma) => (vmaCanUserfault(vma, vma.flags, wpAsync) ? 0 : -EINVAL));
  for (let at = start; at < end && error === 0; ) {
    const vma = findVmaIntersection(mm, at, end);
    if (vma === null) break;
    const part = { start: Math.max(at, vma.start), end: Math.min(end, vma.end) };
    at = part.end;
    if (vma.userfault === null) continue;
    if (vma.flags & VM.uffdMissing) vma.userfault.wakeUserfault(part.start, part.end);
    const cleared = yield* userfaultfdClearVma(vma, part);
    if (typeof cleared === 'number') error = cleared;
  }
  mm.mmapLock.writeUnlock();
  yield* mmput(mm);
  return error;
}

/** mmap_lock is held for write. Linux: mm/userfaultfd.c:userfaultfd_clear_vma() */
function* userfaultfdClearVma(vma: Vma, part: Range): Coroutine<Vma | number> {
  mmapAssertWriteLocked(vma.mm);
  if (vma.flags & VM.uffdWp) yield* uffdWpRange(vma, part.start, part.end, false);
  return yield* setCtx(vma, part, { ctx: null, flags: 0 });
}

/** The file is closed: nothing is served any more, and whoever waits goes on. Linux: fs/userfaultfd.c:userfaultfd_release() */
export function* userfaultfdRelease(ctx: UserfaultCtx): Coroutine<void> {
  ctx.released = true;
  yield* userfaultfdReleaseAll(ctx);
  ctx.wakeUserfault(0, Number.POSITIVE_INFINITY);
  for (const { queue } of [...ctx.events]) queue.wakeAll();
  ctx.wakePollers();
  ctx.userfaultfdCtxPut();
}

/** Linux: mm/userfaultfd.c:userfaultfd_release_all() */
function* userfaultfdReleaseAll(ctx: UserfaultCtx): Coroutine<void> {
  const { mm } = ctx;
  if (!mmgetNotZero(mm)) return;
  yield* mm.mmapLock.writeLock();
  for (let vma = mm.findVma(0); vma !== null; ) {
    let { end } = vma;
    if (vma.userfault === ctx) {
      const cleared = yield* userfaultfdClearVma(vma, { start: vma.start, end: vma.end });
      if (typeof cleared === 'number') userfaultfdResetCtx(vma);
      else end = cleared.end;
    }
    vma = mm.findVma(end);
  }
  mm.mmapLock.writeUnlock();
  yield* mmput(mm);
}
