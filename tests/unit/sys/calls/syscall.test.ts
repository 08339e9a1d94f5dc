import { describe, expect, it } from 'vitest';
import { BadCallError } from '../../../../driver/sys/calls/syscall.js';
import { smallMachine } from '../helpers.js';

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
