import { describe, expect, it } from 'vitest';
import type { Coroutine } from '../../../../driver/core/effect.js';
import { faultAttr } from '../../../../driver/inject/fault-attr.js';
import { InjectPoint } from '../../../../driver/inject/inject-points.js';
import { cpuStore } from '../../../../driver/mm/faults/access.js';
import { FOLL } from '../../../../driver/mm/faults/foll.js';
import { pinUserPages } from '../../../../driver/mm/faults/gup.js';
import { folioGet, folioPut } from '../../../../driver/mm/frames/folio.js';
import { PG } from '../../../../driver/mm/frames/frames.js';
import { unpinUserPages } from '../../../../driver/mm/frames/pin.js';
import { anonFoliosOf, MTHP_STATS } from '../../../../driver/mm/huge/mthp-stats.js';
import { splitHugePagesAll, splitHugePagesPid } from '../../../../driver/mm/huge/split-huge-pages.js';
import { pfnAt } from '../../../../driver/mm/tables/page-table-text.js';
import { doMadvise } from '../../../../driver/mm/vmas/madvise.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { mremap } from '../../../../driver/mm/vmas/mremap.js';
import { ENOMEM } from '../../../../uapi/errno.js';
import {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_PAGEOUT,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
  PROT_WRITE,
} from '../../../../uapi/mman.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
import { BASE, PAGE, TestMachine, type TestMachineOptions } from '../../test-machine.js';

const KIB_16 = 1 << 2;
const KIB_64 = 1 << 4;

/** A machine whose anonymous memory has folios of the given orders, and none of 2 MiB. */
function worldOf(orders: number, options: TestMachineOptions = {}): TestMachine {
  const world = new TestMachine({ checked: true, ...options });
  world.memory.thpOrders = { always: orders, madvise: 0, inherit: 0 };
  return world;
}

/** 64 KiB at page 0, whose pages begin with their number and 1. */
function worldWithFolio(): { world: TestMachine; head: number } {
  const world = worldOf(KIB_64);
  world.anon(0, 32);
  world.fill(0, 16);
  world.takeEvents();
  return { world, head: headAt(world, 0) };
}

function headAt({ mm, memory }: TestMachine, page: number): number {
  return memory.frames.head(pfnAt(mm, BASE / PAGE + page));
}

/** The counters of an order that are not 0, with the folios that are there. */
function stats({ memory }: TestMachine, order = 4): Record<string, number> {
  const counts: [string, number][] = MTHP_STATS.map((name) => [name, memory.mthpStats.sumMthpStat(order, name)]);
  counts.push(['nr_anon', anonFoliosOf(memory, order)]);
  counts.push(['nr_anon_partially_mapped', anonFoliosOf(memory, order, PG.partiallyMapped)]);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

const WORDS = Array.from({ length: 16 }, (_, i) => i + 1);

describe('a write fault where sizes below 2 MiB are enabled', () => {
  it('maps a whole aligned folio around the address', () => {
    const world = worldOf(KIB_64);
    world.anon(0, 32);
    expect(world.store(21, 7)).toBe('none');
    expect(world.text(0, 32)).toBe('PTE 0-15 NONE\nPTE 16-31 PRESENT W');
    const head = headAt(world, 21);
    const { frames } = world.memory;
    expect([head % 16, pfnAt(world.mm, BASE / PAGE + 31) - head]).toEqual([0, 15]);
    expect([frames.order(head), frames.refcount(head), frames.folioMapcount(head)]).toEqual([4, 16, 16]);
    expect([world.load(21), world.load(20), world.mm.rss.anon]).toEqual([7, 0, 16]);
    expect(stats(world)).toEqual({ anon_fault_alloc: 1, nr_anon: 1 });
  });

  it('takes the largest size that the vma has room for and that covers holes alone', () => {
    const world = worldOf(KIB_16 | KIB_64);
    world.anon(4, 40);
    world.load(33);
    for (const page of [4, 20, 34, 36, 40]) world.store(page, 1);
    const orders = [4, 20, 34, 36, 40].map((page) => world.memory.frames.order(headAt(world, page)));
    expect(orders).toEqual([2, 4, 0, 2, 2]);
    expect(world.text(32, 4)).toBe('PTE 0 NONE\nPTE 1 ZERO\nPTE 2 PRESENT W\nPTE 3 NONE');
  });

  it('goes by the word of the size, and by that for all where the size inherits', () => {
    const orders = { always: 0, madvise: 0, inherit: 0 };
    const order = (thpEnabled: 'always' | 'madvise' | 'never', word: keyof typeof orders, advice: number): number => {
      const machine = new TestMachine({ checked: true, thpEnabled });
      machine.memory.thpOrders = { ...orders, [word]: KIB_64 };
      machine.anon(0, 16);
      machine.advise(0, 16, advice);
      machine.store(3, 1);
      return machine.memory.frames.order(headAt(machine, 3));
    };
    expect(order('never', 'always', MADV_DONTNEED)).toBe(4);
    expect(order('always', 'always', MADV_NOHUGEPAGE)).toBe(0);
    expect(order('never', 'madvise', MADV_HUGEPAGE)).toBe(4);
    expect(order('always', 'madvise', MADV_DONTNEED)).toBe(0);
    expect(order('always', 'inherit', MADV_DONTNEED)).toBe(4);
    expect(order('madvise', 'inherit', MADV_DONTNEED)).toBe(0);
    expect(order('madvise', 'inherit', MADV_HUGEPAGE)).toBe(4);
    expect(order('never', 'inherit', MADV_HUGEPAGE)).toBe(0);
  });

  it('falls back to the next size, and to a page, when no run of frames is free', () => {
    const world = worldOf(KIB_16 | KIB_64, { ramBytes: 4 << 20, hugePages: 0, checked: false });
    const { allocator, frames } = world.memory;
    world.anon(0, 64);
    world.store(63, 1);
    const takeAll = (): number[] => {
      const pfns: number[] = [];
      for (let pfn = allocator.allocateNofail(); pfn !== 0; pfn = allocator.allocateNofail()) pfns.push(pfn);
      return pfns;
    };
    const taken = takeAll();
    const free = (pfns: number[]): void => {
      for (const pfn of pfns) folioPut(world.memory, pfn);
    };
    free(taken.filter((pfn) => pfn % 8 < 4));
    world.store(0, 1);
    expect([frames.order(headAt(world, 0)), stats(world).anon_fault_fallback]).toEqual([2, 1]);
    const rest = takeAll();
    free(rest.filter((pfn) => pfn % 2 === 0));
    world.store(16, 1);
    expect([frames.order(headAt(world, 16)), stats(world, 2).anon_fault_fallback]).toEqual([0, 1]);
    free(rest.filter((pfn) => pfn % 2 === 1));
    free(taken.filter((pfn) => pfn % 8 >= 4));
    world.check();
  });
});

describe('a folio below 2 MiB', () => {
  it('can be made to fail by the injection point of large folios, size by size', () => {
    const world = worldOf(KIB_16 | KIB_64);
    const { inject } = world.kernel;
    const { thpAlloc } = InjectPoint;
    const rule = { name: 'r', where: { points: [thpAlloc] }, nth: 1, after: null, returns: { [thpAlloc]: -ENOMEM } };
    world.anon(0, 16);
    inject.arm([{ ...rule, attr: faultAttr(), bytes: 0, delayTicks: 0, run: null }], { seed: 1 });
    const store = function* (): Coroutine<void> {
      inject.beginCall(world.kernel.current, { pid: 1, tid: 1, name: 'store', args: [] });
      yield* cpuStore(world.mm, BASE + 5 * PAGE, Uint8Array.of(7));
    };
    world.run(store());
    expect([world.memory.frames.order(headAt(world, 5)), stats(world)]).toEqual([2, { anon_fault_fallback: 1 }]);
  });

  it('is shared by fork page by page, and never reused as long as it is one', () => {
    const { world, head } = worldWithFolio();
    const child = world.fork();
    expect([world.text(0, 16), world.text(0, 16, child)]).toEqual(Array(2).fill('PTE 0-15 PRESENT R'));
    world.store(3, 99);
    expect(world.words(2, 3)).toEqual([3, 99, 5]);
    expect(world.words(0, 16, child)).toEqual(WORDS);
    world.exit(child);
    world.store(4, 98);
    expect(world.text(0, 16)).toBe('PTE 0-2 PRESENT R\nPTE 3-4 PRESENT W\nPTE 5-15 PRESENT R');
    expect(world.memory.frames.folioMapcount(head)).toBe(14);
    expect(stats(world)).toEqual({
      anon_fault_alloc: 1,
      split_deferred: 1,
      nr_anon: 1,
      nr_anon_partially_mapped: 1,
    });
  });

  it('is copied page by page for a child as long as it is pinned', () => {
    const { world } = worldWithFolio();
    const pfns: number[] = [];
    const pin = function* (): Coroutine<number> {
      yield* world.mm.mmapLock.readLock();
      const got = yield* pinUserPages(world.mm, BASE + 2 * PAGE, 2, FOLL.write, pfns);
      world.mm.mmapLock.readUnlock();
      return got;
    };
    expect(world.run(pin(), { checked: false })).toBe(2);
    const child = world.fork();
    expect([world.text(0, 16), world.text(0, 16, child)]).toEqual(Array(2).fill('PTE 0-15 PRESENT W'));
    expect(world.words(0, 16, child)).toEqual(WORDS);
    unpinUserPages(world.memory, pfns, 2);
    world.check();
  });

  it('stays until its last page is unmapped', () => {
    const { world } = worldWithFolio();
    const free = world.memory.allocator.freeFrames;
    world.advise(4, 8, MADV_DONTNEED);
    expect(world.text(0, 16)).toBe('PTE 0-3 PRESENT W\nPTE 4-11 NONE\nPTE 12-15 PRESENT W');
    expect([world.memory.allocator.freeFrames, world.mm.rss.anon]).toEqual([free, 8]);
    expect(stats(world).nr_anon_partially_mapped).toBe(1);
    world.advise(0, 16, MADV_DONTNEED);
    expect(world.memory.allocator.freeFrames).toBe(free + 16);
    expect(stats(world)).toEqual({ anon_fault_alloc: 1, split_deferred: 1 });
  });

  it('is unmapped in one step, whatever was written, read and protected in it', () => {
    const { world } = worldWithFolio();
    world.advise(0, 16, MADV_COLD);
    world.load(2);
    world.run(doMprotectPkey(world.mm, BASE + 4 * PAGE, 2 * PAGE, PROT_READ));
    world.run(doMprotectPkey(world.mm, BASE, 16 * PAGE, PROT_READ));
    world.run(doMprotectPkey(world.mm, BASE + 8 * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE));
    world.run(doMprotectPkey(world.mm, BASE, 8 * PAGE, PROT_READ | PROT_WRITE));
    world.advise(0, 16, MADV_DONTNEED);
    expect(stats(world)).toEqual({ anon_fault_alloc: 1 });
  });

  it('moves and changes its rights in parts', () => {
    const { world, head } = worldWithFolio();
    const to = BASE + 64 * PAGE;
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    world.run(mremap(world.mm, { addr: BASE + 8 * PAGE, oldLen: 8 * PAGE, newLen: 8 * PAGE, flags, newAddr: to }));
    world.run(doMprotectPkey(world.mm, BASE, 4 * PAGE, PROT_READ));
    world.run(doMprotectPkey(world.mm, BASE, 4 * PAGE, PROT_READ | PROT_WRITE));
    expect([...world.words(0, 8), ...world.words(64, 8)]).toEqual(WORDS);
    expect([world.text(0, 16), world.text(64, 8)]).toEqual(['PTE 0-7 PRESENT W\nPTE 8-15 NONE', 'PTE 0-7 PRESENT W']);
    expect([headAt(world, 0), headAt(world, 71)]).toEqual([head, head]);
    expect(stats(world)).toEqual({ anon_fault_alloc: 1, nr_anon: 1 });
  });

  it('is swapped as pages, as the device has no clusters', () => {
    const { world } = worldWithFolio();
    world.advise(0, 16, MADV_PAGEOUT);
    expect(world.text(0, 16)).toBe('PTE 0-15 SWAP');
    expect(world.takeEvents()[0]).toBe('CLEAR 0-16');
    expect(world.words(0, 16)).toEqual(WORDS);
    expect(stats(world)).toEqual({ anon_fault_alloc: 1, swpout_fallback: 1, split: 1, split_deferred: 1 });
  });

  it('is split by advice for a part of it, once where that fails', () => {
    for (const advice of [MADV_PAGEOUT, MADV_FREE, MADV_COLD]) {
      const { world, head } = worldWithFolio();
      folioGet(world.memory, head);
      world.run(doMadvise(world.mm, BASE, 4 * PAGE, advice), { checked: false });
      expect([world.memory.frames.order(head), stats(world).split_failed]).toEqual([4, 1]);
      folioPut(world.memory, head);
      world.advise(0, 4, advice);
      expect([world.memory.frames.order(head), stats(world).split]).toEqual([0, 1]);
      if (advice !== MADV_FREE) expect(world.words(0, 16)).toEqual(WORDS);
    }
  });

  it('goes in one piece when it is lazily free and clean, as does one of 2 MiB', () => {
    const { world, head } = worldWithFolio();
    world.memory.thpOrders = { always: 1 << 9, madvise: 0, inherit: 0 };
    world.anon(512, 512);
    world.store(512, 1);
    const free = world.memory.allocator.freeFrames;
    for (const [at, npages] of [
      [0, 16],
      [512, 512],
    ] as const) {
      world.advise(at, npages, MADV_FREE);
      world.advise(at, npages, MADV_PAGEOUT);
      expect(world.text(at, npages)).toBe(`PTE 0-${npages - 1} NONE`);
    }
    expect([world.memory.allocator.freeFrames, world.mm.rss.anon, world.mm.rss.swap]).toEqual([free + 16 + 512, 0, 0]);
    expect(world.memory.frames.refcount(head)).toBe(0);
  });

  it('is kept when it was written after it became lazily free', () => {
    const { world } = worldWithFolio();
    world.advise(0, 16, MADV_FREE);
    world.store(5, 55);
    world.advise(0, 16, MADV_PAGEOUT);
    expect(world.load(5)).toBe(55);
    expect(world.words(6, 10)).toEqual(WORDS.slice(6));
  });

  it('becomes smaller folios, and pages', () => {
    const { world, head } = worldWithFolio();
    const child = world.fork();
    const { frames } = world.memory;
    const split = (newOrder: number): number =>
      world.run(splitHugePagesPid(world.mm, { start: BASE, end: BASE + 16 * PAGE, newOrder }));
    expect([split(1), split(4), frames.order(head)]).toEqual([0, 0, 4]);
    expect([split(2), frames.order(head), frames.head(head + 7), frames.order(head + 12)]).toEqual([0, 2, head + 4, 2]);
    expect(stats(world, 2)).toEqual({ nr_anon: 4 });
    world.run(splitHugePagesAll(world.memory));
    expect([frames.order(head), frames.head(head + 7), stats(world, 2).split]).toEqual([0, head + 7, 4]);
    expect([world.words(0, 16), world.words(0, 16, child)]).toEqual([WORDS, WORDS]);
  });

  it('is collapsed into 2 MiB', () => {
    const world = worldOf(KIB_64);
    world.anon(0, 512);
    const pages = Array.from({ length: 32 }, (_, i) => 16 * i + (i % 16));
    for (const page of pages) world.store(page, page + 1);
    const free = world.memory.allocator.freeFrames;
    expect(world.advise(0, 512, MADV_COLLAPSE)).toBe(0);
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE W');
    expect(pages.map((page) => world.load(page))).toEqual(pages.map((page) => page + 1));
    expect(world.memory.allocator.freeFrames).toBe(free);
  });
});

describe('a device that meets folios below 2 MiB', () => {
  function worldWithDevice(options: ConstructorParameters<typeof DeviceMachine>[0]) {
    const w = new DeviceMachine(options);
    w.memory.thpOrders = { always: KIB_64, madvise: 0, inherit: 0 };
    w.anon(0, 16);
    w.fill(0, 16);
    return { w, file: w.open(0), words: WORDS };
  }

  it.each(['classic', 'unified'] as const)('mirrors and leaves them in 6.12, %s', (path) => {
    const { w, file, words } = worldWithDevice({ path });
    expect(w.command(file, 'READ', 0, 16)).toMatchObject({ ret: 0, cpages: 16, words });
    expect(w.command(file, 'SNAPSHOT', 0, 16).bytes).toEqual(Array(16).fill(2));
    w.command(file, 'MIGRATE_TO_DEV', 0, 16);
    expect(w.text(0, 16)).toBe('PTE 0-15 PRESENT W');
    expect(w.words(0, 16)).toEqual(words);
    w.check();
  });

  it.each(['classic', 'unified'] as const)('splits and migrates them in 7.3, %s', (path) => {
    const { w, file, words } = worldWithDevice({ path, profile: '7.3' });
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, 16)).toMatchObject({ ret: 0, cpages: 16, words });
    expect(w.text(0, 16)).toBe('PTE 0-15 DPRIV-W');
    expect(w.words(0, 16)).toEqual(words);
    w.check();
  });

  it('has exclusive access to the first page of a folio alone in 6.12, and to each in 7.3', () => {
    const old = worldWithDevice({});
    old.w.command(old.file, 'EXCLUSIVE', 0, 16);
    expect(old.w.words(0, 16)).toEqual(WORDS);
    const { w, file } = worldWithDevice({ profile: '7.3' });
    expect(w.command(file, 'EXCLUSIVE', 0, 16)).toMatchObject({ ret: 0 });
    expect(w.words(0, 16)).toEqual(WORDS);
    for (const machine of [old.w, w]) machine.check();
  });
});
