// What the rest of the kernel does with pages that are on the device: get_user_pages and copy on write.

import { GUP_TEST_PATH, GupTestFile } from '../../uapi/client/gup-test-file.js';
import { O_RDWR } from '../../uapi/fcntl.js';
import {
  FOLL_LONGTERM,
  FOLL_WRITE,
  GUP_BASIC_TEST,
  GUP_FAST_BENCHMARK,
  PIN_FAST_BENCHMARK,
  PIN_LONGTERM_BENCHMARK,
} from '../../uapi/gup-test.js';
import { HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL, HMM_DMIRROR_PROT_WRITE } from '../../uapi/hmm-dmirror.js';
import { PAGE_SIZE } from '../../uapi/mman.js';
import { SIGTERM, WIFSIGNALED, WTERMSIG } from '../../uapi/signal.js';
import { HmmBuffer } from './buffer.js';
import { SkipError } from './case.js';
import { expectEqual, expectProt, expectRet, ramp } from './expect.js';
import { type HmmFixture, hmm } from './fixture.js';

async function migratedBuffer({ process, device }: HmmFixture): Promise<HmmBuffer> {
  const buffer = await HmmBuffer.create(process, { sizeBytes: 4 * PAGE_SIZE });
  await buffer.memory.writeWords(ramp(buffer.words));
  await buffer.commandOk(device, 'MIGRATE_TO_DEV');
  await buffer.expectMirror(ramp(buffer.words));
  return buffer;
}

/** One way of getting a page each; those that pin for long bring coherent pages home too. */
const GUP_CALLS: readonly { cmd: number; flags: number; what: string }[] = [
  { cmd: GUP_BASIC_TEST, flags: 0, what: 'GUP_BASIC_TEST' },
  { cmd: GUP_FAST_BENCHMARK, flags: 0, what: 'GUP_FAST_BENCHMARK' },
  { cmd: PIN_FAST_BENCHMARK, flags: FOLL_LONGTERM, what: 'PIN_FAST_BENCHMARK' },
  { cmd: PIN_LONGTERM_BENCHMARK, flags: 0, what: 'PIN_LONGTERM_BENCHMARK' },
];

async function hmmGupTest(self: HmmFixture): Promise<void> {
  const fd = await self.process.open(GUP_TEST_PATH, O_RDWR);
  if (fd < 0) throw new SkipError('Skipping test, could not find gup_test driver');
  const gupTest = new GupTestFile(self.process, fd);
  const buffer = await migratedBuffer(self);
  for (const [page, { cmd, flags, what }] of GUP_CALLS.entries()) {
    const addr = buffer.memory.addr + page * PAGE_SIZE;
    const gup = { addr, size: PAGE_SIZE, nr_pages_per_call: 1, gup_flags: FOLL_WRITE | flags };
    expectRet((await gupTest.run(cmd, gup)).ret, 0, what);
  }
  const stays = self.coherent ? HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL : 0;
  const bytes = await buffer.snapshot(self.device);
  for (const [page, byte] of bytes.entries()) {
    expectProt(byte, HMM_DMIRROR_PROT_WRITE | (page < 2 ? stays : 0), `page ${page}, ${GUP_CALLS[page].what}`);
  }
  await buffer.expectMemory(ramp(buffer.words));
  expectRet(await gupTest.close(), 0, 'close of gup_test');
  await buffer.free();
}

/** The child holds on to the pages and does nothing, until it is killed. */
async function hmmCowInDevice(self: HmmFixture): Promise<void> {
  const { process } = self;
  const buffer = await migratedBuffer(self);
  const { ret: pid } = await process.fork();
  expectEqual(pid > 0, true, `fork answered ${pid}, a pid`);
  await buffer.memory.writeWords(ramp(buffer.words));
  expectRet(await process.kill(pid, SIGTERM), 0, 'kill');
  const waited = await process.wait(pid);
  expectRet(waited.ret, pid, 'wait');
  expectEqual(WIFSIGNALED(waited.status), true, 'child killed by a signal');
  expectEqual(WTERMSIG(waited.status), SIGTERM, 'signal that killed the child');
  const bytes = await buffer.snapshot(self.device);
  for (const [page, byte] of bytes.entries()) expectProt(byte, HMM_DMIRROR_PROT_WRITE, `page ${page}`);
  await buffer.free();
}

export const devicePageCases = [hmm('hmm_gup_test', hmmGupTest), hmm('hmm_cow_in_device', hmmCowInDevice)].flat();
