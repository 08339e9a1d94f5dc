// Ops of userfaultfds, and of what looks at memory through /proc: PAGEMAP_SCAN, soft-dirty bits, /proc/PID/mem.

import { EBADF } from '../../../uapi/errno.js';
import { O_NONBLOCK, O_RDONLY, O_RDWR } from '../../../uapi/fcntl.js';
import { PAGE_SIZE } from '../../../uapi/mman.js';
import { PAGE_IS, PAGEMAP_SCAN, PM_SCAN, PM_SCAN_ARG_BYTES } from '../../../uapi/pm-scan.js';
import { readU64 } from '../../../uapi/u64.js';
import {
  UFFD_API,
  UFFD_FEATURE,
  UFFDIO,
  UFFDIO_REGISTER_MODE,
  USERFAULTFD_IOC_NEW,
} from '../../../uapi/userfaultfd.js';
import { hexWord, regionAddr } from './places.js';
import { call, fdOf, ioctl, must, peek, poke, type Script, type Seat } from './script.js';

type Words = readonly string[];

const DEVICE = '/dev/userfaultfd';
const PAGEMAP = '/proc/self/pagemap';
/** Where the fd of a process's userfaultfd is kept. */
const SERVER = 'userfaultfd';
const MAX_REGIONS = 8;
const REGION_BYTES = 24;

function words64(...values: number[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values, BigInt).buffer);
}

function rangeOf(r: string | undefined, off: string | undefined, n: string | undefined): [start: number, len: number] {
  return [regionAddr(Number(r), Number(off)), Number(n) * PAGE_SIZE];
}

/** `uffd P R off n MODE`: a new userfaultfd serves the pages. */
export function* uffdOp(seat: Seat, [, p, r, off, n, mode]: Words): Script<string> {
  const actor = seat.world.actor(Number(p));
  const device = yield* fdOf(seat, Number(p), DEVICE, O_RDWR);
  const fd = (yield* must(seat, Number(p), 'ioctl', device, USERFAULTFD_IOC_NEW, O_NONBLOCK)).ret;
  actor.fds.set(SERVER, fd);
  const features = mode === 'wpasync' ? UFFD_FEATURE.wpAsync : 0;
  yield* ioctl(seat, Number(p), { fd, cmd: UFFDIO.API, record: words64(UFFD_API, features, 0) });
  const modes = { ...UFFDIO_REGISTER_MODE, wpasync: UFFDIO_REGISTER_MODE.wp }[mode as 'wp'];
  return yield* served(seat, p, UFFDIO.REGISTER, [...rangeOf(r, off, n), modes, 0]);
}

function* served(seat: Seat, p: string | undefined, cmd: number, words: readonly number[]): Script<string> {
  const fd = seat.world.actor(Number(p)).fds.get(SERVER);
  if (fd === undefined) return `${-EBADF}`;
  return `${(yield* ioctl(seat, Number(p), { fd, cmd, record: words64(...words) })).ret}`;
}

/** `wp P R off n 1|0` */
export function wpOp(seat: Seat, [, p, r, off, n, on]: Words): Script<string> {
  return served(seat, p, UFFDIO.WRITEPROTECT, [...rangeOf(r, off, n), Number(on)]);
}

/** `ucontinue P R off n`, `uzero` and `upoison`: what needs to know no more than the pages. */
export function fillOp(name: 'CONTINUE' | 'ZEROPAGE' | 'POISON') {
  return (seat: Seat, [, p, r, off, n]: Words): Script<string> =>
    served(seat, p, UFFDIO[name], [...rangeOf(r, off, n), 0, 0]);
}

/** `ucopy P R off n V`: pages that begin with the words V, V + 1, ... */
export function* ucopyOp(seat: Seat, [, p, r, off, n, v]: Words): Script<string> {
  const [start, len] = rangeOf(r, off, n);
  const pages = new Uint32Array(len / 4);
  for (let i = 0; i < Number(n); i++) pages[(i * PAGE_SIZE) / 4] = Number(v) + i;
  yield* poke(seat, Number(p), seat.bufferAddr, new Uint8Array(pages.buffer));
  return yield* served(seat, p, UFFDIO.COPY, [start, seat.bufferAddr, len, 0, 0]);
}

/** `umove P R off n R2 off2` */
export function umoveOp(seat: Seat, [, p, r, off, n, r2, off2]: Words): Script<string> {
  const [from, len] = rangeOf(r, off, n);
  return served(seat, p, UFFDIO.MOVE, [regionAddr(Number(r2), Number(off2)), from, len, 0, 0]);
}

/** `clearrefs P`: no page is soft-dirty any more. */
export function* clearrefsOp(seat: Seat, [, p]: Words): Script<string> {
  const fd = yield* fdOf(seat, Number(p), '/proc/self/clear_refs', O_RDWR);
  const { ret } = yield* call(seat, Number(p), 'pwrite', fd, new TextEncoder().encode('4'), 0);
  return `${Math.min(ret, 0)}`;
}

/** `dirty P R off n`: a digit a page, 1 soft-dirty, 2 write-protected by a userfaultfd. */
export function* dirtyOp(seat: Seat, [, p, r, off, n]: Words): Script<string> {
  const fd = yield* fdOf(seat, Number(p), PAGEMAP, O_RDONLY);
  const offset = (regionAddr(Number(r), Number(off)) / PAGE_SIZE) * 8;
  const { bytes } = yield* call(seat, Number(p), 'pread', fd, Number(n) * 8, offset);
  const digits = Array.from({ length: Number(n) }, (_, i) => (bytes![8 * i + 6]! >>> 7) | (bytes![8 * i + 7]! & 2));
  return `0 ${digits.join('')}`;
}

/** `scan P R off n`: which pages were written since they were last protected, and protects them: `0 0-2` for the first two. */
export function* scanOp(seat: Seat, [, p, r, off, n]: Words): Script<string> {
  const fd = yield* fdOf(seat, Number(p), PAGEMAP, O_RDONLY);
  const [start, len] = rangeOf(r, off, n);
  yield* poke(seat, Number(p), seat.bufferAddr, new Uint8Array(MAX_REGIONS * REGION_BYTES));
  const flags = PM_SCAN.wpMatching | PM_SCAN.checkWpAsync;
  const what = [0, PAGE_IS.written, 0, PAGE_IS.written];
  const record = words64(PM_SCAN_ARG_BYTES, flags, start, start + len, 0, seat.bufferAddr, MAX_REGIONS, 0, ...what);
  const { ret } = yield* ioctl(seat, Number(p), { fd, cmd: PAGEMAP_SCAN, record });
  if (ret <= 0) return `${ret}`;
  const view = new DataView((yield* peek(seat, Number(p), seat.bufferAddr, ret * REGION_BYTES)).buffer);
  const page = (at: number): number => (readU64(view, at) - start) / PAGE_SIZE + Number(off);
  const regions = Array.from({ length: ret }, (_, i) => `${page(i * REGION_BYTES)}-${page(i * REGION_BYTES + 8)}`);
  return ['0', ...regions].join(' ');
}

/** `vmread P R off n`: what a debugger, or process_vm_readv(2), sees of the pages. */
export function* vmreadOp(seat: Seat, [, p, r, off, n]: Words): Script<string> {
  const fd = yield* fdOf(seat, Number(p), '/proc/self/mem', O_RDWR);
  const words: string[] = [];
  for (let i = 0; i < Number(n); i++) {
    const { ret, bytes } = yield* call(seat, Number(p), 'pread', fd, 4, regionAddr(Number(r), Number(off) + i));
    if (ret <= 0) return [`${ret} ${i}`, ...words].join(' ');
    words.push(hexWord(bytes!, 0));
  }
  return [`0 ${n}`, ...words].join(' ');
}

/** `vmwrite P R off n V`: as a debugger, or process_vm_writev(2), the words V, V + 1, ... */
export function* vmwriteOp(seat: Seat, [, p, r, off, n, v]: Words): Script<string> {
  const fd = yield* fdOf(seat, Number(p), '/proc/self/mem', O_RDWR);
  for (let i = 0; i < Number(n); i++) {
    const word = new Uint8Array(Uint32Array.of(Number(v) + i).buffer);
    const { ret } = yield* call(seat, Number(p), 'pwrite', fd, word, regionAddr(Number(r), Number(off) + i));
    if (ret <= 0) return `${ret} ${i}`;
  }
  return `0 ${n}`;
}
