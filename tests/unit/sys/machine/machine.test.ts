import { describe, expect, it } from 'vitest';
import { O_RDWR } from '../../../../uapi/fcntl.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../helpers.js';

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
