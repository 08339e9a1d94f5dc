import { describe, expect, it } from 'vitest';
import { PG } from '../../../../../driver/mm/frames/frames.js';
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_PRIVATE,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '../../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../../helpers.js';

const EINVAL = -22;
const RW = PROT_READ | PROT_WRITE;
/** Bits of the answers. */
const [LOCKED, UPTODATE, LRU, BUDDY, MMAP, ANON, SWAPBACKED] = [0, 3, 5, 10, 11, 12, 14].map((bit) => 1 << bit);

function setUp() {
  const machine = smallMachine({ hugePages: 1, thpEnabled: 'madvise' });
  const { main } = machine.createProcess();
  const addr = anon(main, 1);
  ret(main, 'store', addr, Uint8Array.of(1));
  const read = (path: string, index: number): DataView => {
    const { bytes } = machine.call(main, 'pread', ret(main, 'open', path, 0), 8, 8 * index);
    return new DataView(bytes!.buffer);
  };
  const pfn = read('/proc/self/pagemap', addr / PAGE_SIZE).getUint32(0, true);
  return { machine, main, addr, pfn, read };
}

describe('/proc/kpageflags', () => {
  it('says what a page is, and whether it is locked', () => {
    const { machine, main, addr, pfn, read } = setUp();
    const flags = (): number => read('/proc/kpageflags', pfn).getUint32(0, true);
    const mapped = MMAP! | ANON! | SWAPBACKED! | LRU! | UPTODATE!;
    expect(flags() & (mapped | LOCKED! | BUDDY!)).toBe(mapped);
    machine.memory.frames.setFlags(pfn, PG.locked);
    expect(flags() & LOCKED!).toBe(LOCKED);
    machine.memory.frames.clearFlags(pfn, PG.locked);
    ret(main, 'munmap', addr, PAGE_SIZE);
    expect(flags()).toBe(BUDDY);
  });

  it('says that a page is locked into memory: while a locked vma maps all of its folio', () => {
    const { main, machine, addr, pfn, read } = setUp();
    const isMlocked = (pfn: number): boolean => {
      const view = read('/proc/kpageflags', pfn);
      const [lo, hi] = [(view.getUint32(0, true) >>> 18) & 1, (view.getUint32(4, true) >>> 1) & 1];
      expect(lo).toBe(hi);
      return lo === 1;
    };
    const at = (addr: number): number => read('/proc/self/pagemap', addr / PAGE_SIZE).getUint32(0, true);
    expect(isMlocked(pfn)).toBe(false);
    ret(main, 'mlock', addr, PAGE_SIZE);
    expect(isMlocked(pfn)).toBe(true);
    const child = machine.threadByTid(ret(main, 'fork'))!;
    ret(main, 'munlock', addr, PAGE_SIZE);
    expect(isMlocked(pfn)).toBe(false);
    machine.call(child, 'mlock', addr, PAGE_SIZE);
    expect(isMlocked(at(addr))).toBe(false);
    const shared = ret(main, 'mmap', 0, PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    expect(isMlocked(at(shared))).toBe(true);
    const huge = ret(main, 'mmap', 2 ** 30, 2 ** 21, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    ret(main, 'madvise', huge, 2 ** 21, MADV_HUGEPAGE);
    ret(main, 'store', huge, Uint8Array.of(1));
    const [head, tail] = [at(huge), at(huge + PAGE_SIZE)];
    expect([tail - head, isMlocked(tail)]).toEqual([1, false]);
    ret(main, 'mlock', huge, 2 ** 21);
    expect([isMlocked(head), isMlocked(tail)]).toEqual([true, true]);
    ret(main, 'munlock', huge, PAGE_SIZE);
    expect([isMlocked(head), isMlocked(tail)]).toEqual([false, false]);
  });

  it('says that an anonymous page is of one process alone, and that hugetlb is never swapped', () => {
    const { main, pfn, read } = setUp();
    const isExclusive = (): boolean => (read('/proc/kpageflags', pfn).getUint32(4, true) & 4) !== 0;
    expect(isExclusive()).toBe(true);
    ret(main, 'fork');
    expect(isExclusive()).toBe(false);
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
    const huge = ret(main, 'mmap', 0, 2 ** 21, RW, flags, -1, 0);
    ret(main, 'store', huge, Uint8Array.of(1));
    const head = read('/proc/self/pagemap', huge / PAGE_SIZE).getUint32(0, true);
    const view = read('/proc/kpageflags', head);
    expect([view.getUint32(0, true) & (ANON! | SWAPBACKED!), view.getUint32(4, true)]).toEqual([ANON, 4]);
  });

  it('has an entry for whole pages only, and none behind the last', () => {
    const { machine, main, read } = setUp();
    const fd = ret(main, 'open', '/proc/kpageflags', 0);
    expect(ret(main, 'pread', fd, 7, 0)).toBe(EINVAL);
    expect(read('/proc/kpageflags', machine.memory.frames.systemFrames).byteLength).toBe(0);
  });
});

describe('/proc/kpagecount', () => {
  it('counts the mappings of a page', () => {
    const { main, addr, pfn, read } = setUp();
    const count = (): number => read('/proc/kpagecount', pfn).getUint32(0, true);
    expect(count()).toBe(1);
    ret(main, 'munmap', addr, PAGE_SIZE);
    expect(count()).toBe(0);
  });
});
