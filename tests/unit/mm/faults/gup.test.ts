import { describe, expect, it } from 'vitest';
import type { Coroutine } from '../../../../driver/core/effect.js';
import { FOLL } from '../../../../driver/mm/faults/foll.js';
import { faultinPageRange, getUserPages, getUserPagesRemote, pinUserPages } from '../../../../driver/mm/faults/gup.js';
import { getUserPagesFast, pinUserPagesFast } from '../../../../driver/mm/faults/gup-fast.js';
import { folioPut } from '../../../../driver/mm/frames/folio.js';
import { ZERO_PFN } from '../../../../driver/mm/frames/frame-allocator.js';
import { PAGE_SIZE } from '../../../../driver/mm/frames/frames.js';
import { unpinUserPage, unpinUserPages } from '../../../../driver/mm/frames/pin.js';
import { EFAULT, EINVAL, ENOMEM } from '../../../../uapi/errno.js';
import { PROT_NONE, PROT_READ } from '../../../../uapi/mman.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
import { BASE } from '../../test-machine.js';

function addr(page: number): number {
  return BASE + page * PAGE_SIZE;
}

/** GUP as a system call would do it: with mmap_lock held for read. */
function locked<T>(w: DeviceMachine, coroutine: Coroutine<T>): T {
  const { mmapLock } = w.mm;
  return w.run(
    (function* () {
      yield* mmapLock.readLock();
      const result = yield* coroutine;
      mmapLock.readUnlock();
      return result;
    })(),
  );
}

describe('get_user_pages', () => {
  it('faults pages in and takes a reference on each', () => {
    const w = new DeviceMachine();
    w.anon(0, 3);
    w.fill(0, 1, 1);
    const pfns: number[] = [];
    expect(locked(w, getUserPages(w.mm, addr(0), 3, FOLL.write, pfns))).toBe(3);
    expect(pfns.map((pfn) => w.memory.frames.refcount(pfn))).toEqual([2, 2, 2]);
    expect(w.text(0, 3)).toBe('PTE 0-2 PRESENT W');
    for (const pfn of pfns) folioPut(w.memory, pfn);
    w.check();
  });

  it('reads the zero page where nothing was written, and takes a reference on it', () => {
    const w = new DeviceMachine();
    w.anon(0, 1);
    const pfns: number[] = [];
    const before = w.memory.frames.refcount(ZERO_PFN);
    expect(locked(w, getUserPages(w.mm, addr(0), 1, 0, pfns))).toBe(1);
    expect(pfns).toEqual([ZERO_PFN]);
    expect(w.memory.frames.refcount(ZERO_PFN)).toBe(before + 1);
    folioPut(w.memory, ZERO_PFN);
    w.check();
  });

  it('answers how many pages it got before one that it can not get', () => {
    const w = new DeviceMachine();
    w.anon(0, 2);
    w.anon(2, 1, { prot: PROT_READ });
    const pfns: number[] = [];
    expect(locked(w, getUserPages(w.mm, addr(0), 4, FOLL.write, pfns))).toBe(2);
    expect(locked(w, getUserPages(w.mm, addr(2), 1, FOLL.write, []))).toBe(-EFAULT);
    expect(locked(w, getUserPages(w.mm, addr(3), 1, 0, []))).toBe(-EFAULT);
    for (const pfn of pfns) folioPut(w.memory, pfn);
    w.check();
  });

  it('refuses long-term references that are no pins, and flags that only mm may use', () => {
    const w = new DeviceMachine();
    w.anon(0, 1);
    expect(locked(w, getUserPages(w.mm, addr(0), 1, FOLL.longterm, []))).toBe(-EINVAL);
    expect(locked(w, getUserPages(w.mm, addr(0), 1, FOLL.remote, []))).toBe(-EINVAL);
    expect(locked(w, pinUserPages(w.mm, addr(0), 1, FOLL.get, []))).toBe(0);
  });

  it('breaks COW before it gives a page for writing', () => {
    const w = new DeviceMachine();
    w.anon(0, 1);
    w.fill(0, 1, 5);
    const child = w.fork();
    const pfns: number[] = [];
    expect(locked(w, getUserPagesRemote(w.mm, addr(0), 1, FOLL.write, pfns))).toBe(1);
    w.memory.contentChanges(pfns[0]!);
    w.memory.words[pfns[0]! * 1024] = 6;
    expect(w.words(0, 1, child)).toEqual([5]);
    expect(w.words(0, 1)).toEqual([6]);
    folioPut(w.memory, pfns[0]!);
    w.check();
  });

  it('brings device-private and device-exclusive pages back', () => {
    const w = new DeviceMachine();
    w.anon(0, 2);
    w.fill(0, 2, 5);
    const file = w.open(0);
    w.command(file, 'MIGRATE_TO_DEV', 0, 1);
    w.command(file, 'EXCLUSIVE', 1, 1);
    const pfns: number[] = [];
    expect(locked(w, getUserPages(w.mm, addr(0), 2, 0, pfns))).toBe(2);
    expect(pfns.map((pfn) => w.memory.words[pfn * 1024])).toEqual([5, 6]);
    for (const pfn of pfns) folioPut(w.memory, pfn);
    w.check();
  });
});

describe('pins', () => {
  it('add 1024 references to a small page, which then can not be migrated', () => {
    const w = new DeviceMachine();
    w.anon(0, 1);
    w.fill(0, 1, 5);
    const file = w.open(0);
    const pfns: number[] = [];
    expect(locked(w, pinUserPages(w.mm, addr(0), 1, 0, pfns))).toBe(1);
    const [pfn] = pfns as [number];
    expect([w.memory.frames.refcount(pfn), w.memory.frames.pincount(pfn)]).toEqual([1025, 1]);
    w.command(file, 'MIGRATE_TO_DEV', 0, 1);
    expect(w.text(0, 1)).toBe('PTE 0 PRESENT W');
    w.check();
    unpinUserPage(w.memory, pfn);
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, 1).ret).toBe(0);
    w.check();
  });

  it('make a fork copy the page at once', () => {
    const w = new DeviceMachine();
    w.anon(0, 1);
    w.fill(0, 1, 5);
    const pfns: number[] = [];
    locked(w, pinUserPages(w.mm, addr(0), 1, FOLL.write, pfns));
    const child = w.fork();
    w.memory.contentChanges(pfns[0]!);
    w.memory.words[pfns[0]! * 1024] = 7;
    expect(w.words(0, 1)).toEqual([7]);
    expect(w.words(0, 1, child)).toEqual([5]);
    unpinUserPages(w.memory, pfns, 1);
    w.check();
  });

  it('for reading, unshare a page that a child maps too', () => {
    const w = new DeviceMachine();
    w.anon(0, 1);
    w.fill(0, 1, 5);
    const child = w.fork();
    const pfns: number[] = [];
    expect(locked(w, pinUserPages(w.mm, addr(0), 1, 0, pfns))).toBe(1);
    expect(w.memory.frames.isAnonExclusive(pfns[0]!)).toBe(true);
    w.fill(0, 1, 8);
    expect(w.memory.words[pfns[0]! * 1024]).toBe(8);
    expect(w.words(0, 1, child)).toEqual([5]);
    unpinUserPage(w.memory, pfns[0]!);
    w.check();
  });

  it('leave the zero page alone, but replace it for a long-term pin', () => {
    const w = new DeviceMachine();
    w.anon(0, 2);
    w.words(0, 2);
    const pfns: number[] = [];
    expect(locked(w, pinUserPages(w.mm, addr(0), 1, 0, pfns))).toBe(1);
    expect(pfns).toEqual([ZERO_PFN]);
    unpinUserPage(w.memory, ZERO_PFN);
    expect(locked(w, pinUserPages(w.mm, addr(1), 1, FOLL.longterm, pfns))).toBe(1);
    expect(pfns[0]).not.toBe(ZERO_PFN);
    unpinUserPage(w.memory, pfns[0]!);
    w.check();
  });

  it('for long move coherent pages to system memory, others stay', () => {
    const w = new DeviceMachine();
    w.anon(0, 3);
    w.fill(0, 3, 5);
    const file = w.open(2);
    w.command(file, 'MIGRATE_TO_DEV', 1, 1);
    const pfns: number[] = [];
    expect(locked(w, pinUserPages(w.mm, addr(0), 3, FOLL.write, pfns))).toBe(3);
    expect(w.command(file, 'SNAPSHOT', 0, 3).bytes).toEqual([2, 0x42, 2]);
    unpinUserPages(w.memory, pfns, 3);
    expect(locked(w, pinUserPages(w.mm, addr(0), 3, FOLL.write | FOLL.longterm, pfns))).toBe(3);
    expect(w.command(file, 'SNAPSHOT', 0, 3).bytes).toEqual([2, 2, 2]);
    unpinUserPages(w.memory, pfns, 3);
    expect(w.words(0, 3)).toEqual([5, 6, 7]);
    w.check();
  });

  it('of a huge page count once each on its head', () => {
    const w = new DeviceMachine({ thpEnabled: 'always' });
    w.anon(0, 512);
    w.fill(0, 1, 5);
    const pfns: number[] = [];
    expect(locked(w, pinUserPages(w.mm, addr(3), 10, FOLL.write, pfns))).toBe(10);
    const head = w.memory.frames.head(pfns[0]!);
    expect(pfns).toEqual(Array.from({ length: 10 }, (_, i) => head + 3 + i));
    expect([w.memory.frames.refcount(head), w.memory.frames.pincount(head)]).toEqual([11, 10]);
    unpinUserPages(w.memory, pfns, 10);
    w.check();
  });

  it('split a huge page when they are asked to', () => {
    const w = new DeviceMachine({ thpEnabled: 'always' });
    w.anon(0, 512);
    w.fill(0, 1, 5);
    const pfns: number[] = [];
    expect(locked(w, getUserPagesRemote(w.mm, addr(3), 2, FOLL.write | FOLL.splitPmd, pfns))).toBe(2);
    expect(w.text(3, 1)).toMatch(/^PTE 0 PRESENT W/);
    for (const pfn of pfns) folioPut(w.memory, pfn);
    w.check();
  });
});

describe('the fast path', () => {
  const stats = (w: DeviceMachine, work: () => void): string[] =>
    w.trace(['lock'], work).filter((line) => line.includes('mmap'));

  it('takes no lock for pages that are there', () => {
    const w = new DeviceMachine();
    w.anon(0, 4);
    w.fill(0, 4, 1);
    const pfns: number[] = [];
    expect(stats(w, () => expect(w.run(getUserPagesFast(w.mm, addr(0), 4, FOLL.write, pfns))).toBe(4))).toEqual([]);
    for (const pfn of pfns) folioPut(w.memory, pfn);
    expect(stats(w, () => expect(w.run(pinUserPagesFast(w.mm, addr(0), 4, 0, pfns))).toBe(4))).toEqual([]);
    unpinUserPages(w.memory, pfns, 4);
    w.check();
  });

  it('leaves the rest to the slow path, and keeps what it has when that fails', () => {
    const w = new DeviceMachine();
    w.anon(0, 2);
    w.fill(0, 1, 1);
    const pfns: number[] = [];
    expect(stats(w, () => expect(w.run(getUserPagesFast(w.mm, addr(0), 2, 0, pfns))).toBe(2))).toEqual([
      'lock mmap_lock',
    ]);
    for (const pfn of pfns) folioPut(w.memory, pfn);
    expect(w.run(getUserPagesFast(w.mm, addr(1), 3, 0, pfns))).toBe(1);
    folioPut(w.memory, pfns[0]!);
    w.check();
  });

  it('refuses addresses outside of user space', () => {
    const w = new DeviceMachine();
    expect(w.run(getUserPagesFast(w.mm, 0x8000_0000_0000, 1, 0, []))).toBe(-EFAULT);
    expect(w.run(getUserPagesFast(w.mm, addr(9), 1, 0, []))).toBe(-EFAULT);
  });
});

describe('faultin_page_range', () => {
  it('populates, with errors of its own', () => {
    const w = new DeviceMachine();
    w.anon(0, 2);
    w.anon(2, 1, { prot: PROT_NONE });
    expect(locked(w, faultinPageRange(w.mm, addr(0), addr(2), true))).toBe(2);
    expect(w.text(0, 2)).toBe('PTE 0-1 PRESENT W');
    expect(locked(w, faultinPageRange(w.mm, addr(2), addr(3), false))).toBe(-EINVAL);
    expect(locked(w, faultinPageRange(w.mm, addr(3), addr(4), false))).toBe(-ENOMEM);
    w.check();
  });
});
