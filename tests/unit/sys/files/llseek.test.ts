import { describe, expect, it } from 'vitest';
import { EventFd } from '../../../../driver/sys/files/event-fd.js';
import { HugetlbfsFile, HugetlbfsInode } from '../../../../driver/sys/files/hugetlbfs-file.js';
import { createPipe } from '../../../../driver/sys/files/pipe-end.js';
import { TmpfsFile, TmpfsInode } from '../../../../driver/sys/files/tmpfs-file.js';
import type { Machine } from '../../../../driver/sys/machine/machine.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { EBADF, EINVAL, ENXIO, ESPIPE } from '../../../../uapi/errno.js';
import {
  FALLOC_FL_KEEP_SIZE,
  O_RDONLY,
  O_RDWR,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from '../../../../uapi/fcntl.js';
import {
  MADV_COLLAPSE,
  MADV_PAGEOUT,
  MAP_FIXED,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '../../../../uapi/mman.js';
import { inKernel, ret, smallMachine } from '../helpers.js';

const BYTE = Uint8Array.of(1);
const RW = PROT_READ | PROT_WRITE;

/** A tmpfs file of `npages` and a byte. */
function tmpfs(npages: number): {
  machine: Machine;
  main: Thread;
  seek: (page: number, whence: number) => number;
  put: (page: number) => number;
  map: (addr?: number) => number;
  fallocate: (page: number, npages: number) => number;
} {
  const machine = smallMachine({ swapBytes: 8 << 20 });
  const { main } = machine.createProcess();
  const file = new TmpfsFile(machine, O_RDWR, new TmpfsInode(machine.memory));
  const fd = main.process.files.install(file);
  ret(main, 'ftruncate', fd, npages * PAGE_SIZE + 1);
  return {
    machine,
    main,
    seek: (page, whence) => ret(main, 'lseek', fd, page * PAGE_SIZE, whence) / PAGE_SIZE,
    put: (page) => ret(main, 'pwrite', fd, BYTE, page * PAGE_SIZE),
    map: (addr = 0) =>
      ret(main, 'mmap', addr, npages * PAGE_SIZE, RW, MAP_SHARED | (addr === 0 ? 0 : MAP_FIXED), fd, 0),
    fallocate(page, npages) {
      const range = { mode: FALLOC_FL_KEEP_SIZE, offset: page * PAGE_SIZE, len: npages * PAGE_SIZE };
      return inKernel(main, () => file.fallocate(range)).result!;
    },
  };
}

const none = -ENXIO / PAGE_SIZE;
const end = (npages: number): number => npages + 1 / PAGE_SIZE;

describe('lseek of a tmpfs file', () => {
  it('finds pages that were written, and the hole behind the end', () => {
    const { seek, put } = tmpfs(8);
    expect([seek(0, SEEK_DATA), seek(0, SEEK_HOLE), seek(8, SEEK_HOLE)]).toEqual([none, 0, 8]);
    put(2);
    put(3);
    expect([seek(0, SEEK_DATA), seek(0, SEEK_HOLE), seek(2.5, SEEK_DATA)]).toEqual([2, 0, 2.5]);
    expect([seek(2.5, SEEK_HOLE), seek(0, SEEK_CUR), seek(4, SEEK_DATA)]).toEqual([4, 4, none]);
    put(8);
    expect([seek(4, SEEK_DATA), seek(8, SEEK_HOLE)]).toEqual([8, end(8)]);
    expect([seek(9, SEEK_HOLE), seek(9, SEEK_DATA), seek(-1, SEEK_DATA)]).toEqual([none, none, none]);
  });

  it('takes pages in swap for data', () => {
    const { seek, put, map, main, machine } = tmpfs(4);
    put(1);
    const addr = map();
    ret(main, 'load', addr + PAGE_SIZE, 1);
    ret(main, 'madvise', addr, 4 * PAGE_SIZE, MADV_PAGEOUT);
    const [mapping] = [...machine.memory.mappings.values()];
    expect(mapping!.pages.get(1)).toBeLessThan(0);
    expect([seek(0, SEEK_DATA), seek(1, SEEK_HOLE)]).toEqual([1, 2]);
  });

  it('takes for a hole what fallocate put there, until it is written, mapped, put to swap or put there again', () => {
    const { seek, put, map, main, fallocate, machine } = tmpfs(8);
    expect([fallocate(1, 5), seek(0, SEEK_DATA), seek(1, SEEK_HOLE)]).toEqual([0, none, 1]);
    put(2);
    expect([seek(0, SEEK_DATA), seek(2, SEEK_HOLE)]).toEqual([2, 3]);
    const addr = map();
    ret(main, 'load', addr + 3 * PAGE_SIZE, 1);
    expect(seek(2, SEEK_HOLE)).toBe(4);
    fallocate(4, 1);
    expect(seek(2, SEEK_HOLE)).toBe(5);
    machine.checkInvariants();
    ret(main, 'madvise', addr, 8 * PAGE_SIZE, MADV_PAGEOUT);
    expect([seek(2, SEEK_HOLE), seek(0, SEEK_DATA)]).toEqual([5, 2]);
  });

  it('what fallocate put there becomes part of a huge page, and data', () => {
    const { seek, put, map, main, fallocate } = tmpfs(512);
    put(0);
    fallocate(1, 500);
    expect(seek(0, SEEK_HOLE)).toBe(1);
    const addr = map(2 ** 30);
    ret(main, 'load', addr, 1);
    expect([ret(main, 'madvise', addr, 512 * PAGE_SIZE, MADV_COLLAPSE), seek(0, SEEK_HOLE)]).toEqual([0, 512]);
  });
});

describe('lseek of another file', () => {
  const machine = smallMachine({ hugePages: 1 });
  const { main } = machine.createProcess();
  const { files } = main.process;
  const seeks = (fd: number, offset: number): number[] =>
    [SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 5].map((whence) => ret(main, 'lseek', fd, offset, whence));
  const opened = (path: string): number => ret(main, 'open', path, O_RDONLY);

  it('is all data where it is of hugetlbfs, pages or not', () => {
    const fd = files.install(new HugetlbfsFile(machine, O_RDWR, new HugetlbfsInode(machine.memory)));
    ret(main, 'ftruncate', fd, 2 ** 21);
    expect(seeks(fd, 5)).toEqual([5, 10, 2 ** 21 + 5, 5, 2 ** 21, -EINVAL]);
    expect(seeks(fd, -1)).toEqual([-EINVAL, 2 ** 21 - 1, 2 ** 21 - 1, -EINVAL, 2 ** 21, -EINVAL]);
    expect(ret(main, 'lseek', fd, 2 ** 21, SEEK_DATA)).toBe(-ENXIO);
  });

  it('is what its own llseek says', () => {
    const pipe = files.install(createPipe(machine, 0).reader);
    expect(seeks(pipe, 0)).toEqual([-ESPIPE, -ESPIPE, -ESPIPE, -ESPIPE, -ESPIPE, -EINVAL]);
    expect(seeks(files.install(new EventFd(machine, 0, 0)), 5)).toEqual([0, 0, 0, 0, 0, -EINVAL]);
    const lines = [5, 10, -EINVAL, -EINVAL, -EINVAL, -EINVAL];
    for (const path of ['/proc/self/status', '/proc/meminfo', '/proc/kpageflags', '/proc/self/pagemap', '/tmp'])
      expect(seeks(opened(path), 5)).toEqual(lines);
    expect(seeks(opened('/proc/self/cmdline'), 0)).toEqual([0, 0, 0, -ENXIO, -ENXIO, -EINVAL]);
    const sysfs = '/sys/kernel/mm/transparent_hugepage/enabled';
    expect(seeks(opened(sysfs), 5)).toEqual([5, 10, 4101, 5, 4096, -EINVAL]);
    const sysctl = '/proc/sys/vm/max_map_count';
    expect(seeks(opened(sysctl), -1)).toEqual([-EINVAL, -EINVAL, -EINVAL, -EINVAL, 0, -EINVAL]);
    expect(seeks(ret(main, 'open', '/sys/kernel/debug/gup_test', O_RDWR), 0)[0]).toBe(-ESPIPE);
    expect(seeks(99, 0)[0]).toBe(-EBADF);
  });
});
