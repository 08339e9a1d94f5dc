import { HMM_DMIRROR_FLAG_FAIL_ALLOC } from '../../uapi/hmm-dmirror.js';
import type { Command } from './command.js';

/**
 * FLAGS: the open file's flags become `npages`, which therefore can't be 0 (Q9). FAIL_ALLOC lets the file's next attempt
 * to allocate a page for a migration fail, in either direction, and is used up by it. A command of 6.19 that only the
 * dialects with FLAGS reach; huge device pages, which it is about there, don't exist in this profile.
 * Linux: lib/test_hmm.c:dmirror_fops_unlocked_ioctl() of 6.19
 */
export function dmirrorSetFlags({ file, npages }: Command): number {
  file.failAlloc = npages % (2 * HMM_DMIRROR_FLAG_FAIL_ALLOC) >= HMM_DMIRROR_FLAG_FAIL_ALLOC;
  return 0;
}
