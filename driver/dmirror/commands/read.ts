import { EFAULT, ENOENT } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { copyToUser } from '../../mm/faults/access.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { dmirrorFault, dmirrorFaultUnlocked } from '../mirror/dmirror-range-fault.js';
import { dmirrorDoRead } from '../mirror/mirror-copy.js';
import { type Command, dmirrorBounceInit } from './command.js';

/**
 * READ: the device reads a range, faulting in what its mirror lacks; the data goes to `ptr` in one piece when all is
 * there. `faults` counts calls of the fault helper, not pages. Linux: lib/test_hmm.c:dmirror_read()
 */
export function dmirrorRead(command: Command): Coroutine<number> {
  return read(command, dmirrorFault);
}

/**
 * READ_UNLOCKED: as READ, but a fault that a userfaultfd serves is waited for without mmap_lock. Linux: lib/test_hmm.c:dmirror_read_unlocked() of 7.3
 */
export function dmirrorReadUnlocked(command: Command): Coroutine<number> {
  return read(command, dmirrorFaultUnlocked);
}

function* read(command: Command, fault: typeof dmirrorFault): Coroutine<number> {
  const { context, file } = command;
  const bounce = dmirrorBounceInit(command);
  if (typeof bounce === 'number') return bounce;
  let ret = yield* dmirrorDoRead(command, bounce);
  while (ret === -ENOENT) {
    const start = command.addr + command.cpages * PAGE_SIZE;
    ret = yield* fault(context, file, { start, end: command.end, write: false });
    if (ret !== 0) break;
    command.faults++;
    ret = yield* dmirrorDoRead(command, bounce);
  }
  if (ret === 0 && (yield* copyToUser(command.callerMm, command.ptr, bounce)) !== 0) ret = -EFAULT;
  context.bounce.give(bounce);
  return ret;
}
