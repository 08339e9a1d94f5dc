import { expect, test } from 'vitest';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { mremap } from '../../../../driver/mm/vmas/mremap.js';
import { EFAULT, EINVAL, ENOMEM } from '../../../../uapi/errno.js';
import {
  MAP_FIXED,
  MAP_SHARED,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
} from '../../../../uapi/mman.js';
import { BASE, PAGE, TestMachine } from '../../test-machine.js';
import { TestFile } from '../test-file.js';

interface Move {
  readonly at: number;
  readonly old: number;
  readonly size?: number;
  readonly to?: number;
  readonly flags?: number;
}

const TO = MREMAP_MAYMOVE | MREMAP_FIXED;

/** Answers where the memory is now, in pages from BASE, or the errno. */
function remap(world: TestMachine, { at, old, size = old, to = 0, flags = TO }: Move): number {
  const newAddr = BASE + to * PAGE;
  const request = { addr: BASE + at * PAGE, oldLen: old * PAGE, newLen: size * PAGE, flags, newAddr };
  const result = world.run(mremap(world.mm, request));
  return result < 0 ? result : (result - BASE) / PAGE;
}

test('pages go to the new place, what is left of the source stays', () => {
  const world = new TestMachine();
  world.anon(0, 8);
  world.fill(0, 8);
  world.takeEvents();
  expect(remap(world, { at: 2, old: 3, to: 100 })).toBe(100);
  expect(world.vmas()).toEqual(['0-2 rw p0', '5-8 rw p5', '100-103 rw p2']);
  expect([world.load(100), world.load(102), world.load(2), world.load(5)]).toEqual([3, 5, 'maperr', 6]);
  expect(world.takeEvents()).toEqual(['UNMAP 2-5', 'UNMAP 2-5']);
  world.check();
});

test('memory that was never touched takes the offset of its new place, and merges there', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.anon(100, 4);
  expect(remap(world, { at: 0, old: 4, to: 104 })).toBe(104);
  expect(world.vmas()).toEqual(['100-108 rw p100']);
});

test('touched memory moves back into its place and is one vma again', () => {
  const world = new TestMachine();
  world.anon(0, 8);
  world.fill(0, 8);
  remap(world, { at: 2, old: 3, to: 100 });
  expect(remap(world, { at: 100, old: 3, to: 2 })).toBe(2);
  expect(world.vmas()).toEqual(['0-8 rw p0']);
  expect(world.load(4)).toBe(5);
  world.check();
});

test('the source must lie in one vma', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.run(doMprotectPkey(world.mm, BASE, PAGE, 1));
  expect(remap(world, { at: 0, old: 2, to: 100 })).toBe(-EFAULT);
  expect(remap(world, { at: 50, old: 1, to: 100 })).toBe(-EFAULT);
});

test('bad requests are refused before anything is unmapped', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.anon(10, 4);
  expect(remap(world, { at: 0, old: 4, to: 2 })).toBe(-EINVAL);
  expect(remap(world, { at: 0, old: 4, to: 10, flags: MREMAP_FIXED })).toBe(-EINVAL);
  expect(remap(world, { at: 0, old: 4, to: 10, flags: 8 })).toBe(-EINVAL);
  expect(remap(world, { at: 0, old: 4, size: 5, to: 10, flags: TO | MREMAP_DONTUNMAP })).toBe(-EINVAL);
  expect(remap(world, { at: 0, old: 0, size: 1, to: 20 })).toBe(-EINVAL);
  expect(remap(world, { at: 0, old: 4, size: 0, to: 20 })).toBe(-EINVAL);
  expect(world.vmas()).toEqual(['0-4 rw p0', '10-14 rw p10']);
});

test('the destination is unmapped first, even when the source turns out bad', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.anon(10, 4);
  expect(remap(world, { at: 0, old: 4, to: 10 })).toBe(-EFAULT);
  expect(world.vmas()).toEqual(['0-2 rw p0']);
});

test('DONTUNMAP leaves an empty vma, as if never touched', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.fill(0, 4);
  expect(remap(world, { at: 0, old: 4, to: 100, flags: TO | MREMAP_DONTUNMAP })).toBe(100);
  expect(world.vmas()).toEqual(['0-4 rw p0', '100-104 rw p0']);
  expect([world.load(0), world.load(100)]).toEqual([0, 1]);
  world.check();
});

test('shrinking unmaps the tail, growing takes the room behind', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.fill(0, 4);
  expect(remap(world, { at: 0, old: 4, size: 2, flags: 0 })).toBe(0);
  expect(world.vmas()).toEqual(['0-2 rw p0']);
  expect(remap(world, { at: 0, old: 2, size: 6, flags: 0 })).toBe(0);
  expect(world.vmas()).toEqual(['0-6 rw p0']);
  expect(remap(world, { at: 0, old: 6, flags: 0 })).toBe(0);
});

test('without room it moves when it may', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.fill(0, 2);
  world.anon(2, 2, { prot: PROT_READ });
  expect(remap(world, { at: 0, old: 2, size: 3, flags: 0 })).toBe(-ENOMEM);
  const moved = remap(world, { at: 0, old: 2, size: 3, flags: MREMAP_MAYMOVE });
  expect(moved * PAGE + BASE).toBe(0x7ffff7ffc000);
  expect(world.load(moved + 1)).toBe(2);
  world.check();
});

test('an old length of zero maps a shared file once more', () => {
  const world = new TestMachine();
  const file = new TestFile(world.memory, 4);
  world.anon(0, 4, { file, flags: MAP_SHARED | MAP_FIXED });
  world.fill(1);
  expect(remap(world, { at: 1, old: 0, size: 2, to: 20 })).toBe(20);
  expect(world.vmas()).toEqual(['0-4 rw p@0', '20-22 rw p@1']);
  expect(world.load(20)).toBe(2);
  expect(file.references).toBe(3);
});

test('whole tables move when both places lie on 2 MiB borders', () => {
  const world = new TestMachine();
  world.anon(0, 1024);
  world.fill(3);
  const table = world.mm.pageTable.pteTable(BASE / PAGE);
  expect(remap(world, { at: 0, old: 1024, to: 4096 })).toBe(4096);
  expect(world.mm.pageTable.pteTable(BASE / PAGE + 4096)).toBe(table);
  expect(world.load(4099)).toBe(4);
  world.check();
});

test('a move that begins inside 2 MiB is widened downwards over free memory, and so is its event', () => {
  const world = new TestMachine();
  world.anon(10, 600);
  world.fill(10);
  const table = world.mm.pageTable.pteTable(BASE / PAGE);
  world.takeEvents();
  remap(world, { at: 10, old: 600, to: 4106 });
  expect(world.takeEvents()[0]).toBe('UNMAP 0-610');
  expect(world.mm.pageTable.pteTable(BASE / PAGE + 4096)).toBe(table);
  expect(world.load(4106)).toBe(11);
  world.check();
});

test('a whole GiB moves as one PMD table', () => {
  const world = new TestMachine();
  const gib = 262144;
  world.sparse(0, gib);
  world.fill(1000);
  const table = world.mm.pageTable.pmdTable(BASE / PAGE);
  expect(remap(world, { at: 0, old: gib, to: 4 * gib })).toBe(4 * gib);
  expect(world.mm.pageTable.pmdTable(BASE / PAGE + 4 * gib)).toBe(table);
  expect(world.load(4 * gib + 1000)).toBe(1001);
  world.check();
});

test('a huge page moves whole to a 2 MiB border and is split for any other place', () => {
  const world = new TestMachine({ thpEnabled: 'always' });
  world.anon(0, 512);
  world.fill(0);
  remap(world, { at: 0, old: 512, to: 1024 });
  expect(world.text(1024, 512)).toBe('PMD 0-511 HUGE W');
  remap(world, { at: 1024, old: 512, to: 2049 });
  expect(world.text(2049, 512)).toBe('PTE 0-511 PRESENT W');
  expect(world.load(2049)).toBe(1);
  world.check();
});
