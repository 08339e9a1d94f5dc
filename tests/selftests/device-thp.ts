// Huge pages that go to a device as one: cases of the kernel's suite since 6.19, for machines whose profile has such.

import { MappedMemory } from '../../uapi/client/mapped-memory.js';
import type { ProcessHandle } from '../../uapi/client/process-handle.js';
import {
  HMM_DMIRROR_FLAG_FAIL_ALLOC,
  HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL,
  HMM_DMIRROR_PROT_PMD,
  HMM_DMIRROR_PROT_WRITE,
} from '../../uapi/hmm-dmirror.js';
import {
  MADV_COLLAPSE,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
} from '../../uapi/mman.js';
import { type BufferOptions, HmmBuffer, TWO_MEG } from './buffer.js';
import { SkipError } from './case.js';
import { expectEqual, expectProt, expectRet, ramp } from './expect.js';
import { type HmmFixture, hmm } from './fixture.js';

const WORDS = TWO_MEG / 4;
const ZEROES = new Uint32Array(WORDS);
/** Where a part of 1 MiB is taken away, and how far from an aligned address memory is moved to. */
const OFFSETS = [0, TWO_MEG / 4, TWO_MEG / 2];

/** An aligned 2 MiB area inside memory of `sizeBytes`, with a mirror buffer of its own. */
async function alignedBuffer(
  process: ProcessHandle,
  { sizeBytes = 2 * TWO_MEG, ...options }: BufferOptions & { advice?: number } = {},
): Promise<HmmBuffer> {
  const { advice = MADV_HUGEPAGE, ...rest } = options;
  const memory = await process.map(sizeBytes, rest);
  const area = new MappedMemory(process, Math.ceil(memory.addr / TWO_MEG) * TWO_MEG, TWO_MEG);
  expectRet(await process.madvise(area.addr, TWO_MEG, advice), 0, 'madvise');
  const mirror = await process.map(TWO_MEG);
  await mirror.writeBytes(new Uint8Array(TWO_MEG).fill(0xff));
  return new HmmBuffer(area, mirror);
}

async function filled(
  process: ProcessHandle,
  options: { sizeBytes?: number; advice?: number } = {},
): Promise<HmmBuffer> {
  const buffer = await alignedBuffer(process, options);
  await buffer.memory.writeWords(ramp(WORDS));
  return buffer;
}

async function migrate({ device }: HmmFixture, buffer: HmmBuffer, words: Uint32Array): Promise<void> {
  await buffer.commandOk(device, 'MIGRATE_TO_DEV');
  await buffer.expectMirror(words);
}

/** The next attempt of this file to allocate fails. */
async function failAlloc({ device }: HmmFixture, buffer: HmmBuffer): Promise<void> {
  expectRet((await buffer.command(device, 'FLAGS', { npages: HMM_DMIRROR_FLAG_FAIL_ALLOC })).ret, 0, 'FLAGS');
}

async function empty(self: HmmFixture): Promise<void> {
  await migrate(self, await alignedBuffer(self.process, { prot: PROT_READ }), ZEROES);
}

async function zero(self: HmmFixture): Promise<void> {
  const buffer = await alignedBuffer(self.process, { prot: PROT_READ });
  expectEqual(await buffer.memory.readWord(0), 0, 'huge zero page');
  await migrate(self, buffer, ZEROES);
  await buffer.expectMemory(ZEROES);
}

async function free(self: HmmFixture): Promise<void> {
  const buffer = await filled(self.process);
  await migrate(self, buffer, ramp(WORDS));
  expectRet(await self.process.madvise(buffer.memory.addr, TWO_MEG, MADV_FREE), 0, 'MADV_FREE');
}

async function fault(self: HmmFixture): Promise<void> {
  const buffer = await filled(self.process, { advice: MADV_NOHUGEPAGE });
  expectRet(await self.process.madvise(buffer.memory.addr, TWO_MEG, MADV_HUGEPAGE), 0, 'MADV_HUGEPAGE');
  expectRet(await self.process.madvise(buffer.memory.addr, TWO_MEG, MADV_COLLAPSE), 0, 'MADV_COLLAPSE');
  await migrate(self, buffer, ramp(WORDS));
  if (!self.coherent) {
    const wanted = HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL | HMM_DMIRROR_PROT_WRITE | HMM_DMIRROR_PROT_PMD;
    for (const [i, prot] of (await buffer.snapshot(self.device)).entries()) expectProt(prot, wanted, `page ${i}`);
  }
  await buffer.expectMemory(ramp(WORDS));
}

async function partialUnmap(self: HmmFixture): Promise<void> {
  for (const advice of [MADV_NOHUGEPAGE, MADV_HUGEPAGE]) {
    for (const offset of OFFSETS) {
      const buffer = await filled(self.process, { advice });
      await migrate(self, buffer, ramp(WORDS));
      const { addr } = buffer.memory;
      expectRet(await self.process.munmap(addr + offset, TWO_MEG / 2), 0, 'munmap');
      await expectPart(buffer, 0, offset);
      await expectPart(buffer, offset + TWO_MEG / 2, TWO_MEG / 2 - offset);
    }
  }
}

async function expectPart({ memory }: HmmBuffer, offset: number, sizeBytes: number): Promise<void> {
  if (sizeBytes === 0) return;
  const part = new HmmBuffer(memory.slice(offset, sizeBytes), memory);
  await part.expectMemory(ramp(sizeBytes / 4, offset / 4));
}

async function remap(self: HmmFixture): Promise<void> {
  for (const isBefore of [false, true]) {
    for (const keep of [0, MREMAP_DONTUNMAP]) {
      for (const advice of [MADV_NOHUGEPAGE, MADV_HUGEPAGE]) {
        for (const offset of OFFSETS) await remapOnce(self, { isBefore, keep, advice, offset });
      }
    }
  }
}

async function remapOnce(
  self: HmmFixture,
  { isBefore, keep, advice, offset }: { isBefore: boolean; keep: number; advice: number; offset: number },
): Promise<void> {
  const { process } = self;
  const buffer = await filled(process, { sizeBytes: 8 * TWO_MEG, advice });
  const { memory, mirror } = buffer;
  expectRet(await process.munmap(memory.addr + TWO_MEG, 2 * TWO_MEG), 0, 'munmap');
  const to = memory.addr + TWO_MEG + offset;
  const move = async (): Promise<HmmBuffer> => {
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED | keep;
    expectEqual(await process.mremap(memory.addr, TWO_MEG, TWO_MEG, flags, to), to, 'mremap');
    return new HmmBuffer(new MappedMemory(process, to, TWO_MEG), mirror);
  };
  let moved = buffer;
  if (isBefore) moved = await move();
  await migrate(self, moved, ramp(WORDS));
  if (!isBefore) moved = await move();
  await moved.expectMemory(ramp(WORDS));
}

async function err(self: HmmFixture): Promise<void> {
  // On Linux this variant fails: the device's one window is taken, so there is no folio of 2 MiB whose allocation could fail.
  if (self.coherent) throw new SkipError('a coherent device has no folio of 2 MiB');
  const buffer = await filled(self.process);
  await failAlloc(self, buffer);
  await migrate(self, buffer, ramp(WORDS));
  expectEqual(await buffer.memory.readWord(2048 * 4), 2048, 'one page back');
  const again = await filled(self.process);
  await migrate(self, again, ramp(WORDS));
  await failAlloc(self, again);
  expectRet((await again.command(self.device, 'MIGRATE_TO_SYS')).ret, 0, 'MIGRATE_TO_SYS');
  expectEqual(await again.memory.readWord(2048 * 4), 2048, 'all back');
}

async function zeroErr(self: HmmFixture): Promise<void> {
  const buffer = await alignedBuffer(self.process, { prot: PROT_READ });
  await failAlloc(self, buffer);
  await migrate(self, buffer, ZEROES);
  expectEqual(await buffer.memory.readWord(2048 * 4), 0, 'one page back');
  const again = await alignedBuffer(self.process, { prot: PROT_READ });
  expectEqual(await again.memory.readWord(0), 0, 'huge zero page');
  await failAlloc(self, again);
  await migrate(self, again, ZEROES);
  await again.expectMemory(ZEROES);
}

export const deviceThpCases = [
  hmm('migrate_anon_huge_empty', empty),
  hmm('migrate_anon_huge_zero', zero),
  hmm('migrate_anon_huge_free', free),
  hmm('migrate_anon_huge_fault', fault),
  hmm('migrate_partial_unmap_fault', partialUnmap),
  hmm('migrate_remap_fault', remap),
  hmm('migrate_anon_huge_err', err),
  hmm('migrate_anon_huge_zero_err', zeroErr),
].flat();
