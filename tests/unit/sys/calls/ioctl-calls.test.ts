import { expect, it } from 'vitest';
import { commandNumber, dialectByName } from '../../../../uapi/dialect.js';
import { EBADF, EINVAL } from '../../../../uapi/errno.js';
import { decodeHmmDmirrorCmd, encodeHmmDmirrorCmd } from '../../../../uapi/hmm-dmirror.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../helpers.js';

const READ = commandNumber(dialectByName('dmirror')!, 'READ')!;

it('does the same to a record in memory and to one as bytes', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const addr = anon(main, 2);
  const record = encodeHmmDmirrorCmd({ addr, ptr: anon(main, 2), npages: 2 });
  const fd = ret(main, 'open', '/dev/hmm_dmirror0', 2);
  const { bytes, ret: first } = machine.call(main, 'ioctlBytes', fd, READ, record);
  expect([first, Number(decodeHmmDmirrorCmd(bytes!).cpages)]).toEqual([0, 2]);
  const at = anon(main, 1);
  ret(main, 'store', at, record);
  // A number may come sign-extended, as C passes it.
  expect(ret(main, 'ioctl', fd, READ | 0, at)).toBe(0);
  expect(decodeHmmDmirrorCmd(machine.call(main, 'load', at, record.length).bytes!).cpages).toBe(2n);
});

it('keeps its scratch page from a child, and takes no record beyond a page', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const fd = ret(main, 'open', '/dev/hmm_dmirror0', 2);
  expect(ret(main, 'ioctlBytes', 9, READ, new Uint8Array(40))).toBe(-EBADF);
  expect(ret(main, 'ioctlBytes', fd, READ, new Uint8Array(PAGE_SIZE + 1))).toBe(-EINVAL);
  expect(main.scratchAddr).toBeGreaterThan(0);
  const child = machine.threadByTid(ret(main, 'fork'))!;
  expect(machine.call(child, 'load', main.scratchAddr, 1).signal?.signo).toBe(11);
});
