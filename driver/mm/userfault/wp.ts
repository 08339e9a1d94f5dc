import { EAGAIN, EINVAL, ENOENT } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { changeProtection } from '../tables/change-protection.js';
import { isHugeAligned } from '../tables/page-align.js';
import { mmapAssertLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { findVmaIntersection } from '../vmas/vma-list.js';
import type { UserfaultCtx } from './ctx.js';

/** Writes to [start, end) are told of first, or no longer. 0 or -ENOMEM. mmap_lock is held. Linux: mm/userfaultfd.c:uffd_wp_range() */
export function* uffdWpRange(vma: Vma, start: number, end: number, enable: boolean): Coroutine<number> {
  mmapAssertLocked(vma.mm);
  return yield* changeProtection(vma, start, end, enable ? 'wp' : 'resolve');
}

/** Linux: mm/userfaultfd.c:mwriteprotect_range() */
export function* mwriteprotectRange(
  ctx: UserfaultCtx,
  { start, end }: { start: number; end: number },
  enable: boolean,
): Coroutine<number> {
  const { mm } = ctx;
  yield* mm.mmapLock.readLock();
  let error = ctx.mmapChanging > 0 ? -EAGAIN : 0;
  let at = start;
  for (let isAny = false; at < end && error === 0; isAny = true) {
    const vma = findVmaIntersection(mm, at, end);
    if (vma === null) {
      if (!isAny) error = -ENOENT;
      break;
    }
    if (!(vma.flags & VM.uffdWp)) error = -ENOENT;
    else if (vma.flags & VM.hugetlb && !(isHugeAligned(start) && isHugeAligned(end))) error = -EINVAL;
    else error = yield* uffdWpRange(vma, Math.max(at, vma.start), Math.min(end, vma.end), enable);
    at = vma.end;
  }
  mm.mmapLock.readUnlock();
  return error;
}
