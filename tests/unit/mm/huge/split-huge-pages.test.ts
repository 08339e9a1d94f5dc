import { expect, it } from 'vitest';
import { splitHugePagesAll, splitHugePagesPid } from '../../../../driver/mm/huge/split-huge-pages.js';
import { ESRCH } from '../../../../uapi/errno.js';
import { BASE, HUGE, TestMachine } from '../../test-machine.js';

it('folios of 2 MiB become single pages, those of a range or all', () => {
  const world = new TestMachine({ checked: true });
  world.mapHuge(0, 1024);
  world.store(0, 7);
  world.store(512, 8);
  const { frames } = world.memory;
  const orders = (): number[] =>
    [0, 512].map((page) =>
      frames.order(
        frames.head(world.mm.pageTable.pmdTable((BASE + page * 4096) / 4096)!.hi((BASE / HUGE + page / 512) % 512)),
      ),
    );
  expect(orders()).toEqual([9, 9]);
  expect(world.run(splitHugePagesPid(world.mm, { start: BASE, end: BASE + HUGE, newOrder: 0 }))).toBe(0);
  expect(world.text(512, 512)).toBe('PMD 0-511 HUGE W');
  // What holds only zeroes maps the zero page.
  expect(world.text(0, 512)).toBe('PTE 0 PRESENT W\nPTE 1-511 ZERO');
  world.run(splitHugePagesAll(world.memory));
  expect(world.text(512, 512)).toBe('PTE 0 PRESENT W\nPTE 1-511 ZERO');
  expect([
    world.load(0),
    world.load(512),
    world.run(splitHugePagesPid(null, { start: 0, end: 1, newOrder: 0 })),
  ]).toEqual([7, 8, -ESRCH]);
});
