// SNAPSHOT: what the device learns of the CPU's page table without faulting anything in.

import {
  HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL,
  HMM_DMIRROR_PROT_DEV_COHERENT_REMOTE,
  HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL,
  HMM_DMIRROR_PROT_ERROR,
  HMM_DMIRROR_PROT_NONE,
  HMM_DMIRROR_PROT_PMD,
  HMM_DMIRROR_PROT_PUD,
  HMM_DMIRROR_PROT_READ,
  HMM_DMIRROR_PROT_WRITE,
  HMM_DMIRROR_PROT_ZERO,
} from '../../uapi/hmm-dmirror.js';
import { MAP_PRIVATE, PAGE_SIZE, PROT_NONE, PROT_READ, PROT_WRITE } from '../../uapi/mman.js';
import { HmmBuffer } from './buffer.js';
import { expectEqual, expectProt, expectRet, ramp } from './expect.js';
import { type Hmm2Fixture, type HmmFixture, hmm, hmm2 } from './fixture.js';
import { createHugetlbBuffer } from './hugetlb.js';

async function mixedmap({ process, device }: HmmFixture): Promise<void> {
  const buffer = await HmmBuffer.create(process, { sizeBytes: PAGE_SIZE, flags: MAP_PRIVATE, fd: device.fd });
  const bytes = await buffer.snapshot(device);
  expectProt(bytes[0], HMM_DMIRROR_PROT_READ, 'page of a device mapping');
  await buffer.free();
}

/** Seven pages, each of another kind: no access, gap, zero page, read only, written, on device 0, on device 1. */
async function prepareSnapshotPages({ process, device0, device1 }: Hmm2Fixture, buffer: HmmBuffer): Promise<void> {
  const word = 3;
  expectRet(await process.munmap(buffer.memory.addr + PAGE_SIZE, PAGE_SIZE), 0, 'munmap');
  await buffer.protect(process, PROT_READ, { firstPage: 2, npages: 1 });
  expectEqual(await buffer.memory.readWord(2 * PAGE_SIZE), 0, 'page 2');
  await buffer.protect(process, PROT_READ | PROT_WRITE, { firstPage: 3, npages: 1 });
  await buffer.memory.writeWord(3 * PAGE_SIZE, word);
  await buffer.protect(process, PROT_READ, { firstPage: 3, npages: 1 });
  await buffer.protect(process, PROT_READ | PROT_WRITE, { firstPage: 4, npages: 3 });
  await buffer.memory.writeWord(4 * PAGE_SIZE, word);
  await buffer.commandOk(device0, 'MIGRATE_TO_DEV', { firstPage: 5, npages: 1 });
  await buffer.commandOk(device1, 'MIGRATE_TO_DEV', { firstPage: 6, npages: 1 });
}

async function snapshot(self: Hmm2Fixture): Promise<void> {
  const buffer = await HmmBuffer.create(self.process, { sizeBytes: 7 * PAGE_SIZE, prot: PROT_NONE });
  await prepareSnapshotPages(self, buffer);
  const bytes = await buffer.snapshot(self.device0);
  const onDevices = self.coherent
    ? [
        HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL | HMM_DMIRROR_PROT_WRITE,
        HMM_DMIRROR_PROT_DEV_COHERENT_REMOTE | HMM_DMIRROR_PROT_WRITE,
      ]
    : [HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL | HMM_DMIRROR_PROT_WRITE, HMM_DMIRROR_PROT_NONE];
  const expected = [
    HMM_DMIRROR_PROT_ERROR,
    HMM_DMIRROR_PROT_ERROR,
    HMM_DMIRROR_PROT_ZERO | HMM_DMIRROR_PROT_READ,
    HMM_DMIRROR_PROT_READ,
    HMM_DMIRROR_PROT_WRITE,
    ...onDevices,
  ];
  for (const [page, prot] of expected.entries()) expectProt(bytes[page], prot, `page ${page}`);
  // The gap stays a gap: unmapping over it is no error.
  await buffer.free();
}

/** Every byte has the permission and the one level that the first byte shows. */
function expectHuge(bytes: Uint8Array, permission: number, what: string): void {
  const level = bytes[0] & HMM_DMIRROR_PROT_PUD ? HMM_DMIRROR_PROT_PUD : HMM_DMIRROR_PROT_PMD;
  for (const [page, byte] of bytes.entries()) expectProt(byte, permission | level, `${what}, page ${page}`);
}

async function compound({ process, device }: HmmFixture): Promise<void> {
  const buffer = await createHugetlbBuffer(process);
  await buffer.memory.writeWords(ramp(buffer.words));
  expectHuge(await buffer.snapshot(device), HMM_DMIRROR_PROT_WRITE, 'writable hugetlb page');
  await buffer.protect(process, PROT_READ);
  expectHuge(await buffer.snapshot(device), HMM_DMIRROR_PROT_READ, 'read-only hugetlb page');
  await buffer.free();
}

/** Two devices mirror one buffer; a migration to the one does not keep the other from reading. */
async function doubleMap({ process, device0, device1 }: Hmm2Fixture): Promise<void> {
  const buffer = await HmmBuffer.create(process, { sizeBytes: 6 * PAGE_SIZE });
  const data = ramp(buffer.words);
  await buffer.memory.writeWords(data);
  await buffer.protect(process, PROT_READ);
  await buffer.commandOk(device0, 'READ', { faults: 1 });
  await buffer.expectMirror(data, 'data of device 0');
  await buffer.commandOk(device1, 'READ', { faults: 1 });
  await buffer.expectMirror(data, 'data of device 1');
  await buffer.commandOk(device1, 'MIGRATE_TO_DEV');
  await buffer.commandOk(device0, 'READ', { faults: 1 });
  await buffer.expectMirror(data, 'data of device 0 after the migration');
  await buffer.free();
}

export const snapshotCases = [
  hmm('mixedmap', mixedmap),
  hmm2('snapshot', snapshot),
  hmm('compound', compound),
  hmm2('double_map', doubleMap),
].flat();
