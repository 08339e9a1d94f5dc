// How often a migration walks the page tables when pages must be faulted in first: what migrate on fault is for.

import { ENOENT } from '../../../uapi/errno.js';
import { MADV_PAGEOUT } from '../../../uapi/mman.js';
import type { HmmBuffer } from '../buffer.js';
import type { SelftestContext } from '../case.js';
import { expectEqual, expectRet } from '../expect.js';
import { fillPages, inspect, onFault, snapshotText, stats, World } from './world.js';

const NPAGES = 16;

interface Work {
  walks: number;
  resumptions: number;
  remoteFaults: number;
}

/** A buffer of which all pages are swapped out, and counters that begin at 0. */
async function swappedBuffer(world: World): Promise<HmmBuffer> {
  const buffer = await world.buffer(NPAGES);
  const { memory } = buffer;
  await fillPages(memory);
  expectRet(await world.process.madvise(memory.addr, memory.sizeBytes, MADV_PAGEOUT), 0, 'PAGEOUT');
  await inspect(world.process, 'reset_stats');
  return buffer;
}

async function expectWork(world: World, buffer: HmmBuffer, expected: Work): Promise<void> {
  const work = await stats(world.process);
  expectEqual(work.walks, expected.walks, 'page table walks');
  expectEqual(work.resumptions, expected.resumptions, 'resumed walks');
  expectEqual(work.remoteFaults, expected.remoteFaults, 'faults for the device');
  // Nobody else maps the pages, and each goes to its new place once: the same in all strategies.
  expectEqual(work.tryToMigrate, 0, 'rmap walks that unmap');
  expectEqual(work.removeMigrationPtes, NPAGES, 'rmap walks that map again');
  expectEqual(await snapshotText(world.device, buffer), '22'.repeat(NPAGES), 'snapshot');
}

/** Fault then migrate takes two walks (classic), both at once takes one. */
async function onFaultStrategy(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const buffer = await swappedBuffer(world);
  await buffer.commandOk(world.device, 'MIGRATE_ON_FAULT_TO_DEV');
  await expectWork(world, buffer, { walks: ctx.path === 'classic' ? 2 : 1, resumptions: 1, remoteFaults: NPAGES });
  await world.close();
}

/** Try to migrate, fault what was missing, migrate again: three walks on any path. */
async function migrateFaultMigrate(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const buffer = await swappedBuffer(world);
  await buffer.commandFails(world.device, 'MIGRATE_TO_DEV', ENOENT);
  await buffer.commandOk(world.device, 'READ');
  await buffer.commandOk(world.device, 'MIGRATE_TO_DEV');
  await expectWork(world, buffer, { walks: 3, resumptions: 1, remoteFaults: NPAGES });
  await world.close();
}

/** With nothing to fault in, the first collect is enough. */
async function migrateOnly(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const buffer = await world.buffer(NPAGES);
  await fillPages(buffer.memory);
  await inspect(world.process, 'reset_stats');
  await buffer.commandOk(world.device, 'MIGRATE_TO_DEV');
  await expectWork(world, buffer, { walks: 1, resumptions: 0, remoteFaults: 0 });
  await world.close();
}

/** Prepared pages before the first that must be faulted in: they are given back once, and the walk is still one. */
async function preparedBeforeFault(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const buffer = await world.buffer(NPAGES);
  const { memory } = buffer;
  await fillPages(memory);
  const half = memory.slice(memory.sizeBytes / 2);
  expectRet(await world.process.madvise(half.addr, half.sizeBytes, MADV_PAGEOUT), 0, 'PAGEOUT');
  await inspect(world.process, 'reset_stats');
  await buffer.commandOk(world.device, 'MIGRATE_ON_FAULT_TO_DEV');
  const { walks, resumptions, remoteFaults } = await stats(world.process);
  expectEqual(walks, ctx.path === 'classic' ? 2 : 1, 'page table walks');
  expectEqual(resumptions, 1, 'resumed walks');
  expectEqual(remoteFaults, NPAGES / 2, 'faults for the device');
  expectEqual(await snapshotText(world.device, buffer), '22'.repeat(NPAGES), 'snapshot');
  await world.close();
}

export const walkCases = [
  onFault('walks.on_fault', onFaultStrategy),
  onFault('walks.migrate_fault_migrate', migrateFaultMigrate),
  onFault('walks.migrate_only', migrateOnly),
  onFault('walks.prepared_before_fault', preparedBeforeFault),
];
