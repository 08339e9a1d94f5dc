// One function an op of the recording language: runs it and gives the answer line in the recordings' form.

import { O_RDWR } from '../../uapi/fcntl.js';
import * as mman from '../../uapi/mman.js';
import type { CallResult } from '../../uapi/system-call.js';
import { dmOp, gupOp, pinOp, rawOp, unpinOp } from './device-ops.js';
import { type Actor, hexWord, regionAddr, type World } from './world.js';

const { PAGE_SIZE } = mman;
const WORD_BYTES = 4;

/** Runs an op; `words` is the op line split at its blanks, the name first. */
export type Op = (world: World, words: readonly string[]) => string;

export const ops: Readonly<Record<string, Op>> = {
  open: openOp,
  close: closeOp,
  map: mapOp,
  unmap: (world, [, p, r, off, n]) => `${range(world, 'munmap', { p, r, off, n }).ret}`,
  protect: (world, [, p, r, off, n, prot]) => `${range(world, 'mprotect', { p, r, off, n }, protection(prot!)).ret}`,
  advise: (world, [, p, r, off, n, advice]) =>
    `${range(world, 'madvise', { p, r, off, n }, adviceNumber(advice!)).ret}`,
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
  raw: rawOp,
};

interface RangeWords {
  p: string | undefined;
  r: string | undefined;
  off: string | undefined;
  n: string | undefined;
}

function range(world: World, name: string, { p, r, off, n }: RangeWords, ...more: number[]): CallResult {
  const addr = regionAddr(Number(r), Number(off));
  return world.call(world.actor(Number(p)), name, addr, Number(n) * PAGE_SIZE, ...more);
}

function openOp(world: World, [, p, d]: readonly string[]): string {
  const actor = world.actor(Number(p));
  const { ret } = world.call(actor, 'open', `/dev/hmm_dmirror${d}`, O_RDWR, 0);
  if (ret < 0) return `${ret}`;
  const old = actor.deviceFds[Number(d)]!;
  actor.deviceFds[Number(d)] = ret;
  if (old >= 0) world.call(actor, 'close', old);
  return '0';
}

function closeOp(world: World, [, p, d]: readonly string[]): string {
  const actor = world.actor(Number(p));
  const { ret } = world.call(actor, 'close', actor.deviceFds[Number(d)]!);
  actor.deviceFds[Number(d)] = -1;
  return `${ret}`;
}

function mapOp(world: World, [, p, r, off, n, kind, prot, d]: readonly string[]): string {
  const actor = world.actor(Number(p));
  const { flags, fd } = mapKind(actor, kind!, { region: Number(r), device: Number(d) });
  const offset = kind === 'filep' || kind === 'files' ? Number(off) * PAGE_SIZE : 0;
  const fixed = flags | mman.MAP_FIXED_NOREPLACE;
  const { ret } = range(world, 'mmap', { p, r, off, n }, protection(prot!), fixed, fd, offset);
  return ret < 0 ? `${ret}` : '0';
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

export function protection(letters: string): number {
  const bit = (letter: string, value: number): number => (letters.includes(letter) ? value : 0);
  return bit('r', mman.PROT_READ) | bit('w', mman.PROT_WRITE) | bit('x', mman.PROT_EXEC);
}

function adviceNumber(name: string): number {
  const value = (mman as unknown as Record<string, number>)[`MADV_${name}`];
  if (value === undefined) throw new Error(`the recording advises ${name}, which is unknown`);
  return value;
}

function remapOp(world: World, [, p, r, off, n, r2, off2, k]: readonly string[]): string {
  const flags = mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED | (k === '1' ? mman.MREMAP_DONTUNMAP : 0);
  const target = regionAddr(Number(r2), Number(off2));
  const { ret } = range(world, 'mremap', { p, r, off, n }, Number(n) * PAGE_SIZE, flags, target);
  return ret < 0 ? `${ret}` : '0';
}

function storeOp(world: World, [, p, r, off, n, v]: readonly string[]): string {
  const actor = world.actor(Number(p));
  for (let i = 0; i < Number(n); i++) {
    const word = new Uint8Array(Uint32Array.of(Number(v) + i).buffer);
    const result = world.call(actor, 'store', regionAddr(Number(r), Number(off) + i), word);
    if (result.signal) return `${-1000 - result.signal.signo} ${i}`;
  }
  return `0 ${n}`;
}

function loadOp(world: World, [, p, r, off, n]: readonly string[]): string {
  const actor = world.actor(Number(p));
  const words: string[] = [];
  for (let i = 0; i < Number(n); i++) {
    const { signal, bytes } = world.call(actor, 'load', regionAddr(Number(r), Number(off) + i), WORD_BYTES);
    if (signal) return [`${-1000 - signal.signo} ${i}`, ...words].join(' ');
    words.push(hexWord(bytes!, 0));
  }
  return [`0 ${n}`, ...words].join(' ');
}

function forkOp(world: World, [, p, q]: readonly string[]): string {
  const actor = world.actor(Number(p));
  const { ret } = world.call(actor, 'fork');
  if (ret < 0) return `${ret}`;
  const thread = world.machine.threadByTid(ret);
  if (thread === null) throw new Error(`fork answers ${ret}, which is no thread`);
  world.addActor(Number(q), { thread, deviceFds: [...actor.deviceFds], fileFds: actor.fileFds, gupFd: -1 });
  return '0';
}

function exitOp(world: World, [, p]: readonly string[]): string {
  world.call(world.actor(Number(p)), 'exit', 0);
  world.removeActor(Number(p));
  return '-';
}

function pagemapOp(world: World, [, p, r, off, n]: readonly string[]): string {
  const actor = world.actor(Number(p));
  const { ret: fd } = world.call(actor, 'open', '/proc/self/pagemap', 0, 0);
  const offset = (regionAddr(Number(r), Number(off)) / PAGE_SIZE) * 8;
  const { bytes } = world.call(actor, 'pread', fd, Number(n) * 8, offset);
  world.call(actor, 'close', fd);
  let digits = '';
  for (let i = 0; i < Number(n); i++) {
    const top = bytes![8 * i + 7]!;
    const digit = (top & 0x80 ? 1 : 0) | (top & 0x40 ? 2 : 0) | (top & 0x20 ? 4 : 0) | (top & 0x01 ? 8 : 0);
    digits += digit.toString(16);
  }
  return `0 ${digits}`;
}
