// Migration to the device and back.

import type { ProcessHandle } from '../../uapi/client/process-handle.js';
import { EINVAL, ENOENT } from '../../uapi/errno.js';
import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../uapi/mman.js';
import { type BufferOptions, HmmBuffer } from './buffer.js';
import { expectEqual, expectRet, ramp } from './expect.js';
import { createFile } from './file.js';
import { type Hmm2Fixture, type HmmFixture, hmm, hmm2 } from './fixture.js';
import { scale } from './scale.js';

async function filledBuffer(process: ProcessHandle, options: BufferOptions = {}): Promise<HmmBuffer> {
  const buffer = await HmmBuffer.create(process, options);
  await buffer.memory.writeWords(ramp(buffer.words));
  return buffer;
}

async function migrateAll({ device }: HmmFixture, buffer: HmmBuffer): Promise<void> {
  await buffer.commandOk(device, 'MIGRATE_TO_DEV');
  await buffer.expectMirror(ramp(buffer.words));
}

async function migrate(self: HmmFixture): Promise<void> {
  const buffer = await filledBuffer(self.process);
  await migrateAll(self, buffer);
  await buffer.free();
}

async function migrateFilePrivate(self: HmmFixture): Promise<void> {
  const fd = await createFile(self.process);
  const buffer = await filledBuffer(self.process, { flags: MAP_PRIVATE, fd });
  await migrateAll(self, buffer);
  await buffer.free();
}

/** The second migration meets a mix: the first half is back in system memory, the rest still on the device. */
async function migrateFault(self: HmmFixture): Promise<void> {
  const buffer = await filledBuffer(self.process);
  await migrateAll(self, buffer);
  await buffer.expectMemory(ramp(buffer.words / 2), 'first half');
  await migrateAll(self, buffer);
  await buffer.free();
}

async function migrateRelease(self: HmmFixture): Promise<void> {
  const buffer = await filledBuffer(self.process);
  await migrateAll(self, buffer);
  expectRet((await buffer.command(self.device, 'RELEASE')).ret, 0, 'RELEASE');
  await buffer.expectMemory(ramp(buffer.words));
  await buffer.free();
}

async function migrateShared({ process, device }: HmmFixture): Promise<void> {
  const buffer = await HmmBuffer.create(process, { flags: MAP_SHARED | MAP_ANONYMOUS });
  await buffer.commandFails(device, 'MIGRATE_TO_DEV', ENOENT);
  await buffer.free();
}

/** Pages 2 (zero page), 3 (read only), 4 and 5 (written) of a reserved range with a gap at page 1. */
async function prepareMixedPages(process: ProcessHandle, buffer: HmmBuffer): Promise<void> {
  const word = 3;
  await buffer.protect(process, PROT_READ, { firstPage: 2, npages: 1 });
  expectEqual(await buffer.memory.readWord(2 * PAGE_SIZE), 0, 'page 2');
  await buffer.protect(process, PROT_READ | PROT_WRITE, { firstPage: 3, npages: 1 });
  await buffer.memory.writeWord(3 * PAGE_SIZE, word);
  await buffer.protect(process, PROT_READ, { firstPage: 3, npages: 1 });
  await buffer.protect(process, PROT_READ | PROT_WRITE, { firstPage: 4, npages: 2 });
  await buffer.memory.writeWord(4 * PAGE_SIZE, word);
  await buffer.memory.writeWord(5 * PAGE_SIZE, word);
}

async function migrateMixed({ process, device0, device1 }: Hmm2Fixture): Promise<void> {
  const buffer = await HmmBuffer.create(process, { sizeBytes: 6 * PAGE_SIZE, prot: PROT_NONE });
  await buffer.commandFails(device1, 'MIGRATE_TO_DEV', EINVAL);
  expectRet(await process.munmap(buffer.memory.addr + PAGE_SIZE, PAGE_SIZE), 0, 'munmap');
  await buffer.commandFails(device1, 'MIGRATE_TO_DEV', EINVAL, { npages: 3 });
  await prepareMixedPages(process, buffer);
  await buffer.commandOk(device1, 'MIGRATE_TO_DEV', { firstPage: 2, npages: 4 });
  // Page 5 is on device 1 already, and device 0 does not take it from there.
  await buffer.commandFails(device0, 'MIGRATE_TO_DEV', ENOENT, { firstPage: 5, npages: 1 });
  await buffer.free();
}

/** The CPU's access brings private pages back; it can read coherent ones where they are, so these are asked back. */
async function migrateMultiple(self: HmmFixture): Promise<void> {
  for (let round = 0; round < scale.rounds; round++) {
    const buffer = await filledBuffer(self.process);
    await migrateAll(self, buffer);
    if (self.coherent) await buffer.commandOk(self.device, 'MIGRATE_TO_SYS');
    await buffer.expectMemory(ramp(buffer.words));
    await buffer.free();
  }
}

async function migrateOnFault({ process, device }: HmmFixture): Promise<void> {
  const buffer = await filledBuffer(process);
  await buffer.commandOk(device, 'MIGRATE_ON_FAULT_TO_DEV');
  await buffer.expectMirror(ramp(buffer.words));
  await buffer.free();
}

export const migrateCases = [
  hmm('migrate', migrate),
  hmm('migrate_file_private', migrateFilePrivate),
  hmm('migrate_fault', migrateFault),
  hmm('migrate_release', migrateRelease),
  hmm('migrate_shared', migrateShared),
  hmm2('migrate_mixed', migrateMixed),
  hmm('migrate_multiple', migrateMultiple),
].flat();

export const migrateOnFaultCases = hmm('migrate_on_fault', migrateOnFault);
