import { expect, it } from 'vitest';
import { MachineError } from '../../../../driver/sys/machine/machine-error.js';
import { anon, ret, smallMachine } from '../helpers.js';

it('names the seed, who waits for what, and the cause', () => {
  const machine = smallMachine({ seed: 5 });
  const { main } = machine.createProcess();
  ret(main, 'fork');
  expect(() => machine.call(main, 'wait', -1)).toThrow(
    /^wait of thread 1 does not return: deadlock\nseed 5\n1\/1 in wait waits for child of 1\n/,
  );
});

it('stands for the machine from then on when an assertion broke it', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  ret(main, 'store', anon(main, 1), Uint8Array.of(1));
  machine.memory.tables.inUse++;
  expect(() => machine.checkInvariants()).toThrow(MachineError);
  machine.memory.tables.inUse--;
  expect(() => machine.call(main, 'fork')).toThrow(/page table pages are in use/);
  machine.reset();
  expect(machine.createProcess().pid).toBe(1);
});
