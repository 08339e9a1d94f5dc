import { beforeEach, describe, expect, it } from 'vitest';
import {
  doSigpending,
  ProgramSignals,
  signalPending,
  ThreadSignals,
} from '../../../../driver/sys/processes/program-signals.js';
import { DEFAULT_ACTION, SIG_IGN } from '../../../../driver/sys/processes/signal-action.js';
import { signalSet } from '../../../../driver/sys/processes/signal-set.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { doWait } from '../../../../driver/sys/processes/wait.js';
import {
  CONTINUED_STATUS,
  SIGCHLD,
  SIGCONT,
  SIGSTOP,
  SIGTERM,
  SIGTSTP,
  SIGUSR1,
  signalStatus,
  stoppedStatus,
} from '../../../../uapi/signal.js';
import { inKernel, ret, smallMachine } from '../helpers.js';

const RT = 40;
let machine: ReturnType<typeof smallMachine>;
let parent: Thread;
let thread: Thread;
let signals: ProgramSignals;
const send = (signo: number, to: Thread | null = null) => signals.sendSignalLocked({ signo, code: 0 }, to);

beforeEach(() => {
  machine = smallMachine();
  parent = machine.createProcess().main;
  thread = machine.threadByTid(ret(parent, 'fork'))!;
  signals = new ProgramSignals(thread.process);
  thread.process.signals = signals;
  thread.signals = new ThreadSignals();
});

describe('a queue of signals', () => {
  it('keeps one of each number, and each of the real time ones', () => {
    for (const signo of [SIGUSR1, SIGUSR1, RT, RT]) send(signo);
    expect(doSigpending(thread)).toEqual([SIGUSR1, RT, RT]);
  });

  it('gives what is not blocked, those of the thread first, then by number', () => {
    thread.signals!.mask = signalSet(SIGUSR1);
    send(RT);
    send(SIGTERM);
    send(SIGUSR1);
    send(RT, thread);
    expect(signalPending(thread)).toBe(true);
    const taken = [1, 2, 3, 4].map(() => signals.dequeueSignal(thread)?.signo);
    expect(taken).toEqual([RT, SIGTERM, RT, undefined]);
    expect(signalPending(thread)).toBe(false);
    expect(signals.dequeueOf(thread, signalSet(SIGUSR1))?.signo).toBe(SIGUSR1);
  });

  it('has no room for what is ignored, unless it is blocked', () => {
    signals.actions[SIGUSR1] = { ...DEFAULT_ACTION, handler: SIG_IGN };
    for (const signo of [SIGUSR1, SIGCHLD]) send(signo);
    expect(doSigpending(thread)).toEqual([]);
    thread.signals!.mask = signalSet(SIGUSR1);
    send(SIGUSR1);
    expect(doSigpending(thread)).toEqual([SIGUSR1]);
    expect(signalPending(thread)).toBe(false);
  });

  it('forgets handlers with the program, but not what is ignored', () => {
    signals.actions[SIGUSR1] = { ...DEFAULT_ACTION, handler: SIG_IGN };
    signals.actions[SIGTERM] = { ...DEFAULT_ACTION, handler: 0x1000 };
    signals.flushSignalHandlers();
    expect([SIGUSR1, SIGTERM].map((signo) => signals.actions[signo]!.handler)).toEqual([SIG_IGN, 0]);
  });

  it('ends the process by default, with a core where the signal has one', () => {
    signals.actByDefault({ signo: SIGTERM, code: 0 });
    machine.run();
    expect(machine.call(parent, 'wait', thread.process.pid).status).toBe(signalStatus(SIGTERM));
  });
});

describe('job control', () => {
  const wait = (request: object) =>
    inKernel(parent, () => doWait(parent, { pid: -1, noHang: true, exited: false, ...request })).result;

  it('a stop and SIGCONT take each other out of the queues', () => {
    thread.signals!.mask = signalSet(SIGTSTP, SIGCONT);
    send(SIGTSTP);
    send(SIGCONT);
    expect(doSigpending(thread)).toEqual([SIGCONT]);
    send(SIGSTOP);
    expect(doSigpending(thread)).toEqual([SIGSTOP]);
  });

  it('stops when the last thread has stopped, goes on with SIGCONT, and wait tells both once', () => {
    const { jobs } = signals;
    jobs.doSignalStop(SIGSTOP);
    expect([jobs.isStopped, thread.signals!.stopPending]).toEqual([false, true]);
    expect(wait({ stopped: true })).toEqual({ ret: 0 });
    jobs.taskParticipateGroupStop(thread);
    expect([jobs.isStopped, thread.signals!.stopPending]).toEqual([true, false]);
    expect(wait({ stopped: true })).toEqual({ ret: thread.process.pid, status: stoppedStatus(SIGSTOP) });
    expect(wait({ stopped: true })).toEqual({ ret: 0 });
    send(SIGCONT);
    expect([jobs.isStopped, jobs.isContinued]).toEqual([false, true]);
    expect(wait({ continued: true })).toEqual({ ret: thread.process.pid, status: CONTINUED_STATUS });
    expect(wait({ continued: true })).toEqual({ ret: 0 });
  });
});
