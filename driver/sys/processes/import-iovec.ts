import { EFAULT, EINVAL } from '../../../uapi/errno.js';
import { readS64, readU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { accessOk } from '../../mm/faults/access.js';
import { UserIter, type Vector } from '../../mm/faults/iov-iter.js';
import type { Mm } from '../../mm/vmas/mm.js';
import { MAX_TRANSFER_BYTES } from './machine-limits.js';
import { readUserView } from './user-memory.js';

const IOV_BYTES = 16;
const UIO_MAXIOV = 1024;

/** Stretches of memory as a program wrote them down, or a negative errno. Linux: lib/iov_iter.c:iovec_from_user() */
export function* iovecFromUser(mm: Mm, addr: number, count: number): Coroutine<Vector[] | number> {
  if (count > UIO_MAXIOV) return -EINVAL;
  const view = count === 0 ? new DataView(new ArrayBuffer(0)) : yield* readUserView(mm, addr, count * IOV_BYTES);
  if (typeof view === 'number') return view;
  const vectors: Vector[] = [];
  for (let at = 0; at < count * IOV_BYTES; at += IOV_BYTES) {
    if (readS64(view, at + 8) < 0) return -EINVAL;
    vectors.push({ addr: readU64(view, at), len: readU64(view, at + 8) });
  }
  return vectors;
}

/** The same as the program's own memory, of which no more is used than one call moves. Linux: lib/iov_iter.c:__import_iovec() */
export function* importIovec(mm: Mm, addr: number, count: number): Coroutine<UserIter | number> {
  const vectors = yield* iovecFromUser(mm, addr, count);
  if (typeof vectors === 'number') return vectors;
  if (vectors.length === 1) return importUbuf(mm, vectors[0]!);
  let total = 0;
  const capped: Vector[] = [];
  for (const vector of vectors) {
    if (!accessOk(vector.addr, vector.len)) return -EFAULT;
    const len = Math.min(vector.len, MAX_TRANSFER_BYTES - total);
    capped.push({ addr: vector.addr, len });
    total += len;
  }
  return new UserIter(mm, capped);
}

/** One stretch. Linux: lib/iov_iter.c:import_ubuf() */
export function importUbuf(mm: Mm, { addr, len }: Vector): UserIter | number {
  const capped = Math.min(len, MAX_TRANSFER_BYTES);
  return accessOk(addr, capped) ? new UserIter(mm, [{ addr, len: capped }]) : -EFAULT;
}
