// EXCLUSIVE: pages that only the device may access, until the CPU does.

import type { ProcessHandle } from '../../uapi/client/process-handle.js';
import { EPERM } from '../../uapi/errno.js';
import { PROT_READ } from '../../uapi/mman.js';
import { WEXITSTATUS, WIFEXITED } from '../../uapi/signal.js';
import { HmmBuffer } from './buffer.js';
import { expectEqual, expectRet, ramp } from './expect.js';
import { type HmmFixture, hmm } from './fixture.js';

async function exclusiveBuffer({ process, device }: HmmFixture): Promise<HmmBuffer> {
  const buffer = await HmmBuffer.create(process);
  await buffer.memory.writeWords(ramp(buffer.words));
  await buffer.commandOk(device, 'EXCLUSIVE');
  await buffer.expectMirror(ramp(buffer.words));
  return buffer;
}

/** Every word holds its index; add 1 to each and look again. */
async function increment(buffer: HmmBuffer, who: string): Promise<void> {
  await buffer.expectMemory(ramp(buffer.words), `${who} before the increment`);
  await buffer.memory.writeWords(ramp(buffer.words, 1));
  await buffer.expectMemory(ramp(buffer.words, 1), `${who} after the increment`);
}

async function exclusive(self: HmmFixture): Promise<void> {
  const buffer = await exclusiveBuffer(self);
  await increment(buffer, 'memory');
  expectRet((await buffer.command(self.device, 'CHECK_EXCLUSIVE')).ret, 0, 'CHECK_EXCLUSIVE');
  await buffer.free();
}

async function exclusiveMprotect(self: HmmFixture): Promise<void> {
  const buffer = await exclusiveBuffer(self);
  await buffer.protect(self.process, PROT_READ);
  await buffer.commandFails(self.device, 'WRITE', EPERM);
  await buffer.free();
}

async function incrementInChild(child: ProcessHandle, buffer: HmmBuffer): Promise<void> {
  await increment(buffer.as(child), 'child');
  await child.exit(0);
}

/** Parent and child touch the pages at the same time, and each sees its own increment only. */
async function exclusiveCow(self: HmmFixture): Promise<void> {
  const buffer = await exclusiveBuffer(self);
  const { ret, child } = await self.process.fork();
  expectEqual(ret > 0, true, `fork answered ${ret}, a pid`);
  await Promise.all([incrementInChild(child, buffer), increment(buffer, 'parent')]);
  const waited = await self.process.wait(ret);
  expectRet(waited.ret, ret, 'wait');
  expectEqual(WIFEXITED(waited.status), true, 'child exited');
  expectEqual(WEXITSTATUS(waited.status), 0, 'exit code of the child');
  await buffer.free();
}

export const exclusiveCases = [
  hmm('exclusive', exclusive),
  hmm('exclusive_mprotect', exclusiveMprotect),
  hmm('exclusive_cow', exclusiveCow),
].flat();
