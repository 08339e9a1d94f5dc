import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../../helpers.js';

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
