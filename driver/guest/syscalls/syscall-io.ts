import { EBADF, EFAULT, EINVAL, ESPIPE } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { accessOk } from '../../mm/faults/access.js';
import type { UserIter } from '../../mm/faults/iov-iter.js';
import type { OpenFile } from '../../sys/files/open-file.js';
import { PipeEnd } from '../../sys/files/pipe-end.js';
import { ProcFile } from '../../sys/files/proc/proc-file.js';
import { importIovec, importUbuf } from '../../sys/processes/import-iovec.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';
import { ERESTARTSYS } from '../restart.js';

const SPLICE_F_NONBLOCK = 2;
const SPLICE_F_ALL = 0xf;

/** Reading and writing. */
export const ioSyscalls: GuestSyscallTable = {
  63: {
    name: 'read',
    args: 'dpn',
    note: 'whole',
    restart: ERESTARTSYS,
    run: (guest) => single(guest, 'read', null),
  },
  64: {
    name: 'write',
    args: 'dbn',
    note: 'whole',
    restart: ERESTARTSYS,
    run: (guest) => single(guest, 'write', null),
  },
  65: {
    name: 'readv',
    args: 'dpn',
    note: 'whole',
    restart: ERESTARTSYS,
    run: (guest) => vectored(guest, 'read', null),
  },
  66: {
    name: 'writev',
    args: 'dpn',
    note: 'whole',
    restart: ERESTARTSYS,
    run: (guest) => vectored(guest, 'write', null),
  },
  67: { name: 'pread64', args: 'dpnl', note: 'whole', run: (guest) => single(guest, 'read', guest.s(3)) },
  68: { name: 'pwrite64', args: 'dbnl', note: 'whole', run: (guest) => single(guest, 'write', guest.s(3)) },
  69: { name: 'preadv', args: 'dpnl', note: 'whole', run: (guest) => vectored(guest, 'read', guest.s(3)) },
  70: { name: 'pwritev', args: 'dpnl', note: 'whole', run: (guest) => vectored(guest, 'write', guest.s(3)) },
  75: { name: 'vmsplice', args: 'dpnx', note: 'whole', restart: ERESTARTSYS, run: vmsplice },
};

type Direction = 'read' | 'write';

/** The file of the first argument, if it can be used so. Linux: part of fs/read_write.c:ksys_pread64(), vfs_read() */
function fileFor(guest: GuestThread, direction: Direction, offset: number | null): OpenFile | number {
  if (offset !== null && offset < 0) return -EINVAL;
  const file = guest.process.files.get(guest.int(0));
  if (file === null) return -EBADF;
  if (offset !== null && !file.isSeekable) return -ESPIPE;
  return (direction === 'read' ? file.isReadable : file.isWritable) ? file : -EBADF;
}

/** At `offset`, or null: at the position. Linux: part of fs/read_write.c:vfs_read() and vfs_write() */
function* single(guest: GuestThread, direction: Direction, offset: number | null): Coroutine<number> {
  const file = fileFor(guest, direction, offset);
  if (typeof file === 'number') return file;
  const [addr, len] = [guest.u(1), guest.u(2)];
  const iter = accessOk(addr, len) ? importUbuf(guest.mm, { addr, len }) : -EFAULT;
  return typeof iter === 'number' ? iter : yield* transfer(guest, file, { direction, iter, offset });
}

/** Linux: part of fs/read_write.c:vfs_readv() and vfs_writev() */
function* vectored(guest: GuestThread, direction: Direction, offset: number | null): Coroutine<number> {
  const file = fileFor(guest, direction, offset);
  if (typeof file === 'number') return file;
  const iter = yield* importIovec(guest.mm, guest.u(1), guest.u(2));
  if (typeof iter === 'number') return iter;
  return iter.count === 0 ? 0 : yield* transfer(guest, file, { direction, iter, offset });
}

function* transfer(
  { thread, host }: GuestThread,
  file: OpenFile,
  { direction, iter, offset }: { direction: Direction; iter: UserIter; offset: number | null },
): Coroutine<number> {
  file.get();
  const ret = yield* direction === 'read' ? file.readIter(thread, iter, offset) : file.writeIter(thread, iter, offset);
  if (direction === 'write' && ret === -EINVAL && file instanceof ProcFile && file.isFixed)
    host.unsupported(`another value of ${file.path}`);
  yield* file.put();
  return ret;
}

/** Memory goes into a pipe without a copy; out of one it is read. Linux: fs/splice.c:vmsplice() */
function* vmsplice(guest: GuestThread): Coroutine<number> {
  const flags = guest.int(3);
  if (flags & ~SPLICE_F_ALL) return -EINVAL;
  const file = guest.process.files.get(guest.int(0));
  if (file === null) return -EBADF;
  const iter = yield* importIovec(guest.mm, guest.u(1), guest.u(2));
  if (typeof iter === 'number') return iter;
  if (iter.count === 0) return 0;
  if (!(file instanceof PipeEnd)) return -EBADF;
  const isNonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  file.get();
  const ret = file.isWritable
    ? yield* file.vmsplice(guest.thread, iter, isNonblock)
    : yield* file.vmspliceToUser(guest.thread, iter, isNonblock);
  yield* file.put();
  return ret;
}
