// A migration on fault against everything else that can happen to the same pages, under as many schedules as asked for.

import { Dmirror } from '../../../uapi/client/dmirror-device.js';
import type { ProcessHandle, ThreadHandle } from '../../../uapi/client/process-handle.js';
import { EBUSY, EFAULT, ENOENT, ERANGE, errnoName } from '../../../uapi/errno.js';
import { MADV_DONTNEED, MADV_PAGEOUT, PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import type { HmmBuffer } from '../buffer.js';
import { CheckError, type SelftestCase, type SelftestContext } from '../case.js';
import { expectEqual, expectRet } from '../expect.js';
import { scale } from '../scale.js';
import { expectAtRest, fillPages, firstWords, inspect, onFault, pageWord, World } from './world.js';

/** Pages of the buffer; the other side works on the middle half. */
const NPAGES = 8;
const MIDDLE = { firstPage: 2, npages: 4 };

/** Pages that are not plain memory at the start; page 3 was never touched. */
const SWAPPED = 2;
const UNTOUCHED = 3;
const ON_FOREIGN = 4;
const ON_OWN = 5;
const EXCLUSIVE_OF_FOREIGN = 6;

/** What both sides of a race may use. */
interface Ring {
  readonly world: World;
  readonly process: ProcessHandle;
  /** The thread of the other side. */
  readonly other: ThreadHandle;
  readonly buffer: HmmBuffer;
  /** Both devices, used by the other side's thread. */
  readonly ownByOther: Dmirror;
  readonly foreignByOther: Dmirror;
}

interface Race {
  readonly name: string;
  /** Errnos that the migration may answer besides 0. */
  readonly mayFail: readonly number[];
  /** Pages for the migration; all unless given. */
  readonly range?: { firstPage: number; npages: number };
  /** The other side, issued in the same moment as the migration. Resolves when it is over. */
  readonly against: (ring: Ring) => Promise<void>;
  /** First word of each page afterwards, undefined where there is no page any more; by default as at the start. */
  readonly words?: (page: number) => number | undefined;
  /** Makes the buffer whole again before it is read. */
  readonly afterwards?: (ring: Ring) => Promise<void>;
}

function startWord(page: number): number {
  return page === UNTOUCHED ? 0 : pageWord(page);
}

function isMiddle(page: number): boolean {
  return page >= MIDDLE.firstPage && page < MIDDLE.firstPage + MIDDLE.npages;
}

/** One page of every kind that a migration on fault treats in its own way. */
async function prepare({ process, buffer, world }: Ring): Promise<void> {
  const { memory } = buffer;
  await fillPages(memory, 0, UNTOUCHED);
  await fillPages(memory, UNTOUCHED + 1);
  await process.madvise(memory.addr + SWAPPED * PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT);
  await buffer.command(world.foreign, 'MIGRATE_TO_DEV', { firstPage: ON_FOREIGN, npages: 1 });
  await buffer.command(world.device, 'MIGRATE_TO_DEV', { firstPage: ON_OWN, npages: 1 });
  await buffer.command(world.foreign, 'EXCLUSIVE', { firstPage: EXCLUSIVE_OF_FOREIGN, npages: 1 });
}

function middleOf({ buffer }: Ring): { addr: number; len: number } {
  return { addr: buffer.memory.addr + MIDDLE.firstPage * PAGE_SIZE, len: MIDDLE.npages * PAGE_SIZE };
}

function byDevice(
  name: 'MIGRATE_TO_DEV' | 'MIGRATE_ON_FAULT_TO_DEV' | 'READ' | 'MIGRATE_TO_SYS' | 'EXCLUSIVE' | 'RELEASE',
) {
  return async (device: Dmirror, { buffer }: Ring): Promise<number> =>
    (await device.command(name, middleOf({ buffer } as Ring).addr, MIDDLE.npages, buffer.mirror.addr)).ret;
}

function expectOneOf(ret: number, allowed: readonly number[], what: string): void {
  if (ret === 0 || allowed.includes(-ret)) return;
  const list = ['0', ...allowed.map((errno) => `-${errnoName(errno)}`)].join(' or ');
  throw new CheckError(`${what}: expected ${list}, got -${errnoName(ret)}`, list, ret);
}

/** Reads and checks the whole range as the CPU does, while pages move. */
async function loadMiddle(ring: Ring): Promise<void> {
  const { addr, len } = middleOf(ring);
  const bytes = await ring.other.read(addr, len);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < MIDDLE.npages; i++) {
    const page = MIDDLE.firstPage + i;
    expectEqual(
      view.getUint32(i * PAGE_SIZE, true),
      startWord(page),
      `word of page ${page} seen by the CPU in between`,
    );
  }
}

function storedWord(page: number): number {
  return 0x5000 + page;
}

async function storeMiddle(ring: Ring): Promise<void> {
  const { addr } = middleOf(ring);
  for (let i = 0; i < MIDDLE.npages; i++) {
    await ring.other.write(
      addr + i * PAGE_SIZE,
      new Uint8Array(Uint32Array.of(storedWord(MIDDLE.firstPage + i)).buffer),
    );
  }
}

function storedInMiddle(page: number): number {
  return isMiddle(page) ? storedWord(page) : startWord(page);
}

/** The child sees the parent's memory of the moment of the fork, whatever is on its way then. */
async function forkAndRead({ other, buffer, process }: Ring): Promise<void> {
  const { ret, child } = await other.fork();
  expectEqual(ret > 0, true, `fork answered ${ret}, a pid`);
  const words = await firstWords(buffer.memory.as(child));
  for (const [page, word] of words.entries()) expectEqual(word, startWord(page), `page ${page} in the child`);
  await child.exit(0);
  expectRet((await process.wait(ret)).ret, ret, 'wait');
}

const cpuRaces: readonly Race[] = [
  {
    name: 'munmap',
    mayFail: [EFAULT, ENOENT],
    async against(ring) {
      const { addr, len } = middleOf(ring);
      expectRet(await ring.other.munmap(addr, len), 0, 'munmap');
    },
    words: (page) => (isMiddle(page) ? undefined : startWord(page)),
  },
  {
    name: 'mprotect',
    mayFail: [ENOENT, ERANGE],
    async against(ring) {
      const { addr, len } = middleOf(ring);
      expectRet(await ring.other.mprotect(addr, len, PROT_READ), 0, 'mprotect');
    },
    async afterwards(ring) {
      const { addr, len } = middleOf(ring);
      const refused = await ring.process.store(addr, new Uint8Array(4));
      expectEqual(refused.signal !== undefined, true, 'a store to read-only memory raises a signal');
      expectRet(await ring.process.mprotect(addr, len, PROT_READ | PROT_WRITE), 0, 'mprotect');
    },
  },
  { name: 'fork', mayFail: [ENOENT], against: forkAndRead },
  {
    name: 'dontneed',
    mayFail: [ENOENT],
    async against(ring) {
      const { addr, len } = middleOf(ring);
      expectRet(await ring.other.madvise(addr, len, MADV_DONTNEED), 0, 'DONTNEED');
    },
    words: (page) => (isMiddle(page) ? 0 : startWord(page)),
  },
  { name: 'cpu_load', mayFail: [ENOENT], against: loadMiddle },
  { name: 'cpu_store', mayFail: [ENOENT], against: storeMiddle, words: storedInMiddle },
];

const deviceRaces: readonly Race[] = [
  {
    name: 'other_device',
    mayFail: [ENOENT],
    async against(ring) {
      const ret = await byDevice('MIGRATE_ON_FAULT_TO_DEV')(ring.foreignByOther, ring);
      expectOneOf(ret, [ENOENT], 'MIGRATE_ON_FAULT_TO_DEV of the other device');
    },
  },
  {
    name: 'same_device_overlapping',
    mayFail: [ENOENT],
    range: { firstPage: 0, npages: 5 },
    async against(ring) {
      const ret = await byDevice('MIGRATE_ON_FAULT_TO_DEV')(ring.ownByOther, ring);
      expectOneOf(ret, [ENOENT], 'the other MIGRATE_ON_FAULT_TO_DEV');
    },
  },
  {
    name: 'same_device_plain',
    mayFail: [ENOENT],
    async against(ring) {
      expectOneOf(await byDevice('MIGRATE_TO_DEV')(ring.ownByOther, ring), [ENOENT], 'MIGRATE_TO_DEV');
    },
  },
  {
    name: 'to_sys',
    mayFail: [ENOENT],
    async against(ring) {
      expectRet(await byDevice('MIGRATE_TO_SYS')(ring.ownByOther, ring), 0, 'MIGRATE_TO_SYS');
    },
  },
  {
    name: 'exclusive_of_other',
    mayFail: [ENOENT],
    async against(ring) {
      expectOneOf(await byDevice('EXCLUSIVE')(ring.foreignByOther, ring), [EBUSY, ENOENT], 'EXCLUSIVE');
    },
  },
  {
    // Closing any file of the device brings every page of it home. (RELEASE, which does so too, can't be raced: it waits
    // for the pages of a migrator that waits for the lock it holds, in Linux as here.)
    name: 'close_of_another_file',
    mayFail: [ENOENT],
    async against({ other }) {
      const { fd } = await Dmirror.open(other, 0);
      expectRet(await other.close(fd), 0, 'close');
    },
  },
];

/**
 * A reader of the same device: what it has seen must not outlive the migration. So what the device writes afterwards
 * must reach the page that the CPU reads.
 */
const readerRace: Race = {
  name: 'reader_of_same_device',
  mayFail: [ENOENT],
  async against(ring) {
    expectRet(await byDevice('READ')(ring.ownByOther, ring), 0, 'READ');
  },
  async afterwards({ process, world, buffer }) {
    const words = new Uint32Array(buffer.words);
    for (let page = 0; page < NPAGES; page++) words[(page * PAGE_SIZE) / 4] = storedWord(page);
    await buffer.mirror.writeWords(words);
    expectRet((await buffer.command(world.device, 'WRITE')).ret, 0, 'WRITE');
    await inspect(process, 'ticks');
  },
  words: storedWord,
};

async function runRound(race: Race, ring: Ring): Promise<void> {
  const { buffer, world } = ring;
  await prepare(ring);
  const other = race.against(ring);
  const [{ ret }] = await Promise.all([
    buffer.command(world.device, 'MIGRATE_ON_FAULT_TO_DEV', race.range ?? {}),
    other,
  ]);
  expectOneOf(ret, race.mayFail, 'MIGRATE_ON_FAULT_TO_DEV');
  await expectAtRest(buffer.memory, 'after both');
  await race.afterwards?.(ring);
  const { words = startWord } = race;
  for (let page = 0; page < NPAGES; page++) {
    const word = words(page);
    if (word === undefined) continue;
    expectEqual(await buffer.memory.readWord(page * PAGE_SIZE), word, `word of page ${page} afterwards`);
  }
}

/** Runs a race under `rounds` schedules on one machine and proves the machine's books in the end. */
async function runRace(race: Race, ctx: SelftestContext, rounds: number): Promise<void> {
  const world = await World.boot(ctx);
  const { process } = world;
  const other = await process.newThread();
  const threads = { ownByOther: world.device.as(other), foreignByOther: world.foreign.as(other) };
  for (let round = 0; round < rounds; round++) {
    const seed = ctx.seed + round;
    await inspect(process, 'seed', seed);
    const ring = { world, process, other, buffer: await world.buffer(NPAGES), ...threads };
    try {
      await runRound(race, ring);
    } catch (error) {
      if (error instanceof Error) error.message += ` (round with seed ${seed})`;
      throw error;
    }
  }
  await inspect(process, 'invariants');
  await world.close();
}

/** The races, each under `schedules` of them from the context's seed on; the tests of the repository run 1,000. */
export function raceCases(schedules?: number): SelftestCase[] {
  const races = [...cpuRaces, ...deviceRaces, readerRace];
  return races.map((race) => onFault(`races.${race.name}`, (ctx) => runRace(race, ctx, schedules ?? scale.schedules)));
}
