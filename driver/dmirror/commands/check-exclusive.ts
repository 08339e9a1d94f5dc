import { EPERM } from '../../../uapi/errno.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Command } from './command.js';

/**
 * CHECK_EXCLUSIVE: -EPERM while the device still has exclusive access to a page of the range. Takes no lock (Q15).
 * Linux: lib/test_hmm.c:dmirror_check_atomic()
 */
export function dmirrorCheckAtomic({ file, addr, end }: Command): number {
  return file.mirror.hasAtomic(addr / PAGE_SIZE, end / PAGE_SIZE) ? -EPERM : 0;
}
