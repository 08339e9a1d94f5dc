import { describe, expect, it } from 'vitest';
import { doWait, type WaitRequest } from '../../../../driver/sys/processes/wait.js';
import { ECHILD } from '../../../../uapi/errno.js';
import { exitStatus, SIGUSR1 } from '../../../../uapi/signal.js';
import { inKernel, ret, smallMachine } from '../helpers.js';

function family(children: number) {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const pids = Array.from({ length: children }, () => ret(main, 'fork'));
  const wait = (request: WaitRequest) => inKernel(main, () => doWait(main, request)).result;
  const exit = (pid: number, code: number) => ret(machine.threadByTid(pid)!, 'exit', code);
  return { machine, pids, wait, exit };
}

describe('do_wait', () => {
  it('tells of a child once, and with WNOWAIT again', () => {
    const { pids, wait, exit } = family(2);
    expect(wait({ pid: -1, noHang: true })).toEqual({ ret: 0 });
    exit(pids[1]!, 3);
    const told = { ret: pids[1], status: exitStatus(3) };
    expect(wait({ pid: -1, keep: true })).toEqual(told);
    expect(wait({ pid: pids[0]!, noHang: true })).toEqual({ ret: 0 });
    expect(wait({ pid: -1 })).toEqual(told);
    expect(wait({ pid: pids[1]! })).toEqual({ ret: -ECHILD });
  });

  it('asks for a child by pid, by group, and by the signal at its end', () => {
    const { machine, pids, wait, exit } = family(2);
    const [first, second] = pids.map((pid) => machine.process(pid)!);
    first!.pgid = first!.pid;
    second!.exitSignal = SIGUSR1;
    for (const pid of pids) exit(pid, 0);
    expect(wait({ pid: 0 })).toEqual({ ret: -ECHILD });
    expect(wait({ pid: -second!.pgid, kind: 'other', keep: true })?.ret).toBe(second!.pid);
    expect(wait({ pid: -first!.pid, kind: 'other' })).toEqual({ ret: -ECHILD });
    expect(wait({ pid: -first!.pid })?.ret).toBe(first!.pid);
    expect(wait({ pid: -1, kind: 'any' })?.ret).toBe(second!.pid);
  });

  it('leaves ends alone that are not asked for', () => {
    const { pids, wait, exit } = family(1);
    exit(pids[0]!, 0);
    expect(wait({ pid: -1, exited: false, stopped: true, noHang: true })).toEqual({ ret: 0 });
    expect(wait({ pid: -1 })?.ret).toBe(pids[0]);
  });
});
