// READ and WRITE of anonymous memory.

import { Dmirror } from '../../uapi/client/dmirror-device.js';
import type { ProcessHandle } from '../../uapi/client/process-handle.js';
import { EFAULT, EPERM } from '../../uapi/errno.js';
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../uapi/mman.js';
import { WIFEXITED } from '../../uapi/signal.js';
import { HmmBuffer, TWO_MEG } from './buffer.js';
import { expectEqual, expectRet, negativeRamp, ramp } from './expect.js';
import { type HmmFixture, hmm } from './fixture.js';
import { createHugetlbBuffer } from './hugetlb.js';
import { scale } from './scale.js';

// Page 0 stays without an entry and page 1 becomes the zero page, so that READ meets every kind of readable anonymous page.
async function anonRead({ process, device }: HmmFixture): Promise<void> {
  const buffer = await HmmBuffer.create(process);
  const data = ramp(buffer.words).slice();
  const untouchedWords = (2 * PAGE_SIZE) / 4;
  await buffer.memory.writeWords(data.subarray(untouchedWords), 2 * PAGE_SIZE);
  await buffer.protect(process, PROT_READ);
  expectEqual(await buffer.memory.readWord(PAGE_SIZE), 0, 'untouched page');
  await buffer.commandOk(device, 'READ', { faults: 1 });
  data.fill(0, 0, untouchedWords);
  await buffer.expectMirror(data);
  await buffer.free();
}

async function anonReadProt({ process, device }: HmmFixture): Promise<void> {
  const buffer = await HmmBuffer.create(process);
  await buffer.memory.writeWords(ramp(buffer.words));
  await buffer.mirror.writeWords(negativeRamp(buffer.words));
  await buffer.protect(process, PROT_NONE);
  await buffer.commandFails(device, 'READ', EFAULT);
  await buffer.protect(process, PROT_READ);
  await buffer.expectMemory(ramp(buffer.words));
  await buffer.expectMirror(negativeRamp(buffer.words), 'mirror buffer, not to be touched');
  await buffer.free();
}

async function anonWrite({ process, device }: HmmFixture): Promise<void> {
  const buffer = await HmmBuffer.create(process);
  await buffer.mirror.writeWords(ramp(buffer.words));
  await buffer.commandOk(device, 'WRITE', { faults: 1 });
  await buffer.expectMemory(ramp(buffer.words));
  await buffer.free();
}

async function anonWriteProt({ process, device }: HmmFixture): Promise<void> {
  const buffer = await HmmBuffer.create(process, { prot: PROT_READ });
  await buffer.commandOk(device, 'READ', { npages: 1, faults: 1 });
  await buffer.mirror.writeWords(ramp(buffer.words));
  await buffer.commandFails(device, 'WRITE', EPERM);
  await buffer.expectMemory(new Uint32Array(buffer.words), 'read-only memory');
  await buffer.protect(process, PROT_READ | PROT_WRITE);
  await buffer.commandOk(device, 'WRITE', { faults: 1 });
  await buffer.expectMemory(ramp(buffer.words));
  await buffer.free();
}

/** The child's half: it needs an open file of its own, as the inherited one acts on the parent's memory. */
async function writeInChild(child: ProcessHandle, inherited: HmmBuffer): Promise<void> {
  const buffer = inherited.as(child);
  await buffer.expectMemory(ramp(buffer.words), "parent's data in the child");
  await buffer.expectMirror(negativeRamp(buffer.words), "parent's mirror buffer in the child");
  const device = await Dmirror.open(child, 0);
  await buffer.commandOk(device, 'WRITE', { faults: 1 });
  await buffer.expectMemory(negativeRamp(buffer.words), 'child after WRITE');
  await device.close();
  await child.exit(0);
}

async function writeChild(process: ProcessHandle, buffer: HmmBuffer): Promise<void> {
  await buffer.memory.writeWords(ramp(buffer.words));
  await buffer.mirror.writeWords(negativeRamp(buffer.words));
  const { ret, child } = await process.fork();
  expectEqual(ret > 0, true, `fork answered ${ret}, a pid`);
  await writeInChild(child, buffer);
  const waited = await process.wait(ret);
  expectRet(waited.ret, ret, 'wait');
  expectEqual(WIFEXITED(waited.status), true, 'child exited');
}

async function anonWriteChild({ process }: HmmFixture): Promise<void> {
  const buffer = await HmmBuffer.create(process);
  await writeChild(process, buffer);
  await buffer.expectMemory(ramp(buffer.words), "parent's memory, not to be changed");
  await buffer.free();
}

async function anonWriteChildShared({ process }: HmmFixture): Promise<void> {
  const buffer = await HmmBuffer.create(process, { flags: MAP_SHARED | MAP_ANONYMOUS });
  await writeChild(process, buffer);
  await buffer.expectMemory(negativeRamp(buffer.words), "parent's shared memory");
  await buffer.free();
}

async function anonWriteHuge({ process, device }: HmmFixture): Promise<void> {
  // Twice the size, so that an aligned 2 MiB lies inside wherever the mapping lands.
  const whole = await HmmBuffer.create(process, { sizeBytes: 2 * TWO_MEG });
  const aligned = Math.ceil(whole.memory.addr / TWO_MEG) * TWO_MEG;
  expectRet(await process.madvise(aligned, TWO_MEG, MADV_HUGEPAGE), 0, 'madvise');
  const buffer = new HmmBuffer(whole.memory.slice(aligned - whole.memory.addr, TWO_MEG), whole.mirror);
  await buffer.mirror.writeWords(ramp(buffer.words));
  await buffer.commandOk(device, 'WRITE', { faults: 1 });
  await buffer.expectMemory(ramp(buffer.words));
  await whole.free();
}

async function anonWriteHugetlbfs({ process, device }: HmmFixture): Promise<void> {
  const buffer = await createHugetlbBuffer(process);
  await buffer.mirror.writeWords(ramp(buffer.words));
  await buffer.commandOk(device, 'WRITE', { faults: 1 });
  await buffer.expectMemory(ramp(buffer.words));
  await buffer.free();
}

async function anonReadMultiple({ process, device }: HmmFixture): Promise<void> {
  for (let round = 0; round < scale.rounds; round++) {
    const buffer = await HmmBuffer.create(process);
    await buffer.memory.writeWords(ramp(buffer.words, round));
    await buffer.commandOk(device, 'READ', { faults: 1 });
    await buffer.expectMirror(ramp(buffer.words, round));
    await buffer.free();
  }
}

/** READ of a buffer whose second half another thread unmaps meanwhile: either one comes first, or the range is torn and READ fails. */
async function anonTeardown({ process, device }: HmmFixture): Promise<void> {
  const other = await process.newThread();
  for (let round = 0; round < scale.rounds; round++) {
    const buffer = await HmmBuffer.create(process);
    const half = buffer.memory.sizeBytes / 2;
    await buffer.memory.writeWords(ramp(buffer.words, round));
    // Both calls are issued before either is awaited, so they race under the machine's scheduler.
    const reading = buffer.command(device, 'READ');
    const unmapping = other.munmap(buffer.memory.addr + half, half);
    const [result, unmapped] = await Promise.all([reading, unmapping]);
    expectRet(unmapped, 0, 'munmap');
    if (result.ret === 0) {
      expectEqual(result.cpages, buffer.npages, 'READ: cpages');
      expectEqual(result.faults, 1, 'READ: faults');
      await buffer.expectMirror(ramp(buffer.words, round));
    }
    await buffer.free();
  }
}

export const anonCases = [
  hmm('anon_read', anonRead),
  hmm('anon_read_prot', anonReadProt),
  hmm('anon_write', anonWrite),
  hmm('anon_write_prot', anonWriteProt),
  hmm('anon_write_child', anonWriteChild),
  hmm('anon_write_child_shared', anonWriteChildShared),
  hmm('anon_write_huge', anonWriteHuge),
  hmm('anon_write_hugetlbfs', anonWriteHugetlbfs),
].flat();

export const anonRepeatedCases = [
  hmm('anon_read_multiple', anonReadMultiple),
  hmm('anon_teardown', anonTeardown),
].flat();
