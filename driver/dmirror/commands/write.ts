import { EFAULT, ENOENT } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { copyFromUser } from '../../mm/faults/access.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { dmirrorFault } from '../mirror/dmirror-range-fault.js';
import { dmirrorDoWrite } from '../mirror/mirror-copy.js';
import { type Command, dmirrorBounceInit } from './command.js';

/**
 * WRITE: the device writes a range straight into the frames; pages before one that fails have been written (Q12). The
 * whole of `ptr` is read before anything happens. Linux: lib/test_hmm.c:dmirror_write()
 */
export function* dmirrorWrite(command: Command): Coroutine<number> {
  const { context } = command;
  const bounce = dmirrorBounceInit(command);
  if (typeof bounce === 'number') return bounce;
  let ret = -EFAULT;
  if ((yield* copyFromUser(command.callerMm, command.ptr, bounce)) === 0) ret = yield* writeAll(command, bounce);
  context.bounce.give(bounce);
  return ret;
}

function* writeAll(command: Command, bounce: Uint8Array): Coroutine<number> {
  const { context, file } = command;
  for (;;) {
    let ret = yield* dmirrorDoWrite(command, bounce);
    if (ret !== -ENOENT) return ret;
    const start = command.addr + command.cpages * PAGE_SIZE;
    ret = yield* dmirrorFault(context, file, { start, end: command.end, write: true });
    if (ret !== 0) return ret;
    command.faults++;
  }
}
