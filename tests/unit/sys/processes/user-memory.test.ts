import { expect, it } from 'vitest';
import {
  readUser,
  readUserStrings,
  strncpyFromUser,
  words32,
  words64,
  writeUser,
} from '../../../../driver/sys/processes/user-memory.js';
import { EFAULT, ENAMETOOLONG } from '../../../../uapi/errno.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import { anon, inKernel, ret, smallMachine } from '../helpers.js';

const text = (value: string) => new TextEncoder().encode(`${value}\0`);

it('reads and writes what is mapped, or is -EFAULT', () => {
  const { main, mm } = smallMachine().createProcess();
  const addr = anon(main, 1);
  expect(inKernel(main, () => writeUser(mm, addr, words32(1, 2))).result).toBe(0);
  expect(inKernel(main, () => readUser(mm, addr, 8)).result).toEqual(words32(1, 2));
  for (const bad of [-1, 0, addr + PAGE_SIZE - 4]) {
    expect(inKernel(main, () => writeUser(mm, bad, words64(1))).result).toBe(-EFAULT);
    expect(inKernel(main, () => readUser(mm, bad, 8)).result).toBe(-EFAULT);
  }
});

it('reads a string up to its NUL over pages, and not beyond a limit', () => {
  const { main, mm } = smallMachine().createProcess();
  const addr = anon(main, 2);
  const long = 'a'.repeat(PAGE_SIZE);
  ret(main, 'store', addr + 100, text(long));
  const read = (at: number, max: number) => inKernel(main, () => strncpyFromUser(mm, at, max)).result;
  expect(read(addr + 100, 2 * PAGE_SIZE)).toBe(long);
  expect(read(addr + 100, PAGE_SIZE / 2)).toBe(-ENAMETOOLONG);
  expect([read(addr + 100, PAGE_SIZE), read(addr + 101, PAGE_SIZE)]).toEqual([-ENAMETOOLONG, long.slice(1)]);
  ret(main, 'store', addr + 2 * PAGE_SIZE - 3, Uint8Array.of(65, 66, 67));
  expect(read(addr + 2 * PAGE_SIZE - 3, PAGE_SIZE)).toBe(-EFAULT);
});

it('reads strings through pointers up to a NULL', () => {
  const { main, mm } = smallMachine().createProcess();
  const addr = anon(main, 1);
  ret(main, 'store', addr, words64(addr + 64, addr + 80, 0));
  ret(main, 'store', addr + 64, text('one'));
  ret(main, 'store', addr + 80, text('two'));
  expect(inKernel(main, () => readUserStrings(mm, addr)).result).toEqual(['one', 'two']);
  expect(inKernel(main, () => readUserStrings(mm, 0)).result).toEqual([]);
  ret(main, 'store', addr + 8, words64(8));
  expect(inKernel(main, () => readUserStrings(mm, addr)).result).toBe(-EFAULT);
});
