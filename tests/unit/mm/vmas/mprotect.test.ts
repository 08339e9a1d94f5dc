import { expect, test } from 'vitest';
import { Kind, Pte } from '../../../../driver/mm/tables/entry.js';
import { pteIndex } from '../../../../driver/mm/tables/page-table.js';
import { dupMmap, mmCreate } from '../../../../driver/mm/vmas/dup-mmap.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { EACCES, EINVAL, ENOMEM } from '../../../../uapi/errno.js';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
  PROT_READ,
} from '../../../../uapi/mman.js';
import { BASE, PAGE, RW, TestMachine } from '../../test-machine.js';
import { TestFile } from '../test-file.js';

const protect = (world: TestMachine, at: number, npages: number, prot: number) =>
  world.run(doMprotectPkey(world.mm, BASE + at * PAGE, npages * PAGE, prot));

test('part of a vma becomes a vma of its own, and one again when the rights come back', () => {
  const world = new TestMachine();
  world.anon(0, 8);
  world.fill(0, 8);
  world.takeEvents();
  expect(protect(world, 2, 3, 1)).toBe(0);
  expect(world.vmas()).toEqual(['0-2 rw p0', '2-5 r p2', '5-8 rw p5']);
  expect(world.text(0, 8)).toBe('PTE 0-1 PRESENT W\nPTE 2-4 PRESENT R\nPTE 5-7 PRESENT W');
  expect(world.takeEvents()).toEqual(['PROTECTION_VMA 2-5']);
  expect(protect(world, 2, 3, RW)).toBe(0);
  expect(world.vmas()).toEqual(['0-8 rw p0']);
  expect(world.text(0, 8)).toBe('PTE 0-7 PRESENT W');
  world.check();
});

test('the same rights change nothing and tell nobody', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.fill(0);
  world.takeEvents();
  expect(protect(world, 0, 4, RW)).toBe(0);
  expect(world.takeEvents()).toEqual([]);
});

test('the event begins at the first GiB that has a table', () => {
  const world = new TestMachine();
  const gib = 262144;
  world.sparse(0, 3 * gib);
  world.fill(gib + 7);
  world.takeEvents();
  protect(world, 1, 3 * gib - 1, 1);
  expect(world.takeEvents()).toEqual([`PROTECTION_VMA ${gib}-${3 * gib}`]);
});

test('memory that was never touched is protected without an event', () => {
  const world = new TestMachine();
  world.anon(0, 8);
  protect(world, 0, 4, 1);
  expect(world.takeEvents()).toEqual([]);
});

test('PROT_NONE keeps the pages out of reach', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.fill(0);
  protect(world, 0, 2, 0);
  expect(world.text(0, 2)).toBe('PTE 0 PROTNONE\nPTE 1 NONE');
  expect(world.load(0)).toBe('accerr');
  protect(world, 0, 2, 1);
  expect(world.text(0, 1)).toBe('PTE 0 PRESENT R');
  expect(world.load(0)).toBe(1);
});

test('a page that is shared with a child does not become writable at once', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.fill(0, 2);
  world.run(dupMmap(mmCreate(world.memory), world.mm));
  world.fill(1);
  protect(world, 0, 2, 1);
  protect(world, 0, 2, RW);
  expect(world.text(0, 2)).toBe('PTE 0 PRESENT R\nPTE 1 PRESENT W');
});

test('shared file pages are as writable as their vma', () => {
  const world = new TestMachine();
  const file = new TestFile(world.memory, 4);
  world.anon(0, 4, { file, flags: MAP_SHARED | MAP_FIXED });
  world.fill(0, 1);
  protect(world, 0, 4, 1);
  expect(world.text(0, 1)).toBe('PTE 0 PRESENT R');
  protect(world, 0, 4, RW);
  expect(world.text(0, 1)).toBe('PTE 0 PRESENT W');
});

test('entries that are not present lose the right to write on any change', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.fill(0, 4);
  const table = world.mm.pageTable.pteTable(BASE / PAGE)!;
  const first = pteIndex(BASE / PAGE);
  const kinds = [Kind.migration, Kind.devicePrivate, Kind.deviceExclusive];
  for (const [i, kind] of kinds.entries()) table.setLo(first + i, kind | Pte.write);
  protect(world, 0, 4, RW | 4);
  expect(world.text(0, 4)).toBe('PTE 0 MIG-RX\nPTE 1 DPRIV-R\nPTE 2 DEXCL-R\nPTE 3 PRESENT W');
});

test('a gap stops it with what lies before done', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.anon(3, 2);
  expect(protect(world, 0, 5, 1)).toBe(-ENOMEM);
  expect(world.vmas()).toEqual(['0-2 r p0', '3-5 rw p3']);
  expect(protect(world, 2, 2, 1)).toBe(-ENOMEM);
  expect(protect(world, 10, 1, 1)).toBe(-ENOMEM);
});

test('arguments are checked in the order of Linux', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  expect(protect(world, 0, 0, 1)).toBe(0);
  expect(world.run(doMprotectPkey(world.mm, BASE + 1, 0, 1))).toBe(-EINVAL);
  expect(world.run(doMprotectPkey(world.mm, BASE, 2 ** 64 - 1, 0x100))).toBe(-ENOMEM);
  expect(protect(world, 0, 1, 0x100)).toBe(-EINVAL);
  expect(protect(world, 0, 1, 1 | PROT_GROWSDOWN)).toBe(-EINVAL);
  expect(protect(world, 0, 1, 1 | PROT_GROWSDOWN | PROT_GROWSUP)).toBe(-EINVAL);
});

test('PROT_GROWSDOWN protects a stack from its begin', () => {
  const world = new TestMachine();
  world.map(1, 4, { flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN });
  world.anon(5, 2);
  expect(world.vmas()).toEqual(['1-5 rw p1', '5-7 rw p5']);
  expect(protect(world, 3, 1, 1)).toBe(0);
  expect(protect(world, 4, 1, 1 | PROT_GROWSDOWN | PROT_GROWSUP)).toBe(-EINVAL);
  expect(protect(world, 3, 1, 1 | PROT_GROWSDOWN)).toBe(0);
  expect(protect(world, 0, 2, 1 | PROT_GROWSDOWN)).toBe(0);
  expect(world.vmas()).toEqual(['1-2 r p1', '2-3 rw p2', '3-4 r p3', '4-5 rw p4', '5-7 rw p5']);
  expect(protect(world, 5, 1, 1 | PROT_GROWSDOWN)).toBe(-EINVAL);
  expect(protect(world, 8, 1, 1 | PROT_GROWSDOWN)).toBe(-ENOMEM);
});

test('a file opened for reading is not written through a shared mapping', () => {
  const world = new TestMachine();
  const file = new TestFile(world.memory, 4);
  const readOnly = { file, flags: MAP_SHARED | MAP_FIXED, mode: { read: true, write: false } };
  expect(world.map(0, 2, readOnly)).toBe(-EACCES);
  expect(world.map(0, 2, { prot: PROT_READ, ...readOnly })).toBe(BASE);
  expect(protect(world, 0, 2, RW)).toBe(-EACCES);
});

test('read-only memory that was once writable stays apart from memory that never was', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.fill(0, 2);
  world.anon(2, 2, { prot: PROT_READ });
  protect(world, 0, 2, 1);
  expect(world.vmas()).toEqual(['0-2 r p0', '2-4 r p2']);
});

test('a huge page is changed as a whole, or split where only a part is', () => {
  const world = new TestMachine({ thpEnabled: 'always' });
  world.anon(0, 1024);
  world.fill(0);
  world.fill(512);
  expect(world.text(0, 1024)).toBe('PMD 0-1023 HUGE W');
  world.takeEvents();
  protect(world, 0, 520, 1);
  expect(world.text(0, 1024)).toBe('PMD 0-511 HUGE R\nPTE 512-519 PRESENT R\nPTE 520-1023 PRESENT W');
  expect(world.takeEvents()).toEqual(['CLEAR 512-1024', 'PROTECTION_VMA 0-520']);
  world.check();
});
