import { describe, expect, it } from 'vitest';
import { BadCallError } from '../../../../driver/sys/calls/syscall.js';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import { O_RDWR } from '../../../../uapi/fcntl.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../helpers.js';

describe('the table of system calls', () => {
  it('refuses what no program could call', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    expect(() => machine.call(main, 'reboot')).toThrow(BadCallError);
    expect(() => machine.call(main, 'munmap', 0)).toThrow(BadCallError);
    expect(() => machine.call(main, 'munmap', 0, 'all')).toThrow(BadCallError);
    expect(() => machine.call(main, 'load', 0.5, 1)).toThrow(BadCallError);
    expect(() => machine.call(main, 'toString')).toThrow(BadCallError);
  });
});

describe('a pooled machine', () => {
  it('is as new after a reset', () => {
    const machine = smallMachine();
    const free = machine.memory.allocator.freeFrames;
    const run = (): number[] => {
      const { main } = machine.createProcess();
      const addr = anon(main, 4);
      ret(main, 'store', addr, new Uint8Array(4 * PAGE_SIZE).fill(1));
      ret(main, 'open', '/dev/hmm_dmirror0', O_RDWR);
      ret(main, 'fork');
      return [main.tid, addr, machine.memory.allocator.freeFrames];
    };
    const first = run();
    machine.reset();
    expect(machine.memory.allocator.freeFrames).toBe(free);
    expect(run()).toEqual(first);
    machine.checkInvariants();
  });
});

describe('/proc/self/pagemap', () => {
  it('shows presence, exclusivity and frames', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const addr = anon(main, 3);
    ret(main, 'store', addr, Uint8Array.of(1));
    machine.call(main, 'load', addr + PAGE_SIZE, 1);
    const fd = ret(main, 'open', '/proc/self/pagemap', 0);
    const { bytes } = machine.call(main, 'pread', fd, 24, (addr / PAGE_SIZE) * 8);
    const view = new DataView(bytes!.buffer);
    expect([7, 15, 23].map((i) => bytes![i]! & 0xe1)).toEqual([0x81, 0x80, 0]);
    expect(view.getUint32(8, true)).toBe(1);
    expect(ret(main, 'pread', fd, 7, 0)).toBe(-22);
  });
});

describe('options', () => {
  it.each([
    [{ ramBytes: 3 }, 'ramBytes is 3, not a multiple of 2097152 (2 MiB) of at most 3758096384, or 4294967296 without'],
    [{ ramBytes: 2 ** 32 }, 'ramBytes is 4294967296'],
    [{ ramBytes: 2 ** 33, coherent: false }, 'of at most 4294967296'],
    [{ path: 'clasic' as 'classic' }, "path is 'clasic', not one of classic, unified"],
    [{ dialect: 'M55' }, "dialect is 'M55', not one of"],
    [{ swapBytes: -1 }, 'swapBytes is -1, not a number of at least 0'],
  ])('%j are refused by name, value and what is possible', (options, message) => {
    expect(() => new Machine(options)).toThrow(message);
  });
});
