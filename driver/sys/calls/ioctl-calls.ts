import { EBADF, EINVAL } from '../../../uapi/errno.js';
import type { CallResult } from '../../../uapi/system-call.js';
import type { Coroutine } from '../../core/effect.js';
import { cpuLoad, cpuStore } from '../../mm/faults/access.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { scratchPage } from '../machine/scratch.js';
import type { Thread } from '../processes/thread.js';
import type { SyscallTable } from './syscall.js';

/** ioctl in its two forms: the record in the process's memory, or as bytes. */
export const ioctlCalls: SyscallTable = {
  ioctl: {
    args: 'nnn?s',
    run: (thread, [fd, cmd, arg, dialect]) =>
      ioctl(thread, fd as number, { cmd: cmd as number, arg: arg as number, dialect: dialect as string | undefined }),
    dialectArg: 3,
    note: 'as ioctl(2): the record is at arg',
  },
  ioctlBytes: {
    args: 'nnb?s',
    run: (thread, [fd, cmd, bytes, dialect]) =>
      ioctlBytes(thread, fd as number, {
        cmd: cmd as number,
        bytes: bytes as Uint8Array,
        dialect: dialect as string | undefined,
      }),
    dialectArg: 3,
    note: 'ioctl on a copy of the bytes in a page of its own; answers what they are afterwards',
  },
};

function* ioctl(
  thread: Thread,
  fd: number,
  { cmd, arg, dialect }: { cmd: number; arg: number; dialect: string | undefined },
): Coroutine<number> {
  const file = thread.process.files.get(fd);
  if (file === null) return -EBADF;
  file.get();
  const result = yield* file.ioctl(thread, { cmd: cmd >>> 0, arg, dialect });
  yield* file.put();
  return result;
}

function* ioctlBytes(
  thread: Thread,
  fd: number,
  { cmd, bytes, dialect }: { cmd: number; bytes: Uint8Array; dialect: string | undefined },
): Coroutine<number | CallResult> {
  if (bytes.length > PAGE_SIZE) return -EINVAL;
  const { mm } = thread.process;
  const arg = yield* scratchPage(thread);
  if (arg < 0) return arg;
  yield* cpuStore(mm, arg, bytes);
  const ret = yield* ioctl(thread, fd, { cmd, arg, dialect });
  const after = new Uint8Array(bytes.length);
  yield* cpuLoad(mm, arg, after);
  return { ret, bytes: after };
}
