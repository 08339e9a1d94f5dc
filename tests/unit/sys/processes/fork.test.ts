import { describe, expect, it } from 'vitest';
import { ECHILD, ESRCH } from '../../../../uapi/errno.js';
import { exitStatus } from '../../../../uapi/signal.js';
import { anon, ret, smallMachine } from '../helpers.js';

const word = Uint8Array.from([7, 0, 0, 0]);

describe('fork, exit and wait', () => {
  it('give the child its own memory and the parent its status', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const addr = anon(main, 1);
    ret(main, 'store', addr, word);
    const pid = ret(main, 'fork');
    const child = machine.threadByTid(pid)!;
    ret(child, 'store', addr, Uint8Array.from([9, 0, 0, 0]));
    expect(machine.call(main, 'load', addr, 4).bytes).toEqual(word);
    expect(ret(child, 'exit', 3)).toBe(0);
    expect(machine.call(main, 'wait', -1)).toEqual({ ret: pid, status: exitStatus(3) });
    expect(ret(main, 'wait', -1)).toBe(-ECHILD);
    machine.checkInvariants();
  });

  it('let a parent sleep until its child dies', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const pid = ret(main, 'fork');
    const waiting = machine.start(main, 'wait', [pid]);
    expect(machine.run().reason).toBe('deadlock');
    expect(waiting.done).toBe(false);
    machine.start(machine.threadByTid(pid)!, 'exit', [0]);
    expect(machine.run().reason).toBe('idle');
    expect(waiting.result).toEqual({ ret: pid, status: 0 });
  });

  it('free everything of a process that nobody waits for', () => {
    const machine = smallMachine();
    const free = machine.memory.allocator.freeFrames;
    const { main } = machine.createProcess();
    ret(main, 'store', anon(main, 2), word);
    ret(main, 'exit', 0);
    expect(machine.process(main.tid)).toBeNull();
    expect(machine.memory.allocator.freeFrames).toBe(free);
    expect(ret(main, 'load', 0, 1)).toBe(-ESRCH);
  });
});
