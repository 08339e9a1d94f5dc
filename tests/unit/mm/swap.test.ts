import { describe, expect, it } from 'vitest';
import { newShmemMapping, shmemGetFolio } from '../../../driver/mm/files/shmem.js';
import { folioGet, folioIsolateLru, folioPut } from '../../../driver/mm/frames/folio.js';
import { PG } from '../../../driver/mm/frames/frames.js';
import { checkInvariants } from '../../../driver/mm/invariants.js';
import { reclaimPages } from '../../../driver/mm/swap/swap-out.js';
import { pfnAt } from '../../../driver/mm/tables/page-table-text.js';
import { doMprotectPkey } from '../../../driver/mm/vmas/mprotect.js';
import { EINVAL } from '../../../uapi/errno.js';
import { MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT, PROT_READ } from '../../../uapi/mman.js';
import { BASE, PAGE, TestMachine } from '../test-machine.js';

function swapWorld(swapBytes = 2 ** 20): TestMachine {
  const world = new TestMachine({ checked: true, swapBytes, hugePages: 1 });
  world.map(0, 16);
  for (let page = 0; page < 4; page++) world.store(page, page + 100);
  world.takeEvents();
  return world;
}

describe('MADV_PAGEOUT', () => {
  it('swaps out what is mapped once; a read brings it back writable', () => {
    const world = swapWorld();
    expect(world.advise(0, 2, MADV_PAGEOUT)).toBe(0);
    expect(world.text(0, 5)).toBe('PTE 0-1 SWAP\nPTE 2-3 PRESENT W\nPTE 4 NONE');
    expect(world.takeEvents()).toEqual(['CLEAR 0-1', 'CLEAR 1-2']);
    expect(world.mm.rss).toMatchObject({ anon: 2, swap: 2 });
    expect([world.load(0), world.load(1)]).toEqual([100, 101]);
    expect(world.text(0, 4)).toBe('PTE 0-3 PRESENT W');
  });

  it('pages that were written since keep their new bytes', () => {
    const world = swapWorld();
    world.advise(0, 1, MADV_PAGEOUT);
    world.load(0);
    world.store(0, 7);
    world.advise(0, 1, MADV_PAGEOUT);
    expect(world.load(0)).toBe(7);
    world.advise(0, 1, MADV_PAGEOUT);
    world.store(0, 8);
    expect(world.load(0)).toBe(8);
  });

  it('keeps its hands off shared pages, the zero page and hugetlb', () => {
    const world = swapWorld();
    world.load(5);
    const child = world.fork();
    expect(world.advise(0, 16, MADV_PAGEOUT)).toBe(0);
    expect(world.text(0, 6)).toBe('PTE 0-3 PRESENT R\nPTE 4 NONE\nPTE 5 ZERO');
    world.exit(child);
    world.mapHugetlb(1024, 512);
    expect(world.advise(1024, 512, MADV_PAGEOUT)).toBe(-EINVAL);
  });

  it('leaves pages where they are when swap is full', () => {
    const world = swapWorld(3 * PAGE);
    world.advise(0, 4, MADV_PAGEOUT);
    expect(world.text(0, 4)).toBe('PTE 0-1 SWAP\nPTE 2-3 PRESENT W');
  });

  it('drops lazyfree pages unless they were written again', () => {
    const world = swapWorld();
    world.advise(0, 2, MADV_FREE);
    world.store(1, 7);
    world.advise(0, 2, MADV_PAGEOUT);
    expect(world.text(0, 2)).toBe('PTE 0 NONE\nPTE 1 PRESENT W');
    expect([world.load(0), world.load(1)]).toEqual([0, 7]);
    world.advise(1, 1, MADV_PAGEOUT);
    expect(world.text(1, 1)).toBe('PTE 0 SWAP');
  });

  it('splits a huge page and swaps what is not zero', () => {
    const world = swapWorld();
    world.mapHuge(512, 512);
    world.store(512, 1);
    expect(world.advise(512, 512, MADV_PAGEOUT)).toBe(0);
    expect(world.text(512, 512)).toBe('PTE 0 SWAP\nPTE 1-511 ZERO');
    expect(world.load(512)).toBe(1);
  });
});

describe('swap entries', () => {
  it('are shared by fork; both sides see the bytes and write copies', () => {
    const world = swapWorld();
    world.advise(0, 1, MADV_PAGEOUT);
    const child = world.fork();
    expect(world.load(0, child)).toBe(100);
    expect(world.text(0, 1, child)).toBe('PTE 0 PRESENT R');
    expect(world.text(0, 1)).toBe('PTE 0 SWAP');
    world.store(0, 1, child);
    world.store(0, 2);
    expect([world.load(0), world.load(0, child)]).toEqual([2, 1]);
    world.exit(child);
    world.advise(0, 16, MADV_DONTNEED);
    expect(world.memory.swap.used).toBe(0);
  });

  it('give their slots back', () => {
    const world = swapWorld();
    const free = world.memory.allocator.freeFrames;
    world.advise(0, 4, MADV_PAGEOUT);
    expect(world.memory.swap.used).toBe(4);
    world.advise(0, 4, MADV_DONTNEED);
    expect(world.memory.swap.used).toBe(0);
    expect(world.memory.allocator.freeFrames).toBe(free + 4);
  });

  it('come back read only in a read-only vma, and stay exclusive', () => {
    const world = swapWorld();
    world.advise(0, 1, MADV_PAGEOUT);
    world.run(doMprotectPkey(world.mm, BASE, PAGE, PROT_READ));
    expect(world.load(0)).toBe(100);
    expect(world.text(0, 1)).toBe('PTE 0 PRESENT R');
    const { frames } = world.memory;
    expect(frames.isAnonExclusive(pfnAt(world.mm, BASE / PAGE))).toBe(true);
  });

  it('a page that somebody refers to stays in the swap cache with what he writes', () => {
    const world = swapWorld();
    const pfn = pfnAt(world.mm, BASE / PAGE);
    folioGet(world.memory, pfn);
    expect(() => world.advise(0, 1, MADV_PAGEOUT)).toThrow(/refcount/);
    world.memory.contentChanges(pfn);
    world.memory.words[pfn * 1024] = 55;
    folioPut(world.memory, pfn);
    expect(world.text(0, 1)).toBe('PTE 0 SWAP');
    expect(world.load(0)).toBe(55);
    expect(pfnAt(world.mm, BASE / PAGE)).toBe(pfn);
  });
});

describe('pages of shared memory', () => {
  it('go to swap through their file and come back to it', () => {
    const world = new TestMachine({ checked: true, swapBytes: 2 ** 20 });
    const { memory } = world;
    const mapping = newShmemMapping(memory, 2 * PAGE);
    const pfn = world.run(shmemGetFolio(memory, mapping, 1, { sgp: 'cache' }), { checked: false });
    memory.contentChanges(pfn);
    memory.words[pfn * 1024] = 77;
    memory.frames.setFlags(pfn, PG.dirty);
    folioIsolateLru(memory, pfn);
    folioPut(memory, pfn);
    world.run(reclaimPages(memory, [pfn]));
    expect(mapping.pages.get(1)).toBeLessThan(0);
    expect(memory.swap.used).toBe(1);
    const back = world.run(shmemGetFolio(memory, mapping, 1, { sgp: 'read' }), { checked: false });
    expect(memory.words[back * 1024]).toBe(77);
    expect(memory.swap.used).toBe(0);
    folioPut(memory, back);
    checkInvariants(memory);
  });
});
