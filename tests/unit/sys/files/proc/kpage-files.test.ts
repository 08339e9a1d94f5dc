import { describe, expect, it } from 'vitest';
import { PG } from '../../../../../driver/mm/frames/frames.js';
import { PAGE_SIZE } from '../../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../../helpers.js';

const EINVAL = -22;
/** Bits of the answers. */
const [LOCKED, UPTODATE, LRU, BUDDY, MMAP, ANON, SWAPBACKED] = [0, 3, 5, 10, 11, 12, 14].map((bit) => 1 << bit);

function setUp() {
  const machine = smallMachine();
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
