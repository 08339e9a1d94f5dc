import { expect, it } from 'vitest';
import { WaitQueue } from '../../../../driver/core/wait-queue.js';
import { folioGet, folioLock, folioPut, folioUnlock } from '../../../../driver/mm/frames/folio.js';
import { removeMigrationPtes, tryToMigrate } from '../../../../driver/mm/tables/migration-entries.js';
import { movePages } from '../../../../driver/mm/userfault/move-pages.js';
import { EBUSY, EEXIST, EFAULT, ENOENT } from '../../../../uapi/errno.js';
import { MADV_HUGEPAGE } from '../../../../uapi/mman.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
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

const moveRequest = (dst: number, src: number, npages = 1) => ({
  dst: BASE + dst * PAGE,
  src: BASE + src * PAGE,
  len: npages * PAGE,
  allowsHoles: false,
});

it('2 MiB that a device has are in the way, and are not moved', () => {
  const world = new DeviceMachine({ profile: '7.3', thpEnabled: 'madvise' });
  world.mapHuge(0, 1024);
  world.fill(0);
  world.command(world.open(0), 'MIGRATE_TO_DEV', 0, 512);
  expect(world.text(0, 512)).toBe('PMD 0-511 PMD-DPRIV-W');
  const { ctx } = new Serving(world, 1024);
  world.anon(2048, 512);
  world.fill(2048);
  const move = (...pages: [number, number, number?]): number => world.run(movePages(ctx, moveRequest(...pages)));
  expect([move(0, 2048), move(512, 0, 512), move(512, 0)]).toEqual([-EEXIST, -ENOENT, -EFAULT]);
  expect(world.text(0, 512)).toBe('PTE 0-511 DPRIV-W');
  world.check();
});

it('2 MiB that migrate are waited for at the destination, where they are in the way', () => {
  const world = new TestMachine();
  world.mapHuge(0, 512);
  world.fill(0);
  const { ctx } = new Serving(world, 512);
  world.anon(2048, 1);
  world.fill(2048);
  const { memory, mm, kernel } = world;
  const { scheduler } = kernel;
  const head = mm.pageTable.pmdTable(BASE / PAGE)!.hi(0);
  const over = new WaitQueue('the end');
  let moved: number | null = null;
  scheduler.start(
    scheduler.newTask('migrates'),
    (function* () {
      folioGet(memory, head);
      yield* folioLock(memory, head);
      yield* tryToMigrate(memory, head);
      yield over;
      yield* removeMigrationPtes(memory, head, head);
      folioUnlock(memory, head);
      folioPut(memory, head);
    })(),
    () => {},
  );
  scheduler.run();
  expect(world.text(0, 512)).toBe('PMD 0-511 PMD-MIG-W');
  scheduler.start(scheduler.newTask('moves'), movePages(ctx, moveRequest(0, 2048)), (ret) => {
    moved = ret;
  });
  scheduler.run();
  expect(moved).toBe(null);
  over.wakeAll();
  scheduler.run();
  expect([moved, world.text(0, 512)]).toEqual([-EEXIST, 'PMD 0-511 HUGE W']);
  world.check();
});
