import { MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import { mmapSharedAnonymous } from '../files/shared-anonymous.js';
import { SCRATCH_BASE } from '../processes/machine-limits.js';
import type { Thread } from '../processes/thread.js';

/**
 * The page of a thread's own that ioctlBytes puts its record in; its address, or a negative errno at the first call.
 * Shared memory and not inherited, so that fork has nothing to copy and no notifier event comes of it.
 */
export function* scratchPage(thread: Thread): Coroutine<number> {
  if (thread.scratchAddr !== 0) return thread.scratchAddr;
  const { mm } = thread.process;
  const result = yield* mmapSharedAnonymous(mm, thread.process.machine, {
    addr: SCRATCH_BASE + thread.tid * PAGE_SIZE,
    len: PAGE_SIZE,
    prot: PROT_READ | PROT_WRITE,
    flags: MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
    file: null,
    pgoff: 0,
  });
  if (result < 0) return result;
  const vma = mm.vmaLookup(result);
  if (vma !== null) vma.flags |= VM.dontcopy;
  thread.scratchAddr = result;
  return result;
}
