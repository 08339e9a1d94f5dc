import { describe, expect, it } from 'vitest';
import { folioGet, folioLock, folioPut, folioUnlock } from '../../../../driver/mm/frames/folio.js';
import { splitFolio } from '../../../../driver/mm/huge/thp-split-folio.js';
import { pfnAt } from '../../../../driver/mm/tables/page-table-text.js';
import { EAGAIN } from '../../../../uapi/errno.js';
import { MADV_DONTNEED, MADV_FREE } from '../../../../uapi/mman.js';
import { runTask } from '../../helpers.js';
import { BASE, PAGE, TestMachine } from '../../test-machine.js';

function split(world: TestMachine, head: number): number {
  return world.run(
    (function* () {
      folioGet(world.memory, head);
      yield* folioLock(world.memory, head);
      const error = yield* splitFolio(world.memory, head);
      folioUnlock(world.memory, head);
      folioPut(world.memory, head);
      return error;
    })(),
  );
}

function worldWithHugePage(): { world: TestMachine; head: number } {
  const world = new TestMachine({ checked: true });
  world.mapHuge(0, 512);
  for (const page of [0, 3, 4]) world.store(page, page + 1);
  world.takeEvents();
  return { world, head: pfnAt(world.mm, BASE / PAGE) };
}

describe('splitting a folio', () => {
  it('leaves 512 small pages, those of zeroes as the zero page', () => {
    const { world, head } = worldWithHugePage();
    const free = world.memory.allocator.freeFrames;
    expect(split(world, head)).toBe(0);
    expect(world.text(0, 512)).toBe('PTE 0 PRESENT W\nPTE 1-2 ZERO\nPTE 3-4 PRESENT W\nPTE 5-511 ZERO');
    expect(world.memory.frames.order(head)).toBe(0);
    expect(world.memory.allocator.freeFrames).toBe(free + 509);
    expect([0, 1, 3, 4].map((page) => world.load(page))).toEqual([1, 0, 4, 5]);
    expect(world.takeEvents()).toEqual(['CLEAR 0-512', 'CLEAR 0-512']);
    expect(world.mm.rss.anon).toBe(3);
  });

  it('splits in every process that maps it', () => {
    const { world, head } = worldWithHugePage();
    const child = world.fork();
    expect(split(world, head)).toBe(0);
    const text = 'PTE 0 PRESENT R\nPTE 1-2 ZERO\nPTE 3-4 PRESENT R\nPTE 5-511 ZERO';
    expect(world.text(0, 512)).toBe(text);
    expect(world.text(0, 512, child)).toBe(text);
    world.exit(child);
    world.store(3, 8);
    expect(world.load(3)).toBe(8);
  });

  it('is -EAGAIN for a folio that somebody refers to, which stays mapped as it was', () => {
    const { world, head } = worldWithHugePage();
    const error = runTask(
      world.kernel,
      (function* () {
        folioGet(world.memory, head, 2);
        yield* folioLock(world.memory, head);
        const ret = yield* splitFolio(world.memory, head);
        folioUnlock(world.memory, head);
        folioPut(world.memory, head, 2);
        return ret;
      })(),
    );
    expect(error).toBe(-EAGAIN);
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE W');
  });

  it('leaves partly unmapped pages behind', () => {
    const { world, head } = worldWithHugePage();
    world.advise(4, 508, MADV_DONTNEED);
    expect(world.text(0, 512)).toBe('PTE 0-3 PRESENT W\nPTE 4-511 NONE');
    expect(split(world, head)).toBe(0);
    expect(world.text(0, 512)).toBe('PTE 0 PRESENT W\nPTE 1-2 ZERO\nPTE 3 PRESENT W\nPTE 4-511 NONE');
  });

  it('MADV_FREE of a part splits, of the whole keeps the page', () => {
    const { world } = worldWithHugePage();
    world.advise(0, 512, MADV_FREE);
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE W');
    world.advise(0, 4, MADV_FREE);
    expect(world.text(0, 8)).toBe('PTE 0 PRESENT W\nPTE 1-2 ZERO\nPTE 3-4 PRESENT W\nPTE 5-7 ZERO');
  });
});
