import { expect, it } from 'vitest';
import { EFD_SEMAPHORE, EventFd } from '../../../../driver/sys/files/event-fd.js';
import { POLL } from '../../../../driver/sys/files/open-file.js';
import { words64 } from '../../../../driver/sys/processes/user-memory.js';
import { EAGAIN, EINVAL } from '../../../../uapi/errno.js';
import { O_NONBLOCK } from '../../../../uapi/fcntl.js';
import { inKernel, smallMachine } from '../helpers.js';

it('is a counter that a read empties and waits for', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const other = machine.createProcess().main;
  const file = new EventFd(machine, 2, 0);
  expect(inKernel(main, () => file.read(main, 8)).result).toEqual(words64(2));
  expect(file.poll()).toBe(POLL.out);
  const waiting = inKernel(main, () => file.read(main, 8));
  expect(waiting.result).toBeUndefined();
  expect(inKernel(other, () => file.write(other, words64(5))).result).toBe(8);
  expect(waiting.result).toEqual(words64(5));
});

it('as a semaphore gives one at a time', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const file = new EventFd(machine, 2, EFD_SEMAPHORE | O_NONBLOCK);
  const read = () => inKernel(main, () => file.read(main, 8)).result;
  expect([read(), read(), read()]).toEqual([words64(1), words64(1), -EAGAIN]);
});

it('refuses what is no number of 8 bytes, and one that does not fit', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const file = new EventFd(machine, 1, O_NONBLOCK);
  expect(inKernel(main, () => file.read(main, 7)).result).toBe(-EINVAL);
  expect(inKernel(main, () => file.write(main, new Uint8Array(7))).result).toBe(-EINVAL);
  expect(inKernel(main, () => file.write(main, new Uint8Array(8).fill(255))).result).toBe(-EINVAL);
  expect(inKernel(main, () => file.write(main, words64(2 ** 53 - 1))).result).toBe(-EAGAIN);
});
