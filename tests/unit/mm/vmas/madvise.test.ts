import { expect, test } from 'vitest';
import { Pte } from '../../../../driver/mm/tables/entry.js';
import { doMadvise } from '../../../../driver/mm/vmas/madvise.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { EINVAL, ENOMEM } from '../../../../uapi/errno.js';
import {
  MADV_COLD,
  MADV_DOFORK,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_REMOVE,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_HUGETLB,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
} from '../../../../uapi/mman.js';
import { BASE, PAGE, RW, TestMachine } from '../../test-machine.js';
import { TestFile } from '../test-file.js';

const advise = (world: TestMachine, at: number, npages: number, advice: number) =>
  world.run(doMadvise(world.mm, BASE + at * PAGE, npages * PAGE, advice));

test('arguments are checked in the order of Linux', () => {
  const world = new TestMachine();
  expect(world.run(doMadvise(world.mm, BASE + 1, 0, 7))).toBe(-EINVAL);
  expect(world.run(doMadvise(world.mm, BASE + 1, 0, MADV_DONTNEED))).toBe(-EINVAL);
  expect(world.run(doMadvise(world.mm, BASE, 2 ** 64 - 1, MADV_DONTNEED))).toBe(-EINVAL);
  expect(advise(world, 0, 0, MADV_DONTNEED)).toBe(0);
  expect(advise(world, 0, 1, MADV_DONTNEED)).toBe(-ENOMEM);
});

test('DONTNEED drops pages, skips gaps and says so', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.anon(4, 2);
  world.fill(0, 2);
  world.fill(4, 2);
  world.takeEvents();
  expect(advise(world, 1, 4, MADV_DONTNEED)).toBe(-ENOMEM);
  expect(world.takeEvents()).toEqual(['CLEAR 1-2', 'CLEAR 4-5']);
  expect([0, 1, 4, 5].map((at) => world.load(at))).toEqual([1, 0, 0, 6]);
  world.check();
});

test('DONTNEED tells subscribers even where nothing was touched', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  expect(advise(world, 0, 4, MADV_DONTNEED)).toBe(0);
  expect(world.takeEvents()).toEqual(['CLEAR 0-4']);
});

test('DONTNEED splits a huge page that it covers in part', () => {
  const world = new TestMachine({ thpEnabled: 'always' });
  world.anon(0, 512);
  world.fill(0);
  world.takeEvents();
  advise(world, 100, 2, MADV_DONTNEED);
  expect(world.takeEvents()).toEqual(['CLEAR 100-102', 'CLEAR 0-512']);
  expect(world.text(0, 512)).toBe('PTE 0-99 PRESENT W\nPTE 100-101 NONE\nPTE 102-511 PRESENT W');
  expect(world.mm.rss.anon).toBe(510);
  world.check();
});

test('FREE keeps the data, as nothing needs the memory, and cleans the pages', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.fill(0, 2);
  world.takeEvents();
  expect(advise(world, 0, 2, MADV_FREE)).toBe(0);
  expect(world.takeEvents()).toEqual(['CLEAR 0-2']);
  expect(world.load(1)).toBe(2);
  world.check();
});

test('FREE of a part splits the huge page, FREE of all keeps it', () => {
  const world = new TestMachine({ thpEnabled: 'always' });
  world.anon(0, 1024);
  world.fill(0);
  world.fill(512);
  expect(advise(world, 0, 514, MADV_FREE)).toBe(0);
  expect(world.text(0, 1024)).toBe('PMD 0-511 HUGE W\nPTE 512 PRESENT W\nPTE 513-1023 ZERO');
  expect(world.load(512)).toBe(513);
  world.check();
});

test('FREE and WIPEONFORK are for private anonymous memory, REMOVE is not', () => {
  const world = new TestMachine();
  const file = new TestFile(world.memory, 4);
  world.anon(0, 4);
  world.anon(8, 4, { file, flags: MAP_SHARED | MAP_FIXED });
  world.anon(16, 4, { file, flags: MAP_PRIVATE | MAP_FIXED });
  expect([MADV_FREE, MADV_WIPEONFORK, MADV_REMOVE].map((advice) => advise(world, 0, 4, advice))).toEqual([
    0,
    0,
    -EINVAL,
  ]);
  expect([MADV_FREE, MADV_WIPEONFORK].map((advice) => advise(world, 8, 4, advice))).toEqual([-EINVAL, -EINVAL]);
  expect([MADV_FREE, MADV_WIPEONFORK].map((advice) => advise(world, 16, 4, advice))).toEqual([-EINVAL, -EINVAL]);
});

test('hugetlb memory takes DONTNEED of whole pages only', () => {
  const world = new TestMachine();
  world.anon(0, 1024, { flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB });
  world.fill(0);
  world.fill(512);
  expect(advise(world, 1, 512, MADV_DONTNEED)).toBe(-EINVAL);
  expect(advise(world, 0, 700, MADV_DONTNEED)).toBe(0);
  expect([world.load(0), world.load(512)]).toEqual([0, 513]);
  expect(advise(world, 512, 5, MADV_DONTNEED)).toBe(0);
  expect(world.load(512)).toBe(513);
  expect([MADV_FREE, MADV_COLD].map((advice) => advise(world, 0, 512, advice))).toEqual([-EINVAL, -EINVAL]);
  expect(advise(world, 0, 1, MADV_DONTFORK)).toBe(-EINVAL);
  world.check();
});

test('flags split vmas and merge them again', () => {
  const world = new TestMachine();
  world.anon(0, 8);
  advise(world, 2, 2, MADV_HUGEPAGE);
  expect(world.vmas()).toEqual(['0-2 rw p0', '2-4 rw p2', '4-8 rw p4']);
  advise(world, 0, 8, MADV_HUGEPAGE);
  expect(world.vmas()).toEqual(['0-8 rw p0']);
  expect(world.mm.vmas[0]!.flags & VM.hugepage).toBe(VM.hugepage);
  advise(world, 4, 4, MADV_NOHUGEPAGE);
  expect(world.vmas()).toEqual(['0-4 rw p0', '4-8 rw p4']);
  advise(world, 0, 8, MADV_DONTFORK);
  advise(world, 0, 8, MADV_DOFORK);
  expect(world.vmas().length).toBe(2);
});

test('POPULATE faults pages in as a load or a store would', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  expect(advise(world, 0, 2, MADV_POPULATE_READ)).toBe(0);
  expect(advise(world, 2, 2, MADV_POPULATE_WRITE)).toBe(0);
  expect(world.text(0, 4)).toBe('PTE 0-1 ZERO\nPTE 2-3 PRESENT W');
});

test('POPULATE stops at the first page that it may not touch', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.anon(2, 2, { prot: PROT_READ });
  expect(advise(world, 0, 4, MADV_POPULATE_WRITE)).toBe(-EINVAL);
  expect(world.text(0, 4)).toBe('PTE 0-1 PRESENT W\nPTE 2-3 NONE');
  expect(advise(world, 3, 4, MADV_POPULATE_READ)).toBe(-ENOMEM);
  expect(world.text(0, 4)).toBe('PTE 0-1 PRESENT W\nPTE 2 NONE\nPTE 3 ZERO');
});

test('WILLNEED reads swapped pages ahead, FREE and DONTNEED give their slots back', () => {
  const world = new TestMachine();
  const { swap } = world.memory;
  world.anon(0, 6);
  world.fill(0, 6);
  expect(advise(world, 0, 6, MADV_PAGEOUT)).toBe(0);
  expect(world.text(0, 6)).toBe('PTE 0-5 SWAP');
  expect(advise(world, 0, 4, MADV_WILLNEED)).toBe(0);
  expect(world.text(0, 6)).toBe('PTE 0-5 SWAP');
  advise(world, 1, 2, MADV_FREE);
  advise(world, 5, 1, MADV_DONTNEED);
  expect(world.text(0, 6)).toBe('PTE 0 SWAP\nPTE 1-2 NONE\nPTE 3-4 SWAP\nPTE 5 NONE');
  expect([swap.used, world.mm.rss.swap]).toEqual([3, 3]);
  expect([0, 1, 3, 4].map((at) => world.load(at))).toEqual([1, 0, 4, 5]);
  world.check();
});

test('COLD splits a huge page that it covers in part', () => {
  const world = new TestMachine({ thpEnabled: 'always' });
  world.anon(0, 512);
  world.fill(0);
  expect(advise(world, 0, 512, MADV_COLD)).toBe(0);
  expect(world.text(0, 512)).toBe('PMD 0-511 HUGE W');
  expect(advise(world, 0, 7, MADV_COLD)).toBe(0);
  expect(world.text(0, 512)).toBe('PTE 0 PRESENT W\nPTE 1-511 ZERO');
  world.check();
});

test.each([
  ['COLD', MADV_COLD],
  ['FREE', MADV_FREE],
])('%s takes a large folio that small entries map as one', (_name, advice) => {
  const world = new TestMachine({ thpEnabled: 'always' });
  const { frames } = world.memory;
  world.anon(0, 512);
  world.fill(0);
  for (const prot of [PROT_READ, RW])
    expect(world.run(doMprotectPkey(world.mm, BASE + 100 * PAGE, PAGE, prot))).toBe(0);
  expect(world.text(0, 512)).toBe('PTE 0-511 PRESENT W');
  expect(advise(world, 0, 512, advice)).toBe(0);
  const table = world.mm.pageTable.pteTable(BASE / PAGE)!;
  expect(frames.order(table.hi(0))).toBe(9);
  expect(Array.from({ length: 512 }, (_, i) => table.lo(i) & Pte.young)).toEqual(new Array(512).fill(0));
  world.check();
});
