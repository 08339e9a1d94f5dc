import { beforeEach, describe, expect, it } from 'vitest';
import { HugetlbfsFile, HugetlbfsInode } from '../../../../driver/sys/files/hugetlbfs-file.js';
import type { Machine } from '../../../../driver/sys/machine/machine.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { EINVAL, ENOMEM, ENOSPC } from '../../../../uapi/errno.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, O_RDWR } from '../../../../uapi/fcntl.js';
import { MADV_REMOVE, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../../../uapi/mman.js';
import { SIGBUS } from '../../../../uapi/signal.js';
import { inKernel, ret, smallMachine } from '../helpers.js';

const HUGE = 512 * PAGE_SIZE;
const RW = PROT_READ | PROT_WRITE;

let machine: Machine;
let thread: Thread;
let file: HugetlbfsFile;
let fd: number;

beforeEach(() => {
  machine = smallMachine({ hugePages: 4 });
  thread = machine.createProcess().main;
  file = new HugetlbfsFile(machine, O_RDWR, new HugetlbfsInode(machine.memory));
  fd = thread.process.files.install(file);
});

function map(pages: number, flags: number): number {
  return ret(thread, 'mmap', 0, pages * HUGE, RW, flags, fd, 0);
}

function fallocate(mode: number, offset: number, len: number): number {
  return inKernel(thread, () => file.fallocate({ mode, offset, len })).result!;
}

const byteAt = (addr: number): number => machine.call(thread, 'load', addr, 1).bytes![0]!;
const store = (addr: number, value: number): number => ret(thread, 'store', addr, Uint8Array.of(value));
const pool = (): number[] => [machine.memory.hugetlb.freeCount, machine.memory.hugetlb.reserved];

describe('a hugetlbfs file', () => {
  it('is promised to a shared mapping once, and given at the first touch', () => {
    expect(file.stat().blocks).toBe(0);
    const first = map(3, MAP_SHARED);
    expect(file.mapping.size).toBe(3 * HUGE);
    expect(pool()).toEqual([4, 3]);
    const second = map(2, MAP_SHARED);
    expect(pool()).toEqual([4, 3]);
    expect(map(5, MAP_SHARED)).toBe(-ENOMEM);
    store(first + HUGE + 5, 7);
    expect(file.stat().blocks).toBe(4096);
    expect([byteAt(second + HUGE + 5), pool()]).toEqual([7, [3, 2]]);
    machine.checkInvariants();
    ret(thread, 'munmap', first, 3 * HUGE);
    ret(thread, 'munmap', second, 2 * HUGE);
    expect(pool()).toEqual([3, 2]);
    ret(thread, 'close', fd);
    expect(pool()).toEqual([4, 0]);
    expect(machine.memory.mappings.size).toBe(0);
  });

  it('is read through a private mapping and copied by a write, which a fork and a hole survive as in Linux', () => {
    expect(fallocate(0, 0, 2 * HUGE)).toBe(0);
    const shared = map(2, MAP_SHARED);
    const copy = map(2, MAP_PRIVATE);
    store(shared, 7);
    expect([byteAt(copy), byteAt(copy + HUGE), pool()]).toEqual([7, 0, [2, 2]]);
    store(copy, 8);
    expect([byteAt(shared), byteAt(copy), pool()]).toEqual([7, 8, [1, 1]]);
    const child = machine.process(ret(thread, 'fork'))!.main;
    expect([machine.call(child, 'load', copy, 1).bytes![0], machine.call(child, 'load', shared, 1).bytes![0]]).toEqual([
      8, 7,
    ]);
    machine.checkInvariants();
    ret(child, 'exit', 0);
    expect(ret(thread, 'madvise', shared, HUGE, MADV_REMOVE)).toBe(0);
    // The private copy goes too, and its promise is renewed; what is read is the file again.
    expect([byteAt(shared), byteAt(copy), pool()]).toEqual([0, 0, [2, 2]]);
    machine.checkInvariants();
  });

  it('ends where it was cut', () => {
    const addr = map(2, MAP_SHARED);
    store(addr + HUGE, 1);
    const cut = (bytes: number): number => inKernel(thread, () => file.ftruncate(bytes)).result!;
    expect(cut(PAGE_SIZE)).toBe(-EINVAL);
    expect(cut(HUGE)).toBe(0);
    expect(pool()).toEqual([4, 1]);
    expect(machine.call(thread, 'load', addr + HUGE, 1).signal?.signo).toBe(SIGBUS);
  });

  it('has no more pages than the pool; a hole of less than a page is zeroes', () => {
    expect(fallocate(FALLOC_FL_KEEP_SIZE, 0, 5 * HUGE)).toBe(-ENOSPC);
    expect(file.mapping.size).toBe(0);
    const addr = map(1, MAP_SHARED);
    store(addr + PAGE_SIZE, 1);
    store(addr, 2);
    fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE_SIZE, PAGE_SIZE);
    expect([byteAt(addr), byteAt(addr + PAGE_SIZE), pool()]).toEqual([2, 0, [0, 0]]);
    expect([...machine.call(thread, 'pread', fd, 2, 0).bytes!]).toEqual([2, 0]);
    expect(ret(thread, 'pwrite', fd, Uint8Array.of(1), 0)).toBe(-EINVAL);
  });
});
