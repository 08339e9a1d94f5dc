import { EBADF, EINVAL, EPERM } from '../../../uapi/errno.js';
import { O_APPEND, O_NONBLOCK } from '../../../uapi/fcntl.js';
import type { Coroutine } from '../../core/effect.js';
import { PipeEnd } from '../../sys/files/pipe-end.js';
import { memfdAddSeals } from '../../sys/files/seals.js';
import { TmpfsFile } from '../../sys/files/tmpfs-file.js';
import type { GuestThread } from '../guest-thread.js';

const F_DUPFD = 0;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const FD_CLOEXEC = 1;
/** Flags that F_SETFL changes. */
const SETTABLE = O_APPEND | O_NONBLOCK;

/** Linux: fs/fcntl.c:fcntl(), do_fcntl() */
export function* fcntl(guest: GuestThread): Coroutine<number> {
  const { files } = guest.process;
  const [fd, command, arg] = [guest.int(0), guest.int(1), guest.int(2)];
  const file = files.get(fd);
  if (file === null) return -EBADF;
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: {
      if (arg < 0) return -EINVAL;
      file.get();
      const copy = files.fDupfd(file, arg);
      if (copy < 0) yield* file.put();
      else files.setCloseOnExec(copy, command === F_DUPFD_CLOEXEC);
      return copy;
    }
    case F_GETFD:
      return files.isCloseOnExec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      files.setCloseOnExec(fd, (arg & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return file.flags;
    case F_SETFL:
      file.flags = (file.flags & ~SETTABLE) | (arg & SETTABLE);
      return 0;
    case F_SETPIPE_SZ:
    case F_GETPIPE_SZ:
      return file instanceof PipeEnd ? yield* pipeFcntl(file, command, arg >>> 0) : -EBADF;
    case F_ADD_SEALS:
      if (!(file instanceof TmpfsFile)) return file.isWritable ? -EINVAL : -EPERM;
      return yield* addSeals(file, arg);
    case F_GET_SEALS:
      return file instanceof TmpfsFile ? file.inode.seals : -EINVAL;
    default:
      return -EINVAL;
  }
}

function* addSeals(file: TmpfsFile, seals: number): Coroutine<number> {
  file.get();
  const ret = yield* memfdAddSeals(file.inode, seals, file);
  yield* file.put();
  return ret;
}

/** Linux: fs/pipe.c:pipe_fcntl() */
function* pipeFcntl({ pipe }: PipeEnd, command: number, arg: number): Coroutine<number> {
  yield* pipe.mutex.lock();
  const ret = command === F_SETPIPE_SZ ? pipe.setSize(arg) : pipe.sizeBytes;
  pipe.mutex.unlock();
  return ret;
}
