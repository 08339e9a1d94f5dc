import { beforeEach, describe, expect, it } from 'vitest';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { EINVAL, ENOMEM, EOVERFLOW } from '../../../../uapi/errno.js';
import { O_CREAT, O_RDWR } from '../../../../uapi/fcntl.js';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_MAYMOVE,
  PROT_READ,
  PROT_WRITE,
} from '../../../../uapi/mman.js';
import { IPC_PRIVATE, SHM_NORESERVE } from '../../../../uapi/shm.js';
import { ret } from '../helpers.js';

const MIB = 1 << 20;
/** RAM and swap of the machine; a page of swap is its header. */
const ALL = 32 * MIB + 4 * MIB - 4096;
const RW = PROT_READ | PROT_WRITE;
const OWN = MAP_PRIVATE | MAP_ANONYMOUS;
const SHARED = MAP_SHARED | MAP_ANONYMOUS;

let machine: Machine;
let main: Thread;

const mmap = (len: number, prot = RW, flags = OWN, addr = 0): number =>
  ret(main, 'mmap', addr, len, prot, flags, -1, 0);

beforeEach(() => {
  machine = new Machine({ ramBytes: 32 * MIB, swapBytes: 4 * MIB });
  main = machine.createProcess().main;
});

describe('memory that is promised', () => {
  it('is at once no more than RAM and swap are, whoever maps how', () => {
    expect(mmap(ALL)).toBeGreaterThan(0);
    expect([mmap(ALL + 4096), mmap(ALL + 4096, RW, SHARED)]).toEqual([-ENOMEM, -ENOMEM]);
    expect(mmap(ALL, RW, SHARED)).toBeGreaterThan(0);
    expect(ret(main, 'shmget', IPC_PRIVATE, ALL + 1, 0o600)).toBe(-ENOMEM);
    expect(ret(main, 'shmget', IPC_PRIVATE, ALL + 1, SHM_NORESERVE | 0o600)).toBe(0);
    machine.checkInvariants();
  });

  it('is not what can not be written or is mapped with MAP_NORESERVE', () => {
    const readable = mmap(2 * ALL, PROT_READ);
    expect([mmap(2 * ALL, RW, OWN | MAP_NORESERVE) > 0, mmap(2 * ALL, RW, SHARED | MAP_NORESERVE) > 0]).toEqual([
      ...[true, true],
    ]);
    expect(ret(main, 'mprotect', readable, ALL + 4096, RW)).toBe(-ENOMEM);
    expect(ret(main, 'mprotect', readable, ALL, RW)).toBe(0);
  });

  it('counts what a mapping replaces, and what mremap adds', () => {
    const addr = mmap(ALL);
    ret(main, 'mprotect', mmap(2 * ALL, PROT_READ), 4096, PROT_READ);
    expect(mmap(ALL + MIB, RW, OWN | MAP_FIXED, addr - MIB)).toBe(addr - MIB);
    expect(ret(main, 'mremap', addr, 4096, 4096 + ALL, MREMAP_MAYMOVE)).toBeGreaterThan(0);
    const one = mmap(4096);
    expect(ret(main, 'mremap', one, 4096, 8192 + ALL, MREMAP_MAYMOVE)).toBe(-ENOMEM);
    machine.checkInvariants();
  });

  it('is promised to a child too, mapping by mapping', () => {
    const addr = mmap(ALL);
    expect(ret(main, 'fork')).toBeGreaterThan(0);
    expect(mmap(4096, RW, OWN | MAP_FIXED, addr - 4096)).toBe(addr - 4096);
    expect(ret(main, 'fork')).toBe(-ENOMEM);
    machine.checkInvariants();
  });
});

it('shared memory does not grow down', () => {
  expect(mmap(4096, RW, SHARED | MAP_GROWSDOWN)).toBe(-EINVAL);
  expect(mmap(4096, RW, OWN | MAP_GROWSDOWN)).toBeGreaterThan(0);
});

it('an offset counts for files alone, whose last bytes can be mapped and no more', () => {
  const at = (flags: number, fd: number, offset: number): number =>
    ret(main, 'mmap', 0, 4096, PROT_READ, flags, fd, offset);
  const fd = ret(main, 'open', '/tmp/file', O_CREAT | O_RDWR, 0o600);
  expect(at(OWN, -1, -4096)).toBeGreaterThan(0);
  expect(at(OWN, -1, -4095)).toBe(-EINVAL);
  expect(at(MAP_SHARED, fd, 2 ** 63 - 8192)).toBeGreaterThan(0);
  expect([at(MAP_SHARED, fd, 2 ** 63 - 4096), at(MAP_PRIVATE, fd, -4096)]).toEqual([-EOVERFLOW, -EOVERFLOW]);
});
