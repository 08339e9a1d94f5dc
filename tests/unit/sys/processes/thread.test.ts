import { describe, expect, it } from 'vitest';
import { anon, ret, smallMachine } from '../helpers.js';

const word = Uint8Array.from([7, 0, 0, 0]);

describe('threads', () => {
  it('share memory and die together', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const addr = anon(main, 1);
    const other = machine.threadByTid(ret(main, 'thread'))!;
    ret(other, 'store', addr, word);
    expect(machine.call(main, 'load', addr, 4).bytes).toEqual(word);
    ret(other, 'exit', 0);
    machine.run();
    expect(machine.process(main.tid)).toBeNull();
    expect(machine.threadByTid(main.tid)).toBeNull();
    machine.checkInvariants();
  });

  it('run one call at a time, in order', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const addr = anon(main, 1);
    const first = machine.start(main, 'store', [addr, word]);
    const second = machine.start(main, 'load', [addr, 4]);
    expect(first.done || second.done).toBe(false);
    machine.run();
    expect(second.result?.bytes).toEqual(word);
  });
});
