// One function an op of the recording language: runs it and gives the answer line in the recordings' form.

import { O_RDWR } from '../../../uapi/fcntl.js';
import * as mman from '../../../uapi/mman.js';
import { dmOp, gupOp, pinOp, rawOp, unpinOp } from './device-ops.js';
import { DEVICES, hexWord, regionAddr } from './places.js';
import { call, fdOf, type Script, type Seat } from './script.js';
import {
  clearrefsOp,
  dirtyOp,
  fillOp,
  scanOp,
  ucopyOp,
  uffdOp,
  umoveOp,
  vmreadOp,
  vmwriteOp,
  wpOp,
} from './userfault-ops.js';
import type { Actor } from './world.js';

const { PAGE_SIZE } = mman;
const WORD_BYTES = 4;

/** The script of an op; `words` is the op line split at its blanks, the name first. */
export type Op = (seat: Seat, words: readonly string[]) => Script<string>;

export const ops: Readonly<Record<string, Op>> = {
  open: openOp,
  close: closeOp,
  map: (seat, words) => mapOp(seat, words, mman.MAP_FIXED_NOREPLACE),
  mapover: (seat, words) => mapOp(seat, words, mman.MAP_FIXED),
  unmap: (seat, [, p, r, off, n]) => range(seat, 'munmap', { p, r, off, n }),
  protect: (seat, [, p, r, off, n, prot]) => range(seat, 'mprotect', { p, r, off, n }, protection(prot!)),
  advise: (seat, [, p, r, off, n, advice]) => range(seat, 'madvise', { p, r, off, n }, adviceNumber(advice!)),
  remap: remapOp,
  store: storeOp,
  load: loadOp,
  fork: forkOp,
  exit: exitOp,
  dm: dmOp,
  pagemap: pagemapOp,
  gup: gupOp,
  pin: pinOp,
  unpin: unpinOp,
  khugepaged: function* (seat, [, p]) {
    return `${(yield* call(seat, Number(p), 'khugepaged')).ret}`;
  },
  thpsize: thpsizeOp,
  raw: rawOp,
  uffd: uffdOp,
  wp: wpOp,
  ucontinue: fillOp('CONTINUE'),
  uzero: fillOp('ZEROPAGE'),
  upoison: fillOp('POISON'),
  ucopy: ucopyOp,
  umove: umoveOp,
  clearrefs: clearrefsOp,
  dirty: dirtyOp,
  scan: scanOp,
  vmread: vmreadOp,
  vmwrite: vmwriteOp,
};

interface RangeWords {
  p: string | undefined;
  r: string | undefined;
  off: string | undefined;
  n: string | undefined;
}

/** A call on a range of pages; its negative errno, else 0. */
function* range(seat: Seat, name: string, { p, r, off, n }: RangeWords, ...more: number[]): Script<string> {
  const addr = regionAddr(Number(r), Number(off));
  const { ret } = yield* call(seat, Number(p), name, addr, Number(n) * PAGE_SIZE, ...more);
  return `${Math.min(ret, 0)}`;
}

/** `thpsize P KIB WORD`: which anonymous memory may have huge pages of that size. */
function* thpsizeOp(seat: Seat, [, p, kib, word]: readonly string[]): Script<string> {
  const path = `/sys/kernel/mm/transparent_hugepage/hugepages-${kib}kB/enabled`;
  const fd = yield* fdOf(seat, Number(p), path, O_RDWR);
  const { ret } = yield* call(seat, Number(p), 'pwrite', fd, new TextEncoder().encode(word), 0);
  return `${Math.min(ret, 0)}`;
}

function* openOp(seat: Seat, [, p, d]: readonly string[]): Script<string> {
  const actor = seat.world.actor(Number(p));
  const { ret } = yield* call(seat, Number(p), 'open', `/dev/hmm_dmirror${Number(d) % DEVICES}`, O_RDWR, 0);
  if (ret < 0) return `${ret}`;
  const old = actor.deviceFds[Number(d)]!;
  actor.deviceFds[Number(d)] = ret;
  if (old >= 0) yield* call(seat, Number(p), 'close', old);
  return '0';
}

function* closeOp(seat: Seat, [, p, d]: readonly string[]): Script<string> {
  const actor = seat.world.actor(Number(p));
  const fd = actor.deviceFds[Number(d)]!;
  const { ret } = yield* call(seat, Number(p), 'close', fd);
  // Until then others race with it in the kernel.
  actor.deviceFds[Number(d)] = -1;
  return `${ret}`;
}

function mapOp(seat: Seat, [, p, r, off, n, kind, prot, d]: readonly string[], how: number): Script<string> {
  const actor = seat.world.actor(Number(p));
  const { flags, fd } = mapKind(actor, kind!, { region: Number(r), device: Number(d) });
  const offset = kind === 'filep' || kind === 'files' ? Number(off) * PAGE_SIZE : 0;
  return range(seat, 'mmap', { p, r, off, n }, protection(prot!), flags | how, fd, offset);
}

function mapKind(
  actor: Actor,
  kind: string,
  { region, device }: { region: number; device: number },
): { flags: number; fd: number } {
  switch (kind) {
    case 'anon':
      return { flags: mman.MAP_PRIVATE | mman.MAP_ANONYMOUS, fd: -1 };
    case 'shared':
      return { flags: mman.MAP_SHARED | mman.MAP_ANONYMOUS, fd: -1 };
    case 'filep':
      return { flags: mman.MAP_PRIVATE, fd: actor.fileFds[region]! };
    case 'files':
      return { flags: mman.MAP_SHARED, fd: actor.fileFds[region]! };
    case 'dev':
      return { flags: mman.MAP_SHARED, fd: actor.deviceFds[device]! };
    case 'hugetlb':
      return { flags: mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | mman.MAP_HUGETLB, fd: -1 };
    default:
      throw new Error(`the recording maps a ${kind}, which is unknown`);
  }
}

function protection(letters: string): number {
  const bit = (letter: string, value: number): number => (letters.includes(letter) ? value : 0);
  return bit('r', mman.PROT_READ) | bit('w', mman.PROT_WRITE) | bit('x', mman.PROT_EXEC);
}

function adviceNumber(name: string): number {
  const value = (mman as unknown as Record<string, number>)[`MADV_${name}`];
  if (value === undefined) throw new Error(`the recording advises ${name}, which is unknown`);
  return value;
}

function remapOp(seat: Seat, [, p, r, off, n, r2, off2, k]: readonly string[]): Script<string> {
  const flags = mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED | (k === '1' ? mman.MREMAP_DONTUNMAP : 0);
  const target = regionAddr(Number(r2), Number(off2));
  return range(seat, 'mremap', { p, r, off, n }, Number(n) * PAGE_SIZE, flags, target);
}

function* storeOp(seat: Seat, [, p, r, off, n, v]: readonly string[]): Script<string> {
  for (let i = 0; i < Number(n); i++) {
    const word = new Uint8Array(Uint32Array.of(Number(v) + i).buffer);
    const result = yield* call(seat, Number(p), 'store', regionAddr(Number(r), Number(off) + i), word);
    if (result.signal) return `${-1000 - result.signal.signo} ${i}`;
  }
  return `0 ${n}`;
}

function* loadOp(seat: Seat, [, p, r, off, n]: readonly string[]): Script<string> {
  const words: string[] = [];
  for (let i = 0; i < Number(n); i++) {
    const addr = regionAddr(Number(r), Number(off) + i);
    const { signal, bytes } = yield* call(seat, Number(p), 'load', addr, WORD_BYTES);
    if (signal) return [`${-1000 - signal.signo} ${i}`, ...words].join(' ');
    words.push(hexWord(bytes!, 0));
  }
  return [`0 ${n}`, ...words].join(' ');
}

function* forkOp(seat: Seat, [, p, q]: readonly string[]): Script<string> {
  const { world } = seat;
  const actor = world.actor(Number(p));
  const { ret } = yield* call(seat, Number(p), 'fork');
  if (ret < 0) return `${ret}`;
  const thread = world.machine.threadByTid(ret);
  if (thread === null) throw new Error(`fork answers ${ret}, which is no thread`);
  world.addActor(Number(q), { thread, deviceFds: [...actor.deviceFds], fileFds: actor.fileFds, fds: new Map() });
  return '0';
}

function* exitOp(seat: Seat, [, p]: readonly string[]): Script<string> {
  yield* call(seat, Number(p), 'exit', 0);
  seat.world.removeActor(Number(p));
  return '-';
}

function* pagemapOp(seat: Seat, [, p, r, off, n]: readonly string[]): Script<string> {
  const { ret: fd } = yield* call(seat, Number(p), 'open', '/proc/self/pagemap', 0, 0);
  const offset = (regionAddr(Number(r), Number(off)) / PAGE_SIZE) * 8;
  const { bytes } = yield* call(seat, Number(p), 'pread', fd, Number(n) * 8, offset);
  yield* call(seat, Number(p), 'close', fd);
  let digits = '';
  for (let i = 0; i < Number(n); i++) {
    const top = bytes![8 * i + 7]!;
    const digit = (top & 0x80 ? 1 : 0) | (top & 0x40 ? 2 : 0) | (top & 0x20 ? 4 : 0) | (top & 0x01 ? 8 : 0);
    digits += digit.toString(16);
  }
  return `0 ${digits}`;
}
