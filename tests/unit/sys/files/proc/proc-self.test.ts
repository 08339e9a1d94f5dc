import { describe, expect, it } from 'vitest';
import { ENOENT } from '../../../../../uapi/errno.js';
import { O_CREAT, O_RDWR, O_WRONLY } from '../../../../../uapi/fcntl.js';
import {
  MADV_DODUMP,
  MADV_DONTDUMP,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MAP_ANONYMOUS,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_PRIVATE,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '../../../../../uapi/mman.js';
import { anon, readText, ret, smallMachine } from '../../helpers.js';

const row = (text: string, name: string): string | undefined => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)?.[1];

describe('/proc/self', () => {
  it('maps has a line for each vma, with rights and file', () => {
    const { main } = smallMachine().createProcess();
    const addr = anon(main, 2);
    ret(main, 'mprotect', addr + PAGE_SIZE, PAGE_SIZE, 1);
    const at = (page: number): string => (addr + page * PAGE_SIZE).toString(16).padStart(8, '0');
    expect(readText(main, '/proc/self/maps')).toBe(
      `${at(0)}-${at(1)} rw-p 00000000 00:00 0 \n${at(1)}-${at(2)} r--p 00000000 00:00 0 \n`,
    );
  });

  it('maps and smaps write a line end in a name as Linux does', () => {
    const { main } = smallMachine().createProcess();
    const fd = ret(main, 'open', '/tmp/a\nb\\c', O_RDWR | O_CREAT);
    ret(main, 'mmap', 0, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    for (const name of ['maps', 'smaps'])
      expect(readText(main, `/proc/self/${name}`).split('\n', 1)[0]).toMatch(/ \/tmp\/a\\012b\\c$/);
  });

  it('smaps and status count pages in memory, in swap, and locked', () => {
    const { main } = smallMachine({ swapBytes: 1 << 20 }).createProcess();
    const addr = anon(main, 4);
    ret(main, 'store', addr, new Uint8Array(3 * PAGE_SIZE).fill(1));
    ret(main, 'madvise', addr, PAGE_SIZE, MADV_PAGEOUT);
    const smaps = readText(main, '/proc/self/smaps');
    const rows = ['Size', 'Rss', 'Anonymous', 'Private_Dirty', 'Swap', 'Locked'].map((name) => row(smaps, name));
    expect(rows).toEqual(['16 kB', '8 kB', '8 kB', '8 kB', '4 kB', '0 kB']);
    expect(row(smaps, 'VmFlags')).toBe('rd wr mr mw me ac sd ');
    ret(main, 'mlock', addr + PAGE_SIZE, PAGE_SIZE);
    const status = readText(main, '/proc/self/status');
    expect(['Pid', 'VmLck', 'VmRSS', 'VmSwap', 'Threads'].map((name) => row(status, name))).toEqual([
      String(main.tid),
      '4 kB',
      '8 kB',
      '4 kB',
      '1',
    ]);
  });

  it('status counts private writable memory as data, and stacks', () => {
    const { main } = smallMachine().createProcess();
    const rows = (): (string | undefined)[] => {
      const status = readText(main, '/proc/self/status');
      return ['VmSize', 'VmData', 'VmStk'].map((name) => row(status, name));
    };
    const mapped = (prot: number, flags: number): number =>
      ret(main, 'mmap', 0, PAGE_SIZE, prot, flags | MAP_ANONYMOUS, -1, 0);
    expect(rows()).toEqual(['0 kB', '0 kB', '0 kB']);
    const addr = mapped(PROT_READ, MAP_PRIVATE);
    mapped(PROT_READ | PROT_WRITE, MAP_SHARED);
    expect(rows()).toEqual(['8 kB', '0 kB', '0 kB']);
    ret(main, 'mprotect', addr, PAGE_SIZE, PROT_READ | PROT_WRITE);
    expect(rows()).toEqual(['8 kB', '4 kB', '0 kB']);
    mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN);
    expect(rows()).toEqual(['12 kB', '4 kB', '4 kB']);
    expect(readText(main, '/proc/self/smaps')).toContain('VmFlags: rd wr mr mw me gd ac sd ');
    ret(main, 'mprotect', addr, PAGE_SIZE, 0);
    expect(rows()).toEqual(['12 kB', '0 kB', '4 kB']);
  });

  it('smaps counts a huge page as such', () => {
    const { main } = smallMachine({ thpEnabled: 'always' }).createProcess();
    const addr = anon(main, 1024);
    ret(main, 'madvise', addr, 1024 * PAGE_SIZE, MADV_HUGEPAGE);
    ret(main, 'store', Math.ceil(addr / 2 ** 21) * 2 ** 21, Uint8Array.of(1));
    expect(row(readText(main, '/proc/self/smaps'), 'AnonHugePages')).toBe('2048 kB');
  });

  it('smaps says whether a huge page of some size that is enabled fits into a vma', () => {
    const { main } = smallMachine({ thpEnabled: 'never' }).createProcess();
    anon(main, 64);
    const eligibleWith = (kib: number, word: string): string | undefined => {
      const path = `/sys/kernel/mm/transparent_hugepage/hugepages-${kib}kB/enabled`;
      const fd = ret(main, 'open', path, O_RDWR);
      ret(main, 'pwrite', fd, new TextEncoder().encode(word), 0);
      expect(readText(main, path)).toContain(`[${word}]`);
      return row(readText(main, '/proc/self/smaps'), 'THPeligible');
    };
    expect([eligibleWith(1024, 'always'), eligibleWith(64, 'madvise'), eligibleWith(64, 'always')]).toEqual([
      '0',
      '0',
      '1',
    ]);
  });

  it('smaps shares a page among those that map it, by their number', () => {
    const machine = smallMachine({ swapBytes: 1 << 20 });
    const { main } = machine.createProcess();
    const addr = anon(main, 4);
    ret(main, 'store', addr, new Uint8Array(3 * PAGE_SIZE).fill(1));
    ret(main, 'madvise', addr, PAGE_SIZE, MADV_PAGEOUT);
    const rows = (...names: string[]): (string | undefined)[] => {
      const text = readText(main, '/proc/self/smaps');
      return names.map((name) => row(text, name));
    };
    expect(rows('Pss', 'Private_Dirty', 'Shared_Dirty', 'SwapPss')).toEqual(['8 kB', '8 kB', '0 kB', '4 kB']);
    const child = machine.threadByTid(ret(main, 'fork'))!;
    expect(rows('Rss', 'Pss', 'Private_Dirty', 'Shared_Dirty', 'Pss_Dirty', 'Swap', 'SwapPss')).toEqual([
      ...['8 kB', '4 kB', '0 kB', '8 kB', '4 kB', '4 kB', '2 kB'],
    ]);
    machine.call(child, 'store', addr + PAGE_SIZE, Uint8Array.of(2));
    expect(rows('Pss', 'Private_Dirty', 'Shared_Dirty')).toEqual(['6 kB', '4 kB', '4 kB']);
    ret(main, 'mlock', addr, 4 * PAGE_SIZE);
    expect(rows('Rss', 'Locked')).toEqual(['16 kB', '16 kB']);
  });

  it('smaps goes by who maps a page of a shared mapping, not by that it is one', () => {
    const { main } = smallMachine({ swapBytes: 1 << 20 }).createProcess();
    const addr = ret(main, 'mmap', 0, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ret(main, 'store', addr, new Uint8Array(2 * PAGE_SIZE).fill(1));
    const text = readText(main, '/proc/self/smaps');
    expect(['Rss', 'Pss', 'Private_Dirty', 'Shared_Dirty', 'Anonymous'].map((name) => row(text, name))).toEqual([
      ...['8 kB', '8 kB', '8 kB', '0 kB', '0 kB'],
    ]);
    ret(main, 'madvise', addr, PAGE_SIZE, MADV_PAGEOUT);
    const after = readText(main, '/proc/self/smaps');
    expect(['Rss', 'Swap', 'SwapPss', 'VmFlags'].map((name) => row(after, name))).toEqual([
      ...['4 kB', '4 kB', '0 kB', 'rd wr sh mr mw me ms sd '],
    ]);
  });

  it('smaps tells what MADV_FREE made free, and which pages were used', () => {
    const { main } = smallMachine().createProcess();
    const addr = anon(main, 4);
    ret(main, 'store', addr, new Uint8Array(3 * PAGE_SIZE).fill(1));
    ret(main, 'madvise', addr, 2 * PAGE_SIZE, MADV_FREE);
    const names = ['Anonymous', 'LazyFree', 'Referenced', 'Private_Clean', 'Private_Dirty'];
    const text = readText(main, '/proc/self/smaps');
    expect(names.map((name) => row(text, name))).toEqual(['12 kB', '8 kB', '4 kB', '8 kB', '4 kB']);
  });

  it('smaps tells of advice that does nothing else here, in the order of the bits', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const addr = anon(main, 2);
    const advise = (...advice: number[]): (string | undefined)[] =>
      advice.map((one) => {
        expect(ret(main, 'madvise', addr, 2 * PAGE_SIZE, one)).toBe(0);
        return row(readText(main, '/proc/self/smaps'), 'VmFlags');
      });
    expect(advise(MADV_DONTDUMP, MADV_SEQUENTIAL, MADV_RANDOM)).toEqual([
      'rd wr mr mw me ac dd sd ',
      'rd wr mr mw me sr ac dd sd ',
      'rd wr mr mw me rr ac dd sd ',
    ]);
    const child = machine.threadByTid(ret(main, 'fork'))!;
    expect(row(readText(child, '/proc/self/smaps'), 'VmFlags')).toContain(' rr ac dd ');
    expect(advise(MADV_DODUMP, MADV_NORMAL)).toEqual(['rd wr mr mw me rr ac sd ', 'rd wr mr mw me ac sd ']);
    ret(main, 'madvise', addr, PAGE_SIZE, MADV_DONTDUMP);
    expect(readText(main, '/proc/self/smaps').match(/VmFlags/g)).toHaveLength(2);
  });

  it('smaps takes for used what a fault mapped around the page that was', () => {
    const { main } = smallMachine().createProcess();
    const fd = ret(main, 'open', '/tmp/around', O_RDWR | O_CREAT);
    ret(main, 'pwrite', fd, new Uint8Array(4 * PAGE_SIZE), 0);
    const addr = ret(main, 'mmap', 0, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    ret(main, 'load', addr, 1);
    expect(row(readText(main, '/proc/self/smaps'), 'Referenced')).toBe('16 kB');
    ret(main, 'pwrite', ret(main, 'open', '/proc/self/clear_refs', O_WRONLY), Uint8Array.of(0x31), 0);
    expect(row(readText(main, '/proc/self/smaps'), 'Referenced')).toBe('0 kB');
  });

  it('smaps counts pages of hugetlb apart', () => {
    const machine = smallMachine({ hugePages: 2 });
    const { main } = machine.createProcess();
    const flags = MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB;
    ret(main, 'store', ret(main, 'mmap', 0, 2 ** 21, PROT_READ | PROT_WRITE, flags, -1, 0), Uint8Array.of(1));
    const names = ['Rss', 'Pss', 'Shared_Hugetlb', 'Private_Hugetlb', 'KernelPageSize'];
    const text = readText(main, '/proc/self/smaps');
    expect(names.map((name) => row(text, name))).toEqual(['0 kB', '0 kB', '0 kB', '2048 kB', '2048 kB']);
  });

  it('another process is seen by its pid, while it runs', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const pid = ret(main, 'fork');
    expect(row(readText(main, `/proc/${pid}/status`), 'PPid')).toBe(String(main.tid));
    ret(machine.threadByTid(pid)!, 'exit', 0);
    expect(ret(main, 'open', `/proc/${pid}/status`, 0)).toBe(-ENOENT);
  });
});
