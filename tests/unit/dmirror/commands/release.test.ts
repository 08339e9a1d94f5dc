import { describe, expect, it } from 'vitest';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import { commandNumber, dialectByName } from '../../../../uapi/dialect.js';
import { encodeHmmDmirrorCmd } from '../../../../uapi/hmm-dmirror.js';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE } from '../../../../uapi/mman.js';
import type { CallResult } from '../../../../uapi/system-call.js';

const ADDR = 0x1000000000;

describe('a machine that is reset', () => {
  it('has forgotten a RELEASE that blocked for good with its lock held (Q13)', () => {
    const machine = new Machine({ ramBytes: 16 << 20, coherent: true });
    const begin = () => {
      const { main } = machine.createProcess();
      machine.call(main, 'mmap', ADDR, 2 * 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      const coherent = machine.call(main, 'open', '/dev/hmm_dmirror2', 2, 0).ret;
      const other = machine.call(main, 'open', '/dev/hmm_dmirror0', 2, 0).ret;
      const command = (fd: number, name: 'EXCLUSIVE' | 'MIGRATE_TO_DEV' | 'RELEASE'): CallResult => {
        const number = commandNumber(dialectByName('dmirror')!, name)!;
        return machine.call(
          main,
          'ioctlBytes',
          fd,
          number,
          encodeHmmDmirrorCmd({ addr: ADDR, ptr: ADDR + 4096, npages: 1 }),
        );
      };
      return { coherent, other, command };
    };
    const first = begin();
    first.command(first.coherent, 'MIGRATE_TO_DEV');
    // A device-exclusive entry hides the page from the eviction.
    first.command(first.other, 'EXCLUSIVE');
    expect(() => first.command(first.coherent, 'RELEASE')).toThrow('holds devmem_lock');
    machine.reset();
    const second = begin();
    expect(second.command(second.coherent, 'RELEASE').ret).toBe(0);
  });
});
