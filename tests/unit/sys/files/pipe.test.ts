import { expect, it } from 'vitest';
import type { Coroutine } from '../../../../driver/core/effect.js';
import { KernelIter, UserIter } from '../../../../driver/mm/faults/iov-iter.js';
import { type OpenFile, POLL } from '../../../../driver/sys/files/open-file.js';
import { createPipe } from '../../../../driver/sys/files/pipe-end.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { EAGAIN, EBADF, EPIPE, ESPIPE } from '../../../../uapi/errno.js';
import { O_NONBLOCK } from '../../../../uapi/fcntl.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import { SIGPIPE, signalStatus } from '../../../../uapi/signal.js';
import { anon, inKernel, ret, smallMachine } from '../helpers.js';

const CAPACITY = 65536;

/** What read(2) of the kernel's own memory answers. */
function* read(thread: Thread, file: OpenFile, length: number): Coroutine<Uint8Array | number> {
  const bytes = new Uint8Array(length);
  const got = yield* file.readIter(thread, new KernelIter(bytes), null);
  return got < 0 ? got : bytes.subarray(0, got);
}

function write(thread: Thread, file: OpenFile, bytes: Uint8Array): Coroutine<number> {
  return file.writeIter(thread, new KernelIter(bytes), null);
}

it('gives bytes in order, to a reader that waits too, and its end when the last writer goes', () => {
  const machine = smallMachine();
  const { main, files } = machine.createProcess();
  const other = machine.createProcess().main;
  const { reader, writer } = createPipe(machine, 0);
  files.install(writer);
  const early = inKernel(other, () => read(other, reader, 10));
  expect(early.result).toBeUndefined();
  expect(inKernel(main, () => write(main, writer, Uint8Array.of(1, 2, 3))).result).toBe(3);
  expect(early.result).toEqual(Uint8Array.of(1, 2, 3));
  expect(reader.poll()).toBe(0);
  ret(main, 'close', 0);
  expect(reader.poll()).toBe(POLL.hup);
  expect(inKernel(other, () => read(other, reader, 10)).result).toEqual(new Uint8Array());
});

it('never tears a small write, and takes what fits of a large one', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const { reader, writer } = createPipe(machine, O_NONBLOCK);
  const put = (length: number) => inKernel(main, () => write(main, writer, new Uint8Array(length))).result;
  expect(inKernel(main, () => read(main, reader, 1)).result).toBe(-EAGAIN);
  expect(put(CAPACITY - 100)).toBe(CAPACITY - 100);
  expect(writer.poll()).toBe(0);
  expect(put(101)).toBe(-EAGAIN);
  expect(put(5000)).toBe(-EAGAIN);
  // What is over whole pages goes on in the last buffer.
  expect(put(PAGE_SIZE + 50)).toBe(50);
  expect(put(5000)).toBe(-EAGAIN);
});

it('has two ends of which each knows one direction and no place', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const { reader, writer } = createPipe(machine, 0);
  expect(inKernel(main, () => write(main, reader, new Uint8Array(1))).result).toBe(-EBADF);
  expect(inKernel(main, () => read(main, writer, 1)).result).toBe(-EBADF);
  expect(ret(main, 'pread', main.process.files.install(reader), 1, 0)).toBe(-ESPIPE);
});

it('without a reader answers and kills a writer', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const child = machine.threadByTid(ret(main, 'fork'))!;
  ret(child, 'sigaction', SIGPIPE, 'default');
  const { reader, writer } = createPipe(machine, 0);
  child.process.files.install(reader);
  ret(child, 'close', 0);
  expect(writer.poll()).toBe(POLL.out | POLL.err);
  expect(inKernel(child, () => write(child, writer, new Uint8Array(1))).result).toBe(-EPIPE);
  expect(machine.call(main, 'wait', child.tid).status).toBe(signalStatus(SIGPIPE));
});

it('holds pages as they are: what is stored before they are read is seen, and the last end to be closed lets go of them', () => {
  const machine = smallMachine();
  const { main, files } = machine.createProcess();
  const { reader, writer } = createPipe(machine, 0);
  const [readFd, writeFd] = [files.install(reader), files.install(writer)];
  const area = anon(main, 20);
  ret(main, 'store', area, new Uint8Array(20 * PAGE_SIZE).fill(1));
  const splice = (addr: number, len: number) =>
    inKernel(main, () => writer.vmsplice(main, new UserIter(main.process.mm, [{ addr, len }]), true)).result;
  expect(splice(area + 10, PAGE_SIZE)).toBe(PAGE_SIZE);
  ret(main, 'store', area + 12, Uint8Array.of(7));
  expect([...(inKernel(main, () => read(main, reader, 4)).result as Uint8Array)]).toEqual([1, 1, 7, 1]);
  machine.checkInvariants();
  // Two buffers are taken, of sixteen.
  expect([splice(area, 20 * PAGE_SIZE), splice(area, 1)]).toEqual([14 * PAGE_SIZE, -EAGAIN]);
  ret(main, 'munmap', area, 20 * PAGE_SIZE);
  const free = machine.memory.allocator.freeFrames;
  ret(main, 'close', readFd);
  ret(main, 'close', writeFd);
  expect(machine.memory.allocator.freeFrames).toBeGreaterThanOrEqual(free + 14);
  machine.checkInvariants();
});
