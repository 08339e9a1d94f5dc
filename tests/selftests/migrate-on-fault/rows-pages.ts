// Rows about what a page is: fresh or swapped out, on a device, shared with a child, or in somebody's hands.

import { GupTestFile } from '../../../uapi/client/gup-test-file.js';
import { ENOENT } from '../../../uapi/errno.js';
import { PIN_LONGTERM_TEST_FLAG_USE_WRITE } from '../../../uapi/gup-test.js';
import { MADV_FREE, MADV_PAGEOUT, PROT_READ } from '../../../uapi/mman.js';
import type { SelftestContext } from '../case.js';
import { expectEqual, expectRet } from '../expect.js';
import {
  FILLED,
  filled,
  IN_RAM,
  NPAGES,
  nothing,
  ON_DEVICE,
  READ_ONLY_ON_DEVICE,
  type Row,
  rowCase,
  times,
  ZEROES,
} from './row.js';
import {
  expectAtRest,
  fillPages,
  firstWords,
  hold,
  inspect,
  inspectMemory,
  onFault,
  snapshotText,
  World,
} from './world.js';

const fresh: readonly Row[] = [
  {
    name: 'none',
    prepare: nothing,
    words: ZEROES,
    toDev: { ...ON_DEVICE, faults: 0 },
    onFault: { ...ON_DEVICE, faults: NPAGES },
  },
  {
    name: 'none_read_only',
    map: { prot: PROT_READ },
    prepare: nothing,
    words: ZEROES,
    toDev: READ_ONLY_ON_DEVICE,
    onFault: READ_ONLY_ON_DEVICE,
  },
  {
    name: 'zero_page',
    async prepare(_world, buffer) {
      await firstWords(buffer.memory);
      expectEqual(await inspectMemory('page_table', buffer.memory), 'PTE 0-3 ZERO', 'before');
      return undefined;
    },
    words: ZEROES,
    toDev: { ...ON_DEVICE, faults: 0 },
    onFault: { ...ON_DEVICE, faults: 0 },
  },
  {
    name: 'present',
    prepare: filled(),
    words: FILLED,
    toDev: { ...ON_DEVICE, faults: 0 },
    onFault: { ...ON_DEVICE, faults: 0 },
  },
  {
    name: 'swap',
    prepare: filled(async ({ process }, { memory }) => {
      expectRet(await process.madvise(memory.addr, memory.sizeBytes, MADV_PAGEOUT), 0, 'PAGEOUT');
      expectEqual(await inspectMemory('page_table', memory), 'PTE 0-3 SWAP', 'before');
      return undefined;
    }),
    words: FILLED,
    toDev: { ret: -ENOENT, snapshot: times(NPAGES, '00'), table: 'PTE 0-3 SWAP', unchanged: true, faults: 0 },
    onFault: { ...ON_DEVICE, faults: NPAGES },
  },
];

const onDevices: readonly Row[] = [
  {
    name: 'foreign_private',
    prepare: filled(async ({ foreign }, buffer) => {
      await buffer.commandOk(foreign, 'MIGRATE_TO_DEV');
      return undefined;
    }),
    async after({ foreign }, buffer, ioctl) {
      const byte = ioctl === 'MIGRATE_TO_DEV' ? '22' : '00';
      expectEqual(await snapshotText(foreign, buffer), times(NPAGES, byte), `${ioctl}: snapshot by the other device`);
    },
    words: FILLED,
    toDev: { ret: -ENOENT, snapshot: times(NPAGES, '00'), table: 'PTE 0-3 DPRIV-W', unchanged: true },
    onFault: ON_DEVICE,
  },
  {
    name: 'own_private',
    prepare: filled(async ({ device }, buffer) => {
      await buffer.commandOk(device, 'MIGRATE_TO_DEV');
      return undefined;
    }),
    words: FILLED,
    toDev: { ...ON_DEVICE, unchanged: true, faults: 0 },
    onFault: { ...ON_DEVICE, unchanged: true, faults: 0 },
  },
  {
    // MADV_FREE leaves the pages alone but makes the mirror forget them.
    name: 'own_private_not_mirrored',
    prepare: filled(async ({ process, device }, buffer) => {
      await buffer.commandOk(device, 'MIGRATE_TO_DEV');
      expectRet(await process.madvise(buffer.memory.addr, buffer.memory.sizeBytes, MADV_FREE), 0, 'FREE');
      return undefined;
    }),
    words: FILLED,
    toDev: { ...ON_DEVICE, ret: -ENOENT, unchanged: true, faults: 0 },
    onFault: { ...ON_DEVICE, ret: -ENOENT, unchanged: true, faults: 0 },
  },
  {
    name: 'exclusive_of_other',
    prepare: filled(async ({ foreign }, buffer) => {
      await buffer.commandOk(foreign, 'EXCLUSIVE');
      return undefined;
    }),
    // Even a migration that takes nothing says over the whole range that it begins, and the other device forgets what it had.
    async after({ foreign }, { memory }, ioctl) {
      const { ret } = await foreign.checkExclusive(memory.addr, NPAGES);
      expectRet(ret, 0, `${ioctl}: CHECK_EXCLUSIVE by the other device`);
    },
    words: FILLED,
    toDev: { ret: -ENOENT, snapshot: times(NPAGES, '00'), table: 'PTE 0-3 DEXCL-W', unchanged: true },
    onFault: ON_DEVICE,
  },
  {
    name: 'coherent_none',
    coherent: true,
    prepare: nothing,
    words: ZEROES,
    toDev: { ret: 0, snapshot: times(NPAGES, '42'), table: 'PTE 0-3 PRESENT W' },
    onFault: { ret: 0, snapshot: times(NPAGES, '42'), table: 'PTE 0-3 PRESENT W' },
  },
  {
    // A coherent page is reported as what it is, and nobody selects it for this way.
    name: 'coherent_foreign',
    coherent: true,
    prepare: filled(async ({ foreign }, buffer) => {
      await buffer.commandOk(foreign, 'MIGRATE_TO_DEV');
      return undefined;
    }),
    words: FILLED,
    toDev: { ret: -ENOENT, snapshot: times(NPAGES, '52'), table: 'PTE 0-3 PRESENT W', unchanged: true },
    onFault: { ret: -ENOENT, snapshot: times(NPAGES, '52'), table: 'PTE 0-3 PRESENT W', unchanged: true },
  },
  {
    name: 'coherent_own',
    coherent: true,
    prepare: filled(async ({ device }, buffer) => {
      await buffer.commandOk(device, 'MIGRATE_ON_FAULT_TO_DEV');
      return undefined;
    }),
    words: FILLED,
    toDev: { ret: 0, snapshot: times(NPAGES, '42'), table: 'PTE 0-3 PRESENT W', unchanged: true },
    onFault: { ret: 0, snapshot: times(NPAGES, '42'), table: 'PTE 0-3 PRESENT W', unchanged: true },
  },
];

const held: readonly Row[] = [
  {
    name: 'pinned',
    prepare: filled(async ({ process }, { memory }) => {
      const gup = await GupTestFile.open(process);
      const pinned = await gup.pinStart(memory.addr, memory.sizeBytes, PIN_LONGTERM_TEST_FLAG_USE_WRITE);
      expectRet(pinned, 0, 'pin');
      return async () => expectRet(await gup.close(), 0, 'close of gup_test');
    }),
    words: FILLED,
    toDev: { ...IN_RAM, ret: -ENOENT },
    onFault: { ...IN_RAM, ret: -ENOENT },
  },
  {
    name: 'locked',
    prepare: filled(async ({ process }, { memory }) => {
      const holder = await hold(process, 'lock', memory);
      return () => holder.letGo();
    }),
    words: FILLED,
    toDev: { ...IN_RAM, ret: -ENOENT },
    onFault: { ...IN_RAM, ret: -ENOENT },
  },
  {
    // Collected, but given back when the references are counted.
    name: 'referenced',
    prepare: filled(async ({ process }, { memory }) => {
      const holder = await hold(process, 'reference', memory);
      return () => holder.letGo();
    }),
    words: FILLED,
    toDev: { ...IN_RAM, ret: -ENOENT },
    onFault: { ...IN_RAM, ret: -ENOENT },
  },
];

const cowRow: Row = {
  // Neither ioctl asks for write, so copy on write is not broken: one device page for both processes.
  name: 'shared_after_fork',
  prepare: filled(async ({ process }) => {
    const { ret, child } = await process.fork();
    expectEqual(ret > 0, true, `fork answered ${ret}, a pid`);
    return async () => {
      await child.exit(0);
      expectRet((await process.wait(ret)).ret, ret, 'wait');
    };
  }),
  async after(world, { memory }, ioctl) {
    const { ret, child } = await world.process.fork();
    const table = await inspect(child, 'page_table', memory.addr, memory.sizeBytes);
    expectEqual(table, 'PTE 0-3 DPRIV-R', `${ioctl}: entries of a child`);
    await child.exit(0);
    expectRet((await world.process.wait(ret)).ret, ret, 'wait');
  },
  words: FILLED,
  toDev: READ_ONLY_ON_DEVICE,
  onFault: READ_ONLY_ON_DEVICE,
};

/** On fault waits for another's migration; without, the pages are passed over. */
async function migratingElsewhere(ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  const { process, device } = world;
  const buffer = await world.buffer(NPAGES);
  await fillPages(buffer.memory);
  // The holder keeps the mmap_lock, so nobody may need a new mapping until it lets go.
  const waiting = device.as(await process.newThread());
  await buffer.snapshot(waiting);
  const holder = await hold(process, 'migration', buffer.memory);
  await buffer.commandFails(device, 'MIGRATE_TO_DEV', ENOENT);
  expectEqual(await inspectMemory('page_table', buffer.memory), 'PTE 0-3 MIG-W', 'entries, in the other migration');
  let isDone = false;
  const command = buffer.commandOk(waiting, 'MIGRATE_ON_FAULT_TO_DEV').finally(() => {
    isDone = true;
  });
  await inspect(process, 'ticks');
  await inspect(process, 'ticks');
  expectEqual(isDone, false, 'MIGRATE_ON_FAULT_TO_DEV came back during the other migration');
  await holder.letGo();
  await command;
  expectEqual(await snapshotText(device, buffer), times(NPAGES, '22'), 'snapshot');
  await expectAtRest(buffer.memory, 'afterwards');
  expectEqual((await firstWords(buffer.memory)).join(' '), FILLED.join(' '), 'words for the CPU');
  await world.close();
}

export const pageRowCases = [
  ...[...fresh, ...onDevices, ...held, cowRow].map(rowCase),
  onFault('rows.migrating_elsewhere', migratingElsewhere),
];
