import { expect, test } from 'vitest';
import { vmMunmap } from '../../../../driver/mm/vmas/munmap.js';
import { EEXIST, EINVAL } from '../../../../uapi/errno.js';
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_HUGETLB,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
} from '../../../../uapi/mman.js';
import { BASE, PAGE, TestMachine } from '../../test-machine.js';
import { TestFile } from '../test-file.js';

const unmap = (world: TestMachine, at: number, npages: number) =>
  world.run(vmMunmap(world.mm, BASE + at * PAGE, npages * PAGE));

test('a hole in the middle leaves two vmas that keep their page offsets', () => {
  const world = new TestMachine();
  world.anon(0, 8);
  world.fill(0, 8);
  world.takeEvents();
  expect(unmap(world, 2, 3)).toBe(0);
  expect(world.vmas()).toEqual(['0-2 rw p0', '5-8 rw p5']);
  expect(world.takeEvents()).toEqual(['UNMAP 2-5']);
  expect([world.load(1), world.load(2), world.load(5)]).toEqual([2, 'maperr', 6]);
  expect(world.mm.rss.anon).toBe(5);
  world.check();
});

test('memory without vmas is unmapped without an event', () => {
  const world = new TestMachine();
  expect(unmap(world, 0, 4)).toBe(0);
  expect(world.takeEvents()).toEqual([]);
});

test('bad arguments are refused', () => {
  const world = new TestMachine();
  expect(world.run(vmMunmap(world.mm, BASE + 1, PAGE))).toBe(-EINVAL);
  expect(world.run(vmMunmap(world.mm, BASE, 0))).toBe(-EINVAL);
  expect(world.run(vmMunmap(world.mm, 0x800000000000, PAGE))).toBe(-EINVAL);
  expect(world.run(vmMunmap(world.mm, BASE, 2 ** 64 - PAGE))).toBe(-EINVAL);
});

test('the last mapping of a 2 MiB part takes its table with it, a neighbour keeps it', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.anon(100, 4);
  world.fill(0);
  world.fill(100);
  const tables = world.memory.tables.inUse;
  unmap(world, 0, 4);
  expect(world.text(0, 1)).toBe('PTE 0 NONE');
  expect(world.memory.tables.inUse).toBe(tables);
  unmap(world, 100, 4);
  expect(world.text(0, 1)).toBe('PUD 0 NONE');
  expect(world.memory.tables.inUse).toBe(1);
});

test('an untouched neighbour keeps the tables above the PTE level', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.anon(1024, 4);
  world.fill(0);
  unmap(world, 0, 4);
  expect(world.text(0, 1)).toBe('PMD 0 NONE');
});

test('neighbours that can be one are merged, on either side and on both', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.anon(4, 2);
  world.anon(2, 2);
  expect(world.vmas()).toEqual(['0-6 rw p0']);
  world.anon(6, 2, { prot: PROT_READ });
  expect(world.vmas()).toEqual(['0-6 rw p0', '6-8 r p6']);
});

test('two faulted vmas of different anon_vmas stay apart, though the gap between fits either', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.anon(4, 2);
  world.fill(0);
  world.fill(4);
  world.anon(2, 2);
  expect(world.vmas()).toEqual(['0-4 rw p0', '4-6 rw p4']);
});

test('MAP_FIXED replaces, MAP_FIXED_NOREPLACE does not', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.fill(0, 4);
  world.takeEvents();
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  expect(world.map(3, 4, { flags })).toBe(-EEXIST);
  expect(world.map(1, 2, { prot: PROT_READ })).toBe(BASE + PAGE);
  expect(world.takeEvents()).toEqual(['UNMAP 1-3']);
  expect(world.vmas()).toEqual(['0-1 rw p0', '1-3 r p1', '3-4 rw p3']);
  expect(world.load(1)).toBe(0);
});

test('a place is found from the top down, and on a 2 MiB border when the length is a multiple of it', () => {
  const world = new TestMachine();
  const any = { addr: 0, flags: MAP_PRIVATE | MAP_ANONYMOUS };
  expect(world.map(0, 1, any)).toBe(0x7ffff7ffe000);
  expect(world.map(0, 3, any)).toBe(0x7ffff7ffb000);
  expect(world.map(0, 512, any)).toBe(0x7ffff7c00000);
  expect(world.map(0, 1, { ...any, addr: BASE + 5 })).toBe(BASE);
  expect(world.map(0, 1, { ...any, addr: BASE })).toBe(0x7ffff7ffa000);
});

test('a file is held by each of its vmas', () => {
  const world = new TestMachine();
  const file = new TestFile(world.memory, 8);
  world.anon(0, 8, { file, flags: MAP_SHARED | 0x10 });
  world.fill(0, 8);
  expect(file.references).toBe(2);
  unmap(world, 3, 2);
  expect(world.vmas()).toEqual(['0-3 rw p@0', '5-8 rw p@5']);
  expect(file.references).toBe(3);
  expect(file.mapping.vmas.length).toBe(2);
  world.anon(3, 2, { file, pgoff: 3, flags: MAP_SHARED | 0x10 });
  expect(world.vmas()).toEqual(['0-8 rw p@0']);
  expect(file.references).toBe(2);
  expect(world.load(4)).toBe(5);
  unmap(world, 0, 8);
  expect(file.references).toBe(1);
  expect(file.mapping.vmas.length).toBe(0);
  world.check();
});

test('hugetlb memory is cut on 2 MiB borders only', () => {
  const world = new TestMachine();
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | 0x10 | MAP_HUGETLB;
  expect(world.map(1, 1024, { flags })).toBe(-EINVAL);
  expect(world.map(0, 1020, { flags })).toBe(BASE);
  expect(world.vmas()).toEqual([`0-1024 rw p${-BASE / PAGE}`]);
  expect(unmap(world, 0, 1)).toBe(-EINVAL);
  expect(unmap(world, 512, 512)).toBe(0);
  expect(world.vmas()).toEqual([`0-512 rw p${-BASE / PAGE}`]);
});

test('a border through 2 MiB that could be one page sends CLEAR over them', () => {
  const world = new TestMachine();
  world.anon(0, 1024);
  world.fill(0);
  world.takeEvents();
  unmap(world, 10, 5);
  expect(world.takeEvents()).toEqual(['CLEAR 0-512', 'UNMAP 10-15']);
});
