import { EFAULT, EINVAL } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { faultinPageRange } from '../faults/gup.js';
import { PAGE_SIZE } from '../frames/frames.js';
import type { Mm } from './mm.js';
import { VM } from './vm-flags.js';
import { findVmaIntersection } from './vma-list.js';

/**
 * Faults in the pages of [start, end) for MAP_POPULATE and mlock; what fails is left out, or ends it: 0 or the errno.
 * Linux: mm/gup.c:__mm_populate()
 */
export function* mmPopulate(mm: Mm, start: number, end: number, { stopsAtError = false } = {}): Coroutine<number> {
  let error = 0;
  yield* mm.mmapLock.readLock();
  for (let at = start; at < end && error === 0; ) {
    const vma = findVmaIntersection(mm, at, end);
    if (vma === null) break;
    const last = Math.min(end, vma.end);
    at = Math.max(at, vma.start);
    if (vma.flags & (VM.io | VM.pfnmap | VM.lockonfault)) {
      at = last;
      continue;
    }
    const isPrivateWritable = (vma.flags & (VM.write | VM.shared)) === VM.write;
    const done = yield* faultinPageRange(mm, at, last, isPrivateWritable);
    // Linux: mm/gup.c:faultin_page_range() has -EINVAL where GUP has -EFAULT.
    if (done < 0 && stopsAtError) error = done === -EINVAL ? -EFAULT : done;
    at = done < 0 ? last : at + done * PAGE_SIZE;
  }
  mm.mmapLock.readUnlock();
  return error;
}
