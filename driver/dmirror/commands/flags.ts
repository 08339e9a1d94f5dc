import { HMM_DMIRROR_FLAG_FAIL_ALLOC } from '../../../uapi/hmm-dmirror.js';
import type { Command } from './command.js';

/**
 * FLAGS: the open file's flags become `npages`, which therefore can't be 0 (Q9). FAIL_ALLOC lets the file's next attempt
 * to allocate a page or folio for a migration fail, in either direction, and is used up by it; for a folio, pages are taken then.
 * A command of 6.19, which every profile has: only the dialects with FLAGS reach it.
 * Linux: part of lib/test_hmm.c:dmirror_fops_unlocked_ioctl(), of 6.19
 */
export function dmirrorSetFlags({ file, npages }: Command): number {
  file.failAlloc = npages % (2 * HMM_DMIRROR_FLAG_FAIL_ALLOC) >= HMM_DMIRROR_FLAG_FAIL_ALLOC;
  return 0;
}
