// READ and WRITE of shared file mappings, and a migration of a private one.

import type { ProcessHandle } from '../../uapi/client/process-handle.js';
import { O_EXCL, O_RDWR, O_TMPFILE } from '../../uapi/fcntl.js';
import { MAP_SHARED, PROT_READ } from '../../uapi/mman.js';
import { HmmBuffer } from './buffer.js';
import { expectRet, expectWords, ramp } from './expect.js';
import { type HmmFixture, hmm } from './fixture.js';
import { scale } from './scale.js';

/** A file without a name in /tmp, as long as a buffer. */
export async function createFile(process: ProcessHandle): Promise<number> {
  const fd = await process.open('/tmp', O_TMPFILE | O_EXCL | O_RDWR, 0o600);
  if (fd < 0) expectRet(fd, 0, 'open of a temporary file');
  expectRet(await process.ftruncate(fd, scale.bufferBytes), 0, 'ftruncate');
  return fd;
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

async function fileRead({ process, device }: HmmFixture): Promise<void> {
  const fd = await createFile(process);
  const data = ramp(scale.bufferBytes / 4);
  expectRet(await process.pwrite(fd, bytesOf(data), 0), scale.bufferBytes, 'pwrite');
  const buffer = await HmmBuffer.create(process, { prot: PROT_READ, flags: MAP_SHARED, fd });
  await buffer.commandOk(device, 'READ', { faults: 1 });
  await buffer.expectMirror(data);
  await buffer.free();
}

async function fileWrite({ process, device }: HmmFixture): Promise<void> {
  const fd = await createFile(process);
  const buffer = await HmmBuffer.create(process, { flags: MAP_SHARED, fd });
  const data = ramp(buffer.words);
  await buffer.mirror.writeWords(data);
  await buffer.commandOk(device, 'WRITE', { faults: 1 });
  await buffer.expectMemory(data);
  const read = await process.pread(fd, scale.bufferBytes, 0);
  expectRet(read.ret, scale.bufferBytes, 'pread');
  expectWords(read.bytes ?? new Uint8Array(), data, 'file');
  await buffer.free();
}

export const fileCases = [hmm('file_read', fileRead), hmm('file_write', fileWrite)].flat();
