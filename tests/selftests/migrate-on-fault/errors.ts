// An error in the middle of a migration on fault: what comes before it has moved, and nothing else has changed.

import { Dmirror } from '../../../uapi/client/dmirror-device.js';
import { commandNumber, DEFAULT_DIALECT, dialectByName } from '../../../uapi/dialect.js';
import { EFAULT, EINVAL, ENOENT } from '../../../uapi/errno.js';
import { encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import { _IOWR } from '../../../uapi/ioc.js';
import { MAP_PRIVATE, MAP_SHARED, PAGE_SIZE } from '../../../uapi/mman.js';
import type { HmmBuffer } from '../buffer.js';
import type { SelftestContext } from '../case.js';
import { expectEqual, expectRet } from '../expect.js';
import {
  BOTH_IOCTLS,
  expectAtRest,
  fillPages,
  hex,
  inspect,
  inspectMemory,
  onFault,
  pageWord,
  snapshotText,
  World,
} from './world.js';

const NPAGES = 8;

/**
 * A private file mapping whose file ends at page i: the pages before are written and so could migrate, page i can't be
 * faulted in.
 */
async function sigbusAtEachEntry(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  for (let bad = 0; bad < NPAGES; bad++) {
    const buffer = await world.buffer(NPAGES, { fd: await world.file(bad), flags: MAP_PRIVATE });
    if (bad > 0) await fillPages(buffer.memory, 0, bad);
    await buffer.commandFails(world.device, 'MIGRATE_ON_FAULT_TO_DEV', EFAULT);
    await expectAtRest(buffer.memory, `page ${bad}`);
    const moved = bad === 0 ? '' : `PTE 0${bad === 1 ? '' : `-${bad - 1}`} DPRIV-W\n`;
    const rest = bad === NPAGES - 1 ? `PTE ${bad} NONE` : `PTE ${bad}-${NPAGES - 1} NONE`;
    expectEqual(await entriesOf(buffer), moved + rest, `entries after an error at page ${bad}`);
    for (let page = 0; page < bad; page++) {
      expectEqual(await buffer.memory.readWord(page * PAGE_SIZE), pageWord(page), `page ${page}`);
    }
    await buffer.free();
  }
  await inspect(world.process, 'invariants');
  await world.close();
}

/** Whether there is a table for nothing is no difference. */
async function entriesOf({ memory }: HmmBuffer): Promise<string> {
  return (await inspectMemory('page_table', memory)).replaceAll('PUD', 'PTE');
}

/** The user's buffer is looked at last: what has migrated stays on the device. */
async function badPointer(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  for (const ioctl of BOTH_IOCTLS) {
    const buffer = await world.buffer(NPAGES);
    await fillPages(buffer.memory);
    const { ret } = await world.device.command(ioctl, buffer.memory.addr, NPAGES, 0);
    expectRet(ret, -EFAULT, ioctl);
    expectEqual(await snapshotText(world.device, buffer), '22'.repeat(NPAGES), `${ioctl}: snapshot`);
    await expectAtRest(buffer.memory, ioctl);
    await buffer.free();
  }
  await world.close();
}

/** The file belongs to its opener's memory; a child that still has the descriptor finds nothing there any more. */
async function deadAddressSpace(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const buffer = await world.buffer(NPAGES);
  const { child } = await world.process.fork();
  await world.process.exit(0);
  const device = world.device.as(child);
  expectRet((await buffer.command(device, 'MIGRATE_TO_DEV')).ret, -EINVAL, 'MIGRATE_TO_DEV');
  expectRet((await buffer.command(device, 'MIGRATE_ON_FAULT_TO_DEV')).ret, -EFAULT, 'MIGRATE_ON_FAULT_TO_DEV');
  await child.exit(0);
}

/** Memory of a device file is special, and none of it migrates: one way refuses it, the other reports it like all that can't move. */
async function specialVma(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const { addr } = await world.process.map(PAGE_SIZE, { fd: world.device.fd, flags: MAP_SHARED });
  expectRet((await world.device.command('MIGRATE_TO_DEV', addr, 1, 0)).ret, -EINVAL, 'MIGRATE_TO_DEV');
  const { ret } = await world.device.command('MIGRATE_ON_FAULT_TO_DEV', addr, 1, 0);
  expectRet(ret, -ENOENT, 'MIGRATE_ON_FAULT_TO_DEV');
  expectRet(await world.process.munmap(addr, PAGE_SIZE), 0, 'munmap');
  await world.close();
}

/** A number far from the kernel's: it collides with none of them, and what lies next to them stays unknown. */
async function commandNumbers(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const buffer = await world.buffer(NPAGES);
  await fillPages(buffer.memory);
  const dialect = dialectByName(DEFAULT_DIALECT);
  const number = dialect && commandNumber(dialect, 'MIGRATE_ON_FAULT_TO_DEV');
  expectEqual(number, _IOWR('H', 0x40, 40), 'number of MIGRATE_ON_FAULT_TO_DEV');
  const record = encodeHmmDmirrorCmd({ addr: buffer.memory.addr, ptr: buffer.mirror.addr, npages: NPAGES });
  for (const unknown of [9, 10, 0x3f, 0x41]) {
    const { ret } = await world.process.ioctlBytes(world.device.fd, _IOWR('H', unknown, 40), record);
    expectRet(ret, -EINVAL, `number ${unknown}`);
  }
  expectRet((await world.process.ioctlBytes(world.device.fd, number ?? 0, record)).ret, 0, 'number 0x40');
  const { data } = await new Dmirror(world.process, world.device.fd).snapshot(buffer.memory.addr, NPAGES);
  expectEqual(hex(data), '22'.repeat(NPAGES), 'snapshot');
  await world.close();
}

export const errorCases = [
  onFault('errors.sigbus_at_each_entry', sigbusAtEachEntry),
  onFault('errors.bad_pointer', badPointer),
  onFault('errors.dead_address_space', deadAddressSpace),
  onFault('errors.special_vma', specialVma),
  onFault('errors.command_numbers', commandNumbers),
];
