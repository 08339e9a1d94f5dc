import { describe, expect, it } from 'vitest';
import { checkInvariants } from '../../../../driver/mm/invariants.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { mremap } from '../../../../driver/mm/vmas/mremap.js';
import { vmMunmap } from '../../../../driver/mm/vmas/munmap.js';
import { EINVAL, ENOMEM } from '../../../../uapi/errno.js';
import { MADV_DONTNEED, MREMAP_FIXED, MREMAP_MAYMOVE, PROT_READ, PROT_WRITE } from '../../../../uapi/mman.js';
import { BASE, HUGE, PAGE, TestMachine } from '../../test-machine.js';

describe('private hugetlb memory', () => {
  it('is promised at mmap and given at the first touch', () => {
    const world = new TestMachine({ checked: true, hugePages: 3 });
    const { hugetlb } = world.memory;
    expect(world.mapHugetlb(0, 1024)).toBe(BASE);
    expect([hugetlb.freeCount, hugetlb.reserved]).toEqual([3, 2]);
    expect(world.mapHugetlb(4096, 1024)).toBe(-ENOMEM);
    world.store(5, 7);
    expect(world.load(600)).toBe(0);
    expect(world.text(0, 1024)).toBe('PMD 0-511 HUGE W\nPMD 512-1023 HUGE R');
    expect([hugetlb.freeCount, hugetlb.reserved]).toEqual([1, 0]);
    world.run(vmMunmap(world.mm, BASE, 2 * HUGE));
    expect([hugetlb.freeCount, hugetlb.reserved]).toEqual([3, 0]);
    expect(hugetlb.hugetlbAcctMemory(3)).toBe(0);
  });

  it('DONTNEED keeps the promise; half a huge page is -EINVAL or nothing', () => {
    const world = new TestMachine({ checked: true, hugePages: 2 });
    world.mapHugetlb(0, 512);
    world.store(0, 7);
    expect(world.advise(1, 511, MADV_DONTNEED)).toBe(-EINVAL);
    expect(world.advise(0, 511, MADV_DONTNEED)).toBe(0);
    expect(world.load(0)).toBe(7);
    expect(world.advise(0, 512, MADV_DONTNEED)).toBe(0);
    expect(world.memory.hugetlb.reserved).toBe(1);
    expect(world.load(0)).toBe(0);
    expect(world.memory.hugetlb.reserved).toBe(0);
  });

  it('mprotect takes the write right, and a fault gives it back', () => {
    const world = new TestMachine({ checked: true, hugePages: 1 });
    world.mapHugetlb(0, 512);
    world.store(0, 7);
    world.takeEvents();
    world.run(doMprotectPkey(world.mm, BASE, HUGE, PROT_READ));
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE R');
    expect(world.takeEvents()).toEqual(['PROTECTION_VMA 0-512']);
    expect(world.store(0, 8)).toBe('accerr');
    world.run(doMprotectPkey(world.mm, BASE, HUGE, PROT_READ | PROT_WRITE));
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE R');
    expect(world.store(0, 8)).toBe('none');
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE W');
  });

  it('moves with its promises', () => {
    const world = new TestMachine({ checked: true, hugePages: 2 });
    world.mapHugetlb(0, 1024);
    world.store(0, 7);
    const to = BASE + 4 * HUGE;
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    const request = { addr: BASE, oldLen: 2 * HUGE, newLen: 2 * HUGE, flags, newAddr: to };
    expect(world.run(mremap(world.mm, request))).toBe(to);
    expect(world.load(2048)).toBe(7);
    expect(world.memory.hugetlb.reserved).toBe(1);
    expect(world.store(2048 + 512, 8)).toBe('none');
    expect(world.memory.hugetlb.reserved).toBe(0);
    world.run(vmMunmap(world.mm, to, 2 * HUGE));
    expect([world.memory.hugetlb.freeCount, world.memory.hugetlb.reserved]).toEqual([2, 0]);
  });
});

describe('hugetlb memory after fork', () => {
  it('is shared until one side writes', () => {
    const world = new TestMachine({ checked: true, hugePages: 2 });
    world.mapHugetlb(0, 512);
    world.store(0, 7);
    world.takeEvents();
    const child = world.fork();
    expect(world.takeEvents()).toEqual(['CLEAR 0-512']);
    expect(world.store(0, 8, child)).toBe('none');
    expect([world.load(0), world.load(0, child)]).toEqual([7, 8]);
    expect(world.memory.hugetlb.freeCount).toBe(0);
    world.exit(child);
    expect(world.store(0, 9)).toBe('none');
    expect(world.memory.hugetlb.freeCount).toBe(1);
  });

  it('a child that finds no page gets SIGBUS', () => {
    const world = new TestMachine({ checked: true, hugePages: 1 });
    world.mapHugetlb(0, 512);
    world.store(0, 7);
    const child = world.fork();
    expect(world.store(0, 8, child)).toBe('sigbus');
    world.exit(child);
  });

  it('the owner takes the page from the child, who gets SIGBUS from then on', () => {
    const world = new TestMachine({ checked: true, hugePages: 1 });
    world.mapHugetlb(0, 512);
    world.store(0, 7);
    const child = world.fork();
    expect(world.store(0, 8)).toBe('none');
    expect(world.text(0, 512, child)).toBe('PMD 0-511 NONE');
    expect(world.load(0, child)).toBe('sigbus');
    world.exit(child);
    expect(world.load(0)).toBe(8);
    world.run(vmMunmap(world.mm, BASE, 512 * PAGE));
    expect([world.memory.hugetlb.freeCount, world.memory.hugetlb.reserved]).toEqual([1, 0]);
  });
});

it('the pool grows as far as memory goes, and shrinks by what nobody was promised', () => {
  const world = new TestMachine({ checked: true, hugePages: 2, ramBytes: 32 * 2 ** 20 });
  const { hugetlb, allocator } = world.memory;
  hugetlb.setMaxHugePages(5);
  expect([hugetlb.count, hugetlb.freeCount]).toEqual([5, 5]);
  hugetlb.setMaxHugePages(1000);
  expect(hugetlb.count).toBe(15);
  hugetlb.setMaxHugePages(4);
  const free = allocator.freeFrames;
  world.mapHugetlb(0, 3 * 512);
  world.store(0, 1);
  world.store(512, 2);
  hugetlb.setMaxHugePages(1);
  // Two are in use and one is promised.
  expect([hugetlb.count, hugetlb.surplus, hugetlb.freeCount, hugetlb.reserved]).toEqual([3, 2, 1, 1]);
  expect(world.load(512)).toBe(2);
  world.store(1024, 3);
  hugetlb.setMaxHugePages(2);
  expect([hugetlb.count, hugetlb.surplus]).toEqual([3, 1]);
  world.exit(world.mm);
  expect([hugetlb.count, hugetlb.surplus, hugetlb.freeCount]).toEqual([2, 0, 2]);
  hugetlb.setMaxHugePages(0);
  expect(allocator.freeFrames).toBe(free);
  checkInvariants(world.memory);
});
