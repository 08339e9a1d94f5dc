import { EBADF, EFAULT, EFBIG, EINVAL, ESPIPE } from '../../../uapi/errno.js';
import { readU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import type { OpenFile } from '../../sys/files/open-file.js';
import { PipeEnd, PipeWriter } from '../../sys/files/pipe.js';
import { MAX_FILE_BYTES, MAX_TRANSFER_BYTES } from '../../sys/processes/machine-limits.js';
import { readUser, readUserView, writeUser } from '../../sys/processes/user-memory.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';
import { ERESTARTSYS } from '../restart.js';

/** Most bytes that are held outside of the machine's memory at a time. */
const CHUNK_BYTES = 2 ** 20;
const IOV_BYTES = 16;
const IOV_MAX = 1024;
const SPLICE_F_NONBLOCK = 2;
const SPLICE_F_ALL = 0xf;
/** Not at a place in the file but where its position is. */
const AT_POSITION = -1;

/** One stretch of user memory. */
interface Vector {
  readonly addr: number;
  readonly len: number;
}

/** Reading and writing. */
export const ioSyscalls: GuestSyscallTable = {
  63: {
    name: 'read',
    args: 'dpn',
    note: 'whole',
    restart: ERESTARTSYS,
    run: (guest) => transfer(guest, 'read', { vectors: single(guest), offset: AT_POSITION }),
  },
  64: {
    name: 'write',
    args: 'dbn',
    note: 'whole',
    restart: ERESTARTSYS,
    run: (guest) => transfer(guest, 'write', { vectors: single(guest), offset: AT_POSITION }),
  },
  65: { name: 'readv', args: 'dpn', note: 'whole', restart: ERESTARTSYS, run: (guest) => vectored(guest, 'read') },
  66: { name: 'writev', args: 'dpn', note: 'whole', restart: ERESTARTSYS, run: (guest) => vectored(guest, 'write') },
  67: { name: 'pread64', args: 'dpnl', note: 'whole', run: (guest) => positioned(guest, 'read') },
  68: { name: 'pwrite64', args: 'dbnl', note: 'whole', run: (guest) => positioned(guest, 'write') },
  69: { name: 'preadv', args: 'dpnl', note: 'whole', run: (guest) => vectored(guest, 'read', guest.s(3)) },
  70: { name: 'pwritev', args: 'dpnl', note: 'whole', run: (guest) => vectored(guest, 'write', guest.s(3)) },
  75: { name: 'vmsplice', args: 'dpnx', note: 'whole', restart: ERESTARTSYS, run: vmsplice },
};

type Direction = 'read' | 'write';

function single(guest: GuestThread): Vector[] {
  return [{ addr: guest.u(1), len: guest.u(2) }];
}

function* positioned(guest: GuestThread, direction: Direction): Coroutine<number> {
  if (guest.s(3) < 0) return -EINVAL;
  return yield* transfer(guest, direction, { vectors: single(guest), offset: guest.s(3) });
}

function* vectored(guest: GuestThread, direction: Direction, offset = AT_POSITION): Coroutine<number> {
  if (offset < AT_POSITION) return -EINVAL;
  const vectors = yield* readVectors(guest);
  return typeof vectors === 'number' ? vectors : yield* transfer(guest, direction, { vectors, offset });
}

/** The second and third argument. */
function* readVectors(guest: GuestThread): Coroutine<Vector[] | number> {
  const count = guest.u(2);
  if (count > IOV_MAX) return -EINVAL;
  const view = yield* readUserView(guest.mm, guest.u(1), count * IOV_BYTES);
  if (typeof view === 'number') return view;
  const vectors: Vector[] = [];
  for (let at = 0; at < count * IOV_BYTES; at += IOV_BYTES) {
    vectors.push({ addr: readU64(view, at), len: readU64(view, at + 8) });
  }
  return vectors;
}

/** Memory goes into a pipe without a copy; out of one it is read. Linux: fs/splice.c:vmsplice() */
function* vmsplice(guest: GuestThread): Coroutine<number> {
  const flags = guest.int(3);
  if (flags & ~SPLICE_F_ALL) return -EINVAL;
  const file = guest.process.files.get(guest.int(0));
  if (!(file instanceof PipeEnd)) return -EBADF;
  if (!(file instanceof PipeWriter)) return yield* vectored(guest, 'read');
  file.get();
  const isNonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  const vectors = yield* readVectors(guest);
  const ret =
    typeof vectors === 'number'
      ? vectors
      : yield* inTurn(vectors, (vector) => file.vmsplice(guest.thread, vector, isNonblock));
  yield* file.put();
  return ret;
}

/** To the first that is not done whole: bytes done, or its errno when none were. */
function* inTurn(
  vectors: readonly Vector[],
  each: (vector: Vector, done: number) => Coroutine<number>,
): Coroutine<number> {
  let done = 0;
  for (const vector of vectors) {
    const ret = yield* each(vector, done);
    if (ret < 0) return done || ret;
    done += ret;
    if (ret < vector.len) break;
  }
  return done;
}

function* transfer(
  guest: GuestThread,
  direction: Direction,
  { vectors, offset }: { vectors: readonly Vector[]; offset: number },
): Coroutine<number> {
  const file = guest.process.files.get(guest.int(0));
  if (file === null || !(direction === 'read' ? file.isReadable : file.isWritable)) return -EBADF;
  if (offset !== AT_POSITION && !file.isSeekable) return -ESPIPE;
  file.get();
  const ret = yield* inTurn(vectors, ({ addr, len }, done) => {
    const place = {
      addr,
      len: Math.min(len, MAX_TRANSFER_BYTES),
      offset: offset === AT_POSITION ? offset : offset + done,
    };
    return direction === 'read' ? readInto(guest, file, place) : writeFrom(guest, file, place);
  });
  yield* file.put();
  return ret;
}

interface Place extends Vector {
  readonly offset: number;
}

function* readInto(guest: GuestThread, file: OpenFile, { addr, len, offset }: Place): Coroutine<number> {
  const { thread, mm } = guest;
  for (let done = 0; ; ) {
    const wanted = Math.min(CHUNK_BYTES, len - done);
    const got =
      offset === AT_POSITION ? yield* file.read(thread, wanted) : yield* file.pread(thread, wanted, offset + done);
    if (typeof got === 'number') return done > 0 ? done : got;
    if (got.length > 0 && (yield* writeUser(mm, addr + done, got)) !== 0) return done > 0 ? done : -EFAULT;
    done += got.length;
    if (done === len || got.length < wanted || !file.isSeekable) return done;
  }
}

function* writeFrom(guest: GuestThread, file: OpenFile, { addr, len, offset }: Place): Coroutine<number> {
  const { thread, mm } = guest;
  for (let done = 0; ; ) {
    const bytes = yield* readUser(mm, addr + done, Math.min(CHUNK_BYTES, len - done));
    if (typeof bytes === 'number') return done > 0 ? done : -EFAULT;
    const at = offset === AT_POSITION ? file.position : offset + done;
    if (file.mapping !== null && at > MAX_FILE_BYTES) return done > 0 ? done : -EFBIG;
    const put =
      offset === AT_POSITION ? yield* file.write(thread, bytes) : yield* file.pwrite(thread, bytes, offset + done);
    if (put < 0) return done > 0 ? done : put;
    done += put;
    if (done === len || put < bytes.length) return done;
  }
}
