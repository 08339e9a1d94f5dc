// One row of "how MIGRATE_ON_FAULT_TO_DEV differs from MIGRATE_TO_DEV": a kind of page, and what each ioctl makes of it.

import type { MmapOptions } from '../../../uapi/client/process-handle.js';
import { PAGE_SIZE } from '../../../uapi/mman.js';
import type { HmmBuffer } from '../buffer.js';
import type { SelftestCase, SelftestContext } from '../case.js';
import { expectEqual, expectRet } from '../expect.js';
import {
  BOTH_IOCTLS,
  expectAtRest,
  fillPages,
  firstWords,
  type Ioctl,
  inspect,
  inspectMemory,
  onFault,
  pageWord,
  snapshotText,
  stats,
  World,
} from './world.js';

/** What an ioctl leaves behind. */
export interface Outcome {
  /** 0 or a negative errno. On 0 every page counts in cpages. */
  ret: number;
  /** SNAPSHOT of the whole buffer by the device that was asked. */
  snapshot: string;
  /** Page table entries of the whole buffer. */
  table: string;
  /** Every entry and page is as before, in all its bits and counts. */
  unchanged?: boolean;
  /** Calls of handle_mm_fault that the ioctl made for the device. */
  faults?: number;
}

export interface Row {
  name: string;
  npages?: number;
  map?: MmapOptions;
  coherent?: boolean;
  /** Pages that the ioctl is about; all unless given. */
  range?: { firstPage: number; npages: number };
  /** Brings the buffer into the state that the row is about. What it answers undoes the rest of it afterwards. */
  prepare(world: World, buffer: HmmBuffer): Promise<(() => Promise<void>) | undefined>;
  /** What must hold besides, after the ioctl and before the undoing. */
  after?(world: World, buffer: HmmBuffer, ioctl: Ioctl): Promise<void>;
  /** First words of all pages for the CPU afterwards; undefined: they can't be read. */
  words: number[] | undefined;
  toDev: Outcome;
  onFault: Outcome;
}

export const NPAGES = 4;
export const ZEROES = Array<number>(NPAGES).fill(0);
export const FILLED = [...Array(NPAGES).keys()].map(pageWord);

export function times(npages: number, byte: string): string {
  return byte.repeat(npages);
}

async function runRow(row: Row, ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx, { coherent: row.coherent ?? false });
  for (const ioctl of BOTH_IOCTLS) await runIoctl(world, row, ioctl);
  await world.close();
}

export async function runIoctl(world: World, row: Row, ioctl: Ioctl): Promise<void> {
  const { npages = NPAGES, map = {}, words } = row;
  const outcome = ioctl === 'MIGRATE_TO_DEV' ? row.toDev : row.onFault;
  const buffer = await world.buffer(npages, map);
  const undo = await row.prepare(world, buffer);
  const before = await inspectMemory('pages', buffer.memory);
  await inspect(world.process, 'reset_stats');
  const { ret, cpages, faults } = await buffer.command(world.device, ioctl, row.range ?? {});
  const { remoteFaults } = await stats(world.process);
  expectRet(ret, outcome.ret, ioctl);
  expectEqual(cpages, ret === 0 ? (row.range?.npages ?? npages) : 0, `${ioctl}: cpages`);
  expectEqual(faults, 0, `${ioctl}: faults`);
  expectEqual(await inspectMemory('page_table', buffer.memory), outcome.table, `${ioctl}: entries`);
  if (outcome.unchanged) expectEqual(await inspectMemory('pages', buffer.memory), before, `${ioctl}: pages`);
  if (outcome.faults !== undefined) expectEqual(remoteFaults, outcome.faults, `${ioctl}: faults of the device`);
  if (ret === 0 && words) await expectDeviceData(buffer, words, { ioctl, ...row.range });
  expectEqual(await snapshotText(world.device, buffer), outcome.snapshot, `${ioctl}: snapshot`);
  await row.after?.(world, buffer, ioctl);
  await undo?.();
  await expectAtRest(buffer.memory, ioctl);
  if (words) expectEqual((await firstWords(buffer.memory)).join(' '), words.join(' '), `${ioctl}: words for the CPU`);
  await buffer.free();
  await inspect(world.process, 'invariants');
}

async function expectDeviceData(
  buffer: HmmBuffer,
  words: number[],
  { ioctl, firstPage = 0, npages = words.length }: { ioctl: Ioctl; firstPage?: number; npages?: number },
): Promise<void> {
  const data = await firstWords(buffer.mirror.slice(0, npages * PAGE_SIZE));
  const expected = words.slice(firstPage, firstPage + npages);
  expectEqual(data.join(' '), expected.join(' '), `${ioctl}: words for the device`);
}

export const ON_DEVICE: Outcome = { ret: 0, snapshot: times(NPAGES, '22'), table: 'PTE 0-3 DPRIV-W' };
export const READ_ONLY_ON_DEVICE: Outcome = { ret: 0, snapshot: times(NPAGES, '21'), table: 'PTE 0-3 DPRIV-R' };
export const IN_RAM = { snapshot: times(NPAGES, '02'), table: 'PTE 0-3 PRESENT W', unchanged: true };

/** Fills the buffer and does what it is told. */
export function filled(more?: Row['prepare']): Row['prepare'] {
  return async (world, buffer) => {
    await fillPages(buffer.memory);
    return more?.(world, buffer);
  };
}

export const nothing: Row['prepare'] = async () => undefined;

/** The case of a row: both ioctls, one after the other on one machine. */
export function rowCase(row: Row): SelftestCase {
  return onFault(`rows.${row.name}`, (ctx) => runRow(row, ctx));
}
