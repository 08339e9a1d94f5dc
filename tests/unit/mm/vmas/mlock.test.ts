import { expect, test } from 'vitest';
import { dupMmap, mmCreate } from '../../../../driver/mm/vmas/dup-mmap.js';
import { doMadvise } from '../../../../driver/mm/vmas/madvise.js';
import { doMlock, lockedPages, mlockall, munlock, munlockall } from '../../../../driver/mm/vmas/mlock.js';
import { mremap } from '../../../../driver/mm/vmas/mremap.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { EAGAIN, EINVAL, ENOMEM } from '../../../../uapi/errno.js';
import { MADV_COLD, MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE, MADV_PAGEOUT } from '../../../../uapi/mman.js';
import { BASE, PAGE, TestMachine } from '../../test-machine.js';

const ONFAULT = 1;
const MCL_CURRENT = 1;
const MCL_FUTURE = 2;
const MCL_ONFAULT = 4;

const lock = (world: TestMachine, at: number, npages: number, flags = 0) =>
  world.run(doMlock(world.mm, BASE + at * PAGE, npages * PAGE, flags));
const unlock = (world: TestMachine, at: number, npages: number) =>
  world.run(munlock(world.mm, BASE + at * PAGE, npages * PAGE));
const advise = (world: TestMachine, advice: number) => world.run(doMadvise(world.mm, BASE, PAGE, advice));
const locked = (world: TestMachine) => world.mm.vmas.map(({ flags }) => (flags & VM.locked) !== 0);

test('a lock reads pages in, splits the vma, and goes with unlock', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  expect(world.run(doMlock(world.mm, BASE + PAGE + 8, PAGE))).toBe(0);
  expect(world.text(0, 4)).toBe('PTE 0 NONE\nPTE 1-2 PRESENT W\nPTE 3 NONE');
  expect(locked(world)).toEqual([false, true, false]);
  expect(lockedPages(world.mm)).toBe(2);
  expect(unlock(world, 0, 4)).toBe(0);
  expect([locked(world).includes(true), lockedPages(world.mm)]).toEqual([false, 0]);
  world.check();
});

test('with ONFAULT only the first touch makes pages', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  expect(lock(world, 0, 2, ONFAULT)).toBe(0);
  expect(world.mm.rss.anon).toBe(0);
  expect(lock(world, 0, 2, 2)).toBe(-EINVAL);
  expect(lockedPages(world.mm)).toBe(2);
});

test('what is before a hole stays locked, what is not for us can not be', () => {
  const world = new TestMachine({ ramBytes: 4 << 20 });
  world.anon(0, 1);
  world.anon(2, 1, { prot: 0 });
  expect(lock(world, 0, 2)).toBe(-ENOMEM);
  expect(locked(world)).toEqual([true, false]);
  expect(lock(world, 2, 1)).toBe(-ENOMEM);
  expect(unlock(world, 1, 1)).toBe(-ENOMEM);
  world.sparse(512, 2048);
  expect(lock(world, 512, 2048)).toBe(-EAGAIN);
  world.check();
});

test('advice does not take locked pages away', () => {
  const world = new TestMachine();
  world.anon(0, 1);
  world.fill(0);
  lock(world, 0, 1);
  for (const advice of [MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT]) expect(advise(world, advice)).toBe(-EINVAL);
  expect(world.load(0)).toBe(1);
  expect(advise(world, MADV_DONTNEED_LOCKED)).toBe(0);
  expect(world.load(0)).toBe(0);
});

test('a child begins without locks; a moved area keeps its own and is read in as it grows', () => {
  const world = new TestMachine();
  world.anon(0, 1);
  world.run(mlockall(world.mm, MCL_FUTURE | MCL_CURRENT));
  const child = mmCreate(world.memory);
  expect(world.run(dupMmap(child, world.mm))).toBe(0);
  expect([child.defFlags, lockedPages(child)]).toEqual([0, 0]);
  const grown = world.run(mremap(world.mm, { addr: BASE, oldLen: PAGE, newLen: 3 * PAGE, flags: 0, newAddr: 0 }));
  expect([grown, lockedPages(world.mm), world.mm.rss.anon]).toEqual([BASE, 3, 3]);
  world.check();
});

test('mlockall locks what is there, what will be, or both', () => {
  const world = new TestMachine();
  world.anon(0, 1);
  const all = (flags: number) => world.run(mlockall(world.mm, flags));
  expect([0, MCL_ONFAULT, 8].map(all)).toEqual([-EINVAL, -EINVAL, -EINVAL]);
  expect(all(MCL_CURRENT)).toBe(0);
  world.anon(4, 1);
  expect([lockedPages(world.mm), world.mm.rss.anon]).toEqual([1, 1]);
  expect(all(MCL_FUTURE)).toBe(0);
  world.anon(8, 2);
  expect([lockedPages(world.mm), world.mm.rss.anon]).toEqual([3, 3]);
  expect(all(MCL_FUTURE | MCL_ONFAULT)).toBe(0);
  world.anon(12, 2);
  expect([lockedPages(world.mm), world.mm.rss.anon]).toEqual([5, 3]);
  expect(world.run(munlockall(world.mm))).toBe(0);
  world.anon(16, 1);
  expect(lockedPages(world.mm)).toBe(0);
  world.check();
});
