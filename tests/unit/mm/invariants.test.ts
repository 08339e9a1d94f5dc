import { expect, test } from 'vitest';
import { clearPage } from '../../../driver/mm/frames/folio.js';
import { Kind, Pte } from '../../../driver/mm/tables/entry.js';
import type { Table } from '../../../driver/mm/tables/page-table.js';
import { pfnAt } from '../../../driver/mm/tables/page-table-text.js';
import { BASE, PAGE, TestMachine } from '../test-machine.js';

/** A world with pages 0 to 511 of one page table mapped and touched, which the check finds in order. */
function filled(): { world: TestMachine; leaf: Table } {
  const world = new TestMachine();
  world.anon(0, 512);
  world.fill(0, 512);
  world.check();
  return { world, leaf: world.mm.pageTable.pteTable(BASE / PAGE)! };
}

// The walk looks at several entries together; wherever the wrong one stands, it must be seen.
test.each([0, 1, 7, 8, 255, 504, 511])('a migration entry that was left at index %i is found', (i) => {
  const { world, leaf } = filled();
  leaf.rawEntries.fill(0);
  leaf.set(i, Kind.migration, 5);
  expect(() => world.check()).toThrow(`0x${(BASE + i * PAGE).toString(16)} outlives its migrator`);
});

test('an entry outside every vma is found', () => {
  const { world } = filled();
  const leaf = world.mm.pageTable.pteTableAlloc(BASE / PAGE + 512);
  leaf.set(0, Kind.present | Pte.special, 1);
  expect(() => world.check()).toThrow('is outside every vma');
});

test('a page table page that no address space reaches is found', () => {
  const { world } = filled();
  world.memory.tables.allocate(true);
  expect(() => world.check()).toThrow(/page table pages are in use, \d+ can be reached/);
});

test('a reference or a mapping too many is found', () => {
  for (const [field, message] of [
    ['refcount', 'refcount is 2, but 1 can be accounted for'],
    ['mapcount', 'mapcount is 2, but 1'],
    ['folioMapcount', 'folioMapcount is 2, but 1'],
    ['entireMapcount', 'entireMapcount is 1, but 0'],
  ] as const) {
    const { world } = filled();
    world.memory.frames.raw[field][pfnAt(world.mm, BASE / PAGE + 9)]!++;
    expect(() => world.check()).toThrow(message);
  }
});

test('a byte of a cleared page that somebody changed without a word is found', () => {
  const { world } = filled();
  const free = world.memory.allocator.allocate();
  clearPage(world.memory, free);
  world.memory.frames.setRefcount(free, 0);
  world.memory.allocator.free(free);
  world.check();
  world.memory.bytes[free * PAGE + 5] = 1;
  expect(() => world.check()).toThrow(`pfn ${free} counts as never written`);
});
