import { describe, expect, it } from 'vitest';
import { ECHILD, EINVAL, ESRCH } from '../../../uapi/errno.js';
import { exitStatus, SEGV_MAPERR, SIGKILL, SIGSEGV, SIGUSR1, signalStatus } from '../../../uapi/signal.js';
import { anon, ret, smallMachine } from './helpers.js';

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

describe('signals', () => {
  it('are reported by an access that faults', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const { ret: done, signal } = machine.call(main, 'load', 0x1000, 4);
    expect(done).toBe(0);
    expect(signal).toEqual({ signo: SIGSEGV, code: SEGV_MAPERR, addr: 0x1000 });
    expect(machine.process(main.tid)).not.toBeNull();
  });

  it('kill a process that does not catch them', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const pid = ret(main, 'fork');
    const child = machine.threadByTid(pid)!;
    expect(ret(child, 'sigaction', SIGSEGV, 'default')).toBe(0);
    machine.call(child, 'load', 0x1000, 4);
    expect(machine.call(main, 'wait', pid)).toEqual({ ret: pid, status: signalStatus(SIGSEGV) });
  });

  it('reach other processes by pid', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const pid = ret(main, 'fork');
    expect(ret(main, 'kill', pid, 0)).toBe(0);
    expect(ret(main, 'kill', pid, SIGKILL)).toBe(0);
    expect(machine.call(main, 'wait', pid)).toEqual({ ret: pid, status: signalStatus(SIGKILL) });
    expect(ret(main, 'kill', pid, SIGKILL)).toBe(-ESRCH);
    expect(ret(main, 'kill', main.tid, 99)).toBe(-EINVAL);
    expect(ret(main, 'sigaction', SIGKILL, 'catch')).toBe(-EINVAL);
  });

  it('wake a killed process out of wait', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const pid = ret(main, 'fork');
    const child = machine.threadByTid(pid)!;
    const grandchild = ret(child, 'fork');
    const waiting = machine.start(child, 'wait', [grandchild]);
    machine.run();
    expect(ret(main, 'kill', pid, SIGKILL)).toBe(0);
    machine.run();
    expect(waiting.done).toBe(true);
    expect(machine.call(main, 'wait', pid).status).toBe(signalStatus(SIGKILL));
    expect(machine.process(grandchild)).not.toBeNull();
  });

  it('that are caught end a wait', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const pid = ret(main, 'fork');
    ret(main, 'sigaction', SIGUSR1, 'catch');
    const waiting = machine.start(main, 'wait', [pid]);
    machine.run();
    ret(machine.threadByTid(pid)!, 'kill', main.tid, SIGUSR1);
    machine.run();
    expect(waiting.result?.ret).toBe(-4);
  });
});

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
