import { EBADF, EFBIG, EINVAL, EMFILE, ESPIPE } from '../../../uapi/errno.js';
import { SEEK_HOLE } from '../../../uapi/fcntl.js';
import type { CallResult } from '../../../uapi/system-call.js';
import type { Coroutine } from '../../core/effect.js';
import { KernelIter } from '../../mm/faults/iov-iter.js';
import type { Seek } from '../files/llseek.js';
import { MAX_FILE_BYTES, MAX_TRANSFER_BYTES } from '../processes/machine-limits.js';
import type { Thread } from '../processes/thread.js';
import type { SyscallTable } from './syscall.js';

/** Descriptors, and the contents of files. */
export const fileCalls: SyscallTable = {
  open: {
    args: 'sn?n',
    run: (thread, [path, flags]) => open(thread, path as string, flags as number),
    note: 'the lowest free descriptor',
  },
  close: { args: 'n', run: (thread, [fd]) => thread.process.files.close(fd as number), note: '0, -EBADF' },
  pread: {
    args: 'nnn',
    run: (thread, [fd, len, offset]) => pread(thread, fd as number, { len: len as number, offset: offset as number }),
    answersArg: 1,
    note: 'count, and as many bytes',
  },
  pwrite: {
    args: 'nbn',
    run: (thread, [fd, bytes, offset]) =>
      pwrite(thread, fd as number, { bytes: bytes as Uint8Array, offset: offset as number }),
    note: 'count',
  },
  lseek: {
    args: 'nnn',
    run: (thread, [fd, offset, whence]) =>
      lseek(thread, fd as number, { offset: offset as number, whence: whence as number }),
    note: 'the new position',
  },
  ftruncate: {
    args: 'nn',
    run: (thread, [fd, len]) => ftruncate(thread, fd as number, len as number),
    note: '0; pages behind the end vanish from every mapping',
  },
  unlink: { args: 's', run: (thread, [path]) => thread.process.machine.vfs.unlink(path as string), note: '0, -ENOENT' },
};

function* open(thread: Thread, path: string, flags: number): Coroutine<number> {
  const { process } = thread;
  if (!process.files.hasRoom) return -EMFILE;
  const file = yield* process.machine.vfs.open(thread, path, flags);
  if (typeof file === 'number') return file;
  const fd = process.files.install(file);
  if (fd < 0) yield* file.put();
  return fd;
}

function* pread(
  thread: Thread,
  fd: number,
  { len, offset }: { len: number; offset: number },
): Coroutine<number | CallResult> {
  if (offset < 0 || len < 0) return -EINVAL;
  const file = thread.process.files.get(fd);
  if (file === null) return -EBADF;
  file.get();
  const result = file.isSeekable ? yield* file.pread(thread, Math.min(len, MAX_TRANSFER_BYTES), offset) : -ESPIPE;
  yield* file.put();
  return typeof result === 'number' ? result : { ret: result.length, bytes: result };
}

function* pwrite(
  thread: Thread,
  fd: number,
  { bytes, offset }: { bytes: Uint8Array; offset: number },
): Coroutine<number> {
  if (offset < 0) return -EINVAL;
  if (offset + bytes.length > MAX_FILE_BYTES) return -EFBIG;
  const file = thread.process.files.get(fd);
  if (file === null) return -EBADF;
  file.get();
  const done = file.isSeekable ? yield* file.writeIter(thread, new KernelIter(bytes), offset) : -ESPIPE;
  yield* file.put();
  return done;
}

/** Linux: part of fs/read_write.c:ksys_lseek() */
function* lseek(thread: Thread, fd: number, seek: Seek): Coroutine<number> {
  const file = thread.process.files.get(fd);
  if (file === null) return -EBADF;
  return seek.whence < 0 || seek.whence > SEEK_HOLE ? -EINVAL : file.llseek(seek);
}

function* ftruncate(thread: Thread, fd: number, len: number): Coroutine<number> {
  if (len < 0) return -EINVAL;
  if (len > MAX_FILE_BYTES) return -EFBIG;
  const file = thread.process.files.get(fd);
  if (file === null) return -EBADF;
  file.get();
  const error = yield* file.ftruncate(len);
  yield* file.put();
  return error;
}
