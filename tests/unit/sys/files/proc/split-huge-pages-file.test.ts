import { describe, expect, it } from 'vitest';
import { checkInvariants } from '../../../../../driver/mm/invariants.js';
import type { Thread } from '../../../../../driver/sys/processes/thread.js';
import { O_CREAT, O_RDWR, O_WRONLY } from '../../../../../uapi/fcntl.js';
import { MADV_COLLAPSE, MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED, PAGE_SIZE } from '../../../../../uapi/mman.js';
import { IPC_CREAT, IPC_PRIVATE } from '../../../../../uapi/shm.js';
import { readText, ret, smallMachine } from '../../helpers.js';

const RW = 3;
const HUGE = 2 << 20;
const AT = 0x4000_0000;

const row = (text: string, name: string): string | undefined => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)?.[1];

/** Every kind of tmpfs memory there is, mapped shared at `AT`. */
const KINDS: Record<string, (thread: Thread) => number> = {
  'shared anonymous memory': (thread) =>
    ret(thread, 'mmap', AT, HUGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
  'a tmpfs file': (thread) => {
    const fd = ret(thread, 'open', '/tmp/file', O_RDWR | O_CREAT);
    expect(ret(thread, 'ftruncate', fd, HUGE)).toBe(0);
    return ret(thread, 'mmap', AT, HUGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
  },
  'a SysV segment': (thread) =>
    ret(thread, 'shmat', ret(thread, 'shmget', IPC_PRIVATE, HUGE, IPC_CREAT | 0o600), AT, 0),
};

function collapsed(kind: string) {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  expect(KINDS[kind]!(main)).toBe(AT);
  ret(main, 'store', AT, Uint8Array.of(1));
  ret(main, 'store', AT + 7 * PAGE_SIZE, Uint8Array.of(8));
  expect(ret(main, 'madvise', AT, HUGE, MADV_COLLAPSE)).toBe(0);
  checkInvariants(machine.memory);
  return { machine, main };
}

function write(thread: Thread, path: string, text: string): number {
  const fd = ret(thread, 'open', path, O_WRONLY);
  const done = ret(thread, 'pwrite', fd, new TextEncoder().encode(text), 0);
  ret(thread, 'close', fd);
  return done;
}

describe.each(Object.keys(KINDS))('%s that was collapsed', (kind) => {
  it('shows as 2 MiB of tmpfs in smaps, meminfo and pagemap', () => {
    const { machine, main } = collapsed(kind);
    const smaps = readText(main, '/proc/self/smaps');
    const names = ['Rss', 'Anonymous', 'AnonHugePages', 'ShmemPmdMapped', 'FilePmdMapped', 'THPeligible'];
    expect(names.map((name) => row(smaps, name))).toEqual(['2048 kB', '0 kB', '0 kB', '2048 kB', '0 kB', '0']);
    const meminfo = (): (string | undefined)[] => {
      const text = readText(main, '/proc/meminfo');
      return ['Shmem', 'AnonHugePages', 'ShmemHugePages', 'ShmemPmdMapped'].map((name) => row(text, name));
    };
    expect(meminfo()).toEqual(['2048 kB', '0 kB', '2048 kB', '2048 kB']);
    const fd = ret(main, 'open', '/proc/self/pagemap', 0);
    const { bytes } = machine.call(main, 'pread', fd, 16, (AT / PAGE_SIZE) * 8);
    const view = new DataView(bytes!.buffer, bytes!.byteOffset);
    expect(view.getUint32(8, true)).toBe(view.getUint32(0, true) + 1);
    // Present, of a file, and mapped by this process alone.
    expect(bytes![15]! & 0xe1).toBe(0xa1);
    expect(ret(main, 'munmap', AT, PAGE_SIZE)).toBe(0);
    expect(meminfo().slice(2)).toEqual(['2048 kB', '0 kB']);
  });

  it('is split by debugfs, and keeps what it holds', () => {
    const { machine, main } = collapsed(kind);
    expect(write(main, '/sys/kernel/debug/split_huge_pages', '1')).toBe(1);
    expect(row(readText(main, '/proc/meminfo'), 'ShmemHugePages')).toBe('0 kB');
    expect([...machine.call(main, 'load', AT + 7 * PAGE_SIZE, 1).bytes!]).toEqual([8]);
  });
});

it('debugfs splits what a file has, from one page to another', () => {
  const { main } = collapsed('a tmpfs file');
  const huge = (): string | undefined => row(readText(main, '/proc/meminfo'), 'ShmemHugePages');
  const path = '/sys/kernel/debug/split_huge_pages';
  for (const [text, kib] of [
    ['/tmp/file,0x200,0x300', '2048 kB'],
    ['/tmp/file,0x10,0x20,4', '2048 kB'],
    ['/tmp/file,0x10,0x20', '0 kB'],
  ] as const) {
    expect(write(main, path, text)).toBe(text.length);
    expect(huge()).toBe(kib);
  }
});
