import { describe, expect, it } from 'vitest';
import { EINVAL, ESRCH } from '../../../../uapi/errno.js';
import { SEGV_MAPERR, SIGKILL, SIGSEGV, SIGUSR1, signalStatus } from '../../../../uapi/signal.js';
import { ret, smallMachine } from '../helpers.js';

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
