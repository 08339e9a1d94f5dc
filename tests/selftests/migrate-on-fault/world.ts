// What the cases of this suite share: one process with two devices of one kind, small buffers, and a look inside the machine.

import { Dmirror } from '../../../uapi/client/dmirror-device.js';
import type { MappedMemory } from '../../../uapi/client/mapped-memory.js';
import { type MmapOptions, ProcessHandle, type ThreadHandle } from '../../../uapi/client/process-handle.js';
import type { Transport } from '../../../uapi/client/transport.js';
import { O_CREAT, O_RDWR, O_TRUNC } from '../../../uapi/fcntl.js';
import { MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE } from '../../../uapi/mman.js';
import { HmmBuffer } from '../buffer.js';
import type { SelftestCase, SelftestContext } from '../case.js';
import { expectEqual, expectRet } from '../expect.js';

/** Small enough that a machine boots at once; swap, because swapped pages are what migrate on fault is for. */
const BOOT_OPTIONS = { ramBytes: 32 << 20, swapBytes: 4 << 20, hugePages: 1, coherent: true, scheduler: 'random' };

/** Where buffers are: 2 MiB aligned, far from each other, so that no vma merges with another. */
const BUFFER_ADDR = 0x1000000000;
const MIRROR_ADDR = 0x2000000000;

export const PAGES_PER_HUGE = 512;

export type Ioctl = 'MIGRATE_TO_DEV' | 'MIGRATE_ON_FAULT_TO_DEV';
export const BOTH_IOCTLS: readonly Ioctl[] = ['MIGRATE_TO_DEV', 'MIGRATE_ON_FAULT_TO_DEV'];

/** The counters of `inspect stats` that cases look at. */
export interface Stats {
  walks: number;
  resumptions: number;
  pteEntries: number;
  remoteFaults: number;
  cpuFaults: number;
  tryToMigrate: number;
  removeMigrationPtes: number;
}

export class World {
  private constructor(
    readonly transport: Transport,
    readonly process: ProcessHandle,
    readonly device: Dmirror,
    /** The other device of the same kind. */
    readonly foreign: Dmirror,
  ) {}

  static async boot(ctx: SelftestContext, { coherent = false }: { coherent?: boolean } = {}): Promise<World> {
    const transport = await ctx.boot(BOOT_OPTIONS);
    const process = await ProcessHandle.create(transport);
    const [first, second] = coherent ? [2, 3] : [0, 1];
    const device = await Dmirror.open(process, first);
    // The first ioctl of a thread may need a new mapping, and no later one does: none is possible during a hold.
    await device.checkExclusive(BUFFER_ADDR, 1);
    return new World(transport, process, device, await Dmirror.open(process, second));
  }

  /** A buffer at a fixed place, and touched memory for what commands store at `ptr`; both may have huge pages with `isHuge`. */
  async buffer(npages: number, map: MmapOptions = {}, { isHuge = false } = {}): Promise<HmmBuffer> {
    const sizeBytes = npages * PAGE_SIZE;
    const flags = (map.flags ?? MAP_PRIVATE | MAP_ANONYMOUS) | MAP_FIXED;
    const memory = await this.process.map(sizeBytes, { ...map, addr: BUFFER_ADDR, flags });
    const sharing = isHuge ? MAP_PRIVATE : MAP_SHARED;
    const mirror = await this.process.map(sizeBytes, { addr: MIRROR_ADDR, flags: sharing | MAP_ANONYMOUS | MAP_FIXED });
    for (const { addr } of isHuge ? [memory, mirror] : [])
      expectRet(await this.process.madvise(addr, sizeBytes, MADV_HUGEPAGE), 0, 'HUGEPAGE');
    await mirror.writeBytes(zeroBytes(sizeBytes));
    return new HmmBuffer(memory, mirror);
  }

  /** A file of `npages` pages, page i filled with `fileWord(i)`. */
  async file(npages: number): Promise<number> {
    const fd = await this.process.open('/tmp/data', O_RDWR | O_CREAT | O_TRUNC, 0o600);
    for (let page = 0; page < npages; page++) {
      const words = new Uint32Array(PAGE_SIZE / 4).fill(fileWord(page));
      await this.process.call('pwrite', fd, new Uint8Array(words.buffer), page * PAGE_SIZE);
    }
    return fd;
  }

  async close(): Promise<void> {
    expectRet(await this.device.close(), 0, 'close');
    expectRet(await this.foreign.close(), 0, 'close');
  }
}

export function fileWord(page: number): number {
  return 0xf1000000 + page;
}

/** Text that the machine tells about itself. */
export async function inspect(thread: ThreadHandle, what: string, ...numbers: number[]): Promise<string> {
  const { ret, bytes } = await thread.call('inspect', what, ...numbers);
  expectEqual(ret >= 0, true, `inspect ${what} answered ${ret}, a length`);
  return new TextDecoder().decode(bytes);
}

export function inspectMemory(what: 'page_table' | 'pages' | 'touched', memory: MappedMemory): Promise<string> {
  return inspect(memory.owner as ThreadHandle, what, memory.addr, memory.sizeBytes);
}

export async function stats(thread: ThreadHandle): Promise<Stats> {
  return JSON.parse(await inspect(thread, 'stats')) as Stats;
}

/** Nobody is in the kernel: no lock is held, no entry of the buffer is on its way. */
export async function expectAtRest(memory: MappedMemory, what: string): Promise<void> {
  expectEqual(await inspect(memory.owner as ThreadHandle, 'locks'), '', `${what}: locks held`);
  await inspectMemory('touched', memory);
}

/** The first word of page i as `fillPages` wrote it. */
export function pageWord(page: number): number {
  return 100 + page;
}

export async function fillPages(memory: MappedMemory, first = 0, end = memory.sizeBytes / PAGE_SIZE): Promise<void> {
  if (filling.length < end * PAGE_WORDS) {
    filling = new Uint32Array(end * PAGE_WORDS);
    for (let page = 0; page < end; page++) filling[page * PAGE_WORDS] = pageWord(page);
  }
  await memory.writeWords(filling.subarray(first * PAGE_WORDS, end * PAGE_WORDS), first * PAGE_SIZE);
}

const PAGE_WORDS = PAGE_SIZE / 4;

// What cases store over and over, made once: a fault sweep stores it thousands of times. Nobody writes to them.
let filling = new Uint32Array(0);
let zeroes = new Uint8Array(0);

function zeroBytes(sizeBytes: number): Uint8Array {
  if (zeroes.length < sizeBytes) zeroes = new Uint8Array(sizeBytes);
  return zeroes.subarray(0, sizeBytes);
}

/** The first word of every page, as one load of the range sees them. */
export async function firstWords(memory: MappedMemory): Promise<number[]> {
  const words = await memory.readWords();
  const first: number[] = [];
  for (let i = 0; i < words.length; i += PAGE_SIZE / 4) first.push(words[i]);
  return first;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** SNAPSHOT of the buffer as hexadecimal bytes. What a command stored at the start of the mirror is lost. */
export async function snapshotText(device: Dmirror, buffer: HmmBuffer): Promise<string> {
  return hex(await buffer.snapshot(device));
}

const HOLD_ATTEMPTS = 100;

/** A thread that stands in the way of others, as lock, reference or migration of the pages, until it is told to let go. */
export interface Holder {
  letGo(): Promise<void>;
}

export async function hold(
  process: ProcessHandle,
  how: 'lock' | 'reference' | 'migration',
  memory: MappedMemory,
): Promise<Holder> {
  const thread = await process.newThread();
  const held = thread.call('hold', how, memory.addr, memory.sizeBytes);
  // Every way of holding keeps the mmap_lock.
  for (let i = 0; i < HOLD_ATTEMPTS && (await inspect(process, 'locks')) === ''; i++);
  return {
    async letGo() {
      expectRet((await process.call('letGo', thread.tid)).ret, 0, 'letGo');
      expectRet((await held).ret, 0, `hold ${how}`);
    },
  };
}

/** A case of this suite on machines of its own. */
export function onFault(name: string, run: (ctx: SelftestContext) => Promise<void>): SelftestCase {
  return { name: `migrate_on_fault.${name}`, suite: 'migrate_on_fault', run };
}
