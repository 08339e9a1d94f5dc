import { expect, it } from 'vitest';
import { movePages } from '../../../../driver/mm/userfault/move-pages.js';
import { EBUSY, EEXIST, ENOENT } from '../../../../uapi/errno.js';
import { MADV_HUGEPAGE } from '../../../../uapi/mman.js';
import { BASE, HUGE, PAGE, TestMachine } from '../../test-machine.js';
import { Serving } from './serving.js';

it('pages move, 2 MiB at once or page by page, if they are one process’s own', () => {
  const world = new TestMachine({ checked: true });
  world.anon(0, 1024);
  world.anon(2048, 512);
  world.advise(2048, 512, MADV_HUGEPAGE);
  world.store(2048, 7);
  const { ctx } = new Serving(world, 1024);
  const move = (dst: number, src: number, npages: number): number => {
    const request = { dst: BASE + dst * PAGE, src: BASE + src * PAGE, len: npages * PAGE, allowsHoles: false };
    return world.run(movePages(ctx, request));
  };
  expect(move(0, 2048, 512)).toBe(HUGE);
  expect([world.text(0, 512), world.text(2048, 512), world.load(0)]).toEqual(['PMD 0-511 HUGE W', 'PMD 0-511 NONE', 7]);
  expect(move(0, 2048, 1)).toBe(-EEXIST);
  expect(move(600, 2048, 1)).toBe(-ENOENT);
  world.anon(4096, 2);
  world.fill(4096, 2, 40);
  expect([move(700, 4097, 1), world.load(700)]).toEqual([PAGE, 41]);
  const child = world.fork();
  expect(move(701, 4096, 1)).toBe(-EBUSY);
  world.exit(child);
});
