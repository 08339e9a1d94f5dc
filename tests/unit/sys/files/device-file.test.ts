import { expect, it } from 'vitest';
import { commandNumber, dialectByName } from '../../../../uapi/dialect.js';
import { EFAULT, EINVAL } from '../../../../uapi/errno.js';
import { encodeHmmDmirrorCmd } from '../../../../uapi/hmm-dmirror.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../helpers.js';

const number = (dialect: string) => commandNumber(dialectByName(dialect)!, 'MIGRATE_TO_DEV')!;

it('reads a number in the dialect of the call, of the open file, and of no other', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const fd = ret(main, 'open', '/dev/hmm_dmirror0', 2);
  const record = encodeHmmDmirrorCmd({ addr: anon(main, 1), ptr: anon(main, 1), npages: 1 });
  expect(ret(main, 'ioctlBytes', fd, number('dmirror'), record)).toBe(0);
  expect(ret(main, 'ioctlBytes', fd, number('5.8'), record, '5.8')).toBe(0);
  expect(ret(main, 'ioctlBytes', fd, number('dmirror'), record, 'no such')).toBe(-EINVAL);
  machine.refusesIoctl = () => true;
  expect(ret(main, 'ioctlBytes', fd, number('dmirror'), record)).toBe(-EINVAL);
});

it('tells of a command once, as it was read, and of no record that could not be', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const fd = ret(main, 'open', '/dev/hmm_dmirror0', 2);
  const addr = anon(main, 4);
  const seen: unknown[] = [];
  machine.onCommand = (name, command) => seen.push([name, command.addr, command.npages, command.callerMm.id]);
  const record = encodeHmmDmirrorCmd({ addr, ptr: anon(main, 4), npages: 4 });
  ret(main, 'store', addr, record);
  expect(ret(main, 'ioctl', fd, number('dmirror'), addr)).toBe(0);
  expect(ret(main, 'ioctl', fd, number('dmirror'), 0)).toBe(-EFAULT);
  expect(ret(main, 'ioctl', fd, 0, addr)).toBe(-EINVAL);
  expect(seen).toEqual([['MIGRATE_TO_DEV', addr, 4, main.process.mm.id]]);
});

it('acts on the memory of who opened it, whoever calls', () => {
  const machine = smallMachine();
  const { main, mm } = machine.createProcess();
  const addr = anon(main, 1);
  ret(main, 'store', addr, new Uint8Array(PAGE_SIZE).fill(4));
  const fd = ret(main, 'open', '/dev/hmm_dmirror0', 2);
  const child = machine.threadByTid(ret(main, 'fork'))!;
  const owners: unknown[] = [];
  machine.onCommand = (_name, { file }) => owners.push(file.mm);
  ret(child, 'ioctlBytes', fd, number('dmirror'), encodeHmmDmirrorCmd({ addr, ptr: addr, npages: 1 }));
  expect(owners).toEqual([mm]);
});
