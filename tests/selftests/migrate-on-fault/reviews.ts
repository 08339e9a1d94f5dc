// What reviewers of the migrate-on-fault series asked about, as far as a program can see it.

import { ERANGE } from '../../../uapi/errno.js';
import { MADV_HUGEPAGE, MADV_PAGEOUT, PAGE_SIZE } from '../../../uapi/mman.js';
import type { HmmBuffer } from '../buffer.js';
import type { SelftestContext } from '../case.js';
import { expectEqual, expectRet } from '../expect.js';
import { scale } from '../scale.js';
import {
  expectAtRest,
  fillPages,
  firstWords,
  inspect,
  inspectMemory,
  onFault,
  PAGES_PER_HUGE,
  pageWord,
  snapshotText,
  stats,
  World,
} from './world.js';

/** A retry loop that feeds itself would take the device's whole second; in virtual time that is a million ticks. */
const MANY_TICKS = 100_000;
const MANY_RESUMPTIONS = 16;

async function expectWords(buffer: HmmBuffer, expected: number[]): Promise<void> {
  expectEqual((await firstWords(buffer.memory)).join(' '), expected.join(' '), 'words for the CPU');
}

function wordsOf(npages: number): number[] {
  return [...Array(npages).keys()].map(pageWord);
}

/**
 * Splitting a huge page, unmapping a page in another process and bringing a page back from the other device all send
 * events that the migration's own notifier hears. None may make it begin again for ever.
 */
async function ownInvalidations(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const { process, device, foreign } = world;
  const buffer = await world.buffer(2 * PAGES_PER_HUGE);
  const { memory } = buffer;
  expectRet(await process.madvise(memory.addr, memory.sizeBytes / 2, MADV_HUGEPAGE), 0, 'HUGEPAGE');
  await fillPages(memory);
  const { ret: pid, child } = await process.fork();
  await memory.writeWord(600 * PAGE_SIZE, pageWord(600));
  await buffer.command(foreign, 'MIGRATE_TO_DEV', { firstPage: 600, npages: 1 });
  await inspect(process, 'reset_stats');
  const before = Number(await inspect(process, 'ticks'));
  // A vma each.
  for (const [firstPage, npages] of [
    [480, 32],
    [512, 96],
  ] as const)
    await buffer.commandOk(device, 'MIGRATE_ON_FAULT_TO_DEV', { firstPage, npages });
  const ticks = Number(await inspect(process, 'ticks')) - before;
  const { resumptions } = await stats(process);
  expectEqual(ticks < MANY_TICKS, true, `the migration took ${ticks} ticks, fewer than ${MANY_TICKS}`);
  expectEqual(resumptions < MANY_RESUMPTIONS, true, `the walks were resumed ${resumptions} times`);
  await expectAtRest(memory, 'afterwards');
  await child.exit(0);
  expectRet((await process.wait(pid)).ret, pid, 'wait');
  await expectWords(buffer, wordsOf(2 * PAGES_PER_HUGE));
  await world.close();
}

/** A huge page shared after fork is split in both processes; each of its pages moves for both. */
async function splitOfSharedHugePage(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const { process, device } = world;
  const buffer = await world.buffer(PAGES_PER_HUGE);
  const { memory } = buffer;
  expectRet(await process.madvise(memory.addr, memory.sizeBytes, MADV_HUGEPAGE), 0, 'HUGEPAGE');
  await fillPages(memory);
  const { ret: pid, child } = await process.fork();
  await buffer.commandOk(device, 'MIGRATE_ON_FAULT_TO_DEV', { firstPage: 8, npages: 16 });
  const table = 'PTE 0-7 PRESENT R\nPTE 8-23 DPRIV-R\nPTE 24-511 PRESENT R';
  expectEqual(await inspectMemory('page_table', memory), table, 'entries');
  expectEqual(await inspect(child, 'page_table', memory.addr, memory.sizeBytes), table, 'entries of the child');
  await expectAtRest(memory, 'afterwards');
  await expectWords(buffer.as(child), wordsOf(PAGES_PER_HUGE));
  await child.exit(0);
  expectRet((await process.wait(pid)).ret, pid, 'wait');
  await expectWords(buffer, wordsOf(PAGES_PER_HUGE));
  await world.close();
}

/** Every kind of page side by side in one chunk: each is treated in its own way, and none disturbs the next. */
async function oneOfEach(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const { process, device, foreign } = world;
  const buffer = await world.buffer(8);
  const { memory } = buffer;
  await fillPages(memory, 0, 6);
  await memory.readWord(6 * PAGE_SIZE);
  expectRet(await process.madvise(memory.addr + PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT), 0, 'PAGEOUT');
  await buffer.commandOk(foreign, 'MIGRATE_TO_DEV', { firstPage: 2, npages: 1 });
  await buffer.commandOk(device, 'MIGRATE_TO_DEV', { firstPage: 3, npages: 1 });
  await buffer.commandOk(foreign, 'EXCLUSIVE', { firstPage: 4, npages: 1 });
  const table = ['PRESENT W', 'SWAP', 'DPRIV-W', 'DPRIV-W', 'DEXCL-W', 'PRESENT W', 'ZERO', 'NONE'];
  const lines = table
    .map((kind, page) => `${page} ${kind}`)
    .join('\n')
    .replace('2 DPRIV-W\n3 DPRIV-W', '2-3 DPRIV-W');
  expectEqual(await inspectMemory('page_table', memory), lines.replace(/^/gm, 'PTE '), 'entries before');
  await buffer.commandOk(device, 'MIGRATE_ON_FAULT_TO_DEV');
  expectEqual(await inspectMemory('page_table', memory), 'PTE 0-7 DPRIV-W', 'entries');
  expectEqual(await snapshotText(device, buffer), '22'.repeat(8), 'snapshot');
  await expectAtRest(memory, 'afterwards');
  await expectWords(buffer, [...wordsOf(6), 0, 0]);
  await world.close();
}

/** Three chunks over two page tables; the last ends in another vma, and only its part of the first moves. */
async function manyChunks(ctx: SelftestContext): Promise<void> {
  const npages = PAGES_PER_HUGE + 100;
  const world = await World.boot(ctx);
  const buffer = await world.buffer(npages);
  const range = { firstPage: PAGES_PER_HUGE - 70, npages: 150 };
  await fillPages(buffer.memory, range.firstPage, range.firstPage + range.npages);
  await buffer.protect(world.process, 1, { firstPage: PAGES_PER_HUGE + 10, npages: 90 });
  await buffer.commandFails(world.device, 'MIGRATE_ON_FAULT_TO_DEV', ERANGE, range);
  const table = ['PTE 0-441 NONE', 'PTE 442-521 DPRIV-W', 'PTE 522-591 PRESENT R', 'PTE 592-611 NONE'].join('\n');
  expectEqual(await inspectMemory('page_table', buffer.memory), table, 'entries');
  await expectAtRest(buffer.memory, 'afterwards');
  await world.close();
}

/** Two CPUs touch one device page at once: the page that is faulted on is unlocked once, by the one who locked it. */
async function twoFaultsOnOnePage(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const { process, device } = world;
  const second = await process.newThread();
  for (let round = 0; round < scale.schedules; round++) {
    await inspect(process, 'seed', ctx.seed + round);
    const buffer = await world.buffer(2);
    await fillPages(buffer.memory);
    await buffer.commandOk(device, 'MIGRATE_ON_FAULT_TO_DEV');
    const { ret: pid, child } = await process.fork();
    const readers = [buffer.memory, buffer.memory.as(second), buffer.memory.as(child)];
    for (const words of await Promise.all(readers.map(firstWords))) {
      expectEqual(words.join(' '), wordsOf(2).join(' '), `words, seed ${ctx.seed + round}`);
    }
    await expectAtRest(buffer.memory, 'afterwards');
    await child.exit(0);
    expectRet((await process.wait(pid)).ret, pid, 'wait');
  }
  await inspect(process, 'invariants');
  await world.close();
}

export const reviewCases = [
  onFault('reviews.own_invalidations', ownInvalidations),
  onFault('reviews.split_of_shared_huge_page', splitOfSharedHugePage),
  onFault('reviews.one_of_each', oneOfEach),
  onFault('reviews.many_chunks', manyChunks),
  onFault('reviews.two_faults_on_one_page', twoFaultsOnOnePage),
];
