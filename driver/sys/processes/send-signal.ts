import { EINVAL, ESRCH } from '../../../uapi/errno.js';
import {
  SIGBUS,
  SIGCHLD,
  SIGCONT,
  SIGKILL,
  SIGSEGV,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGURG,
  SIGWINCH,
  signalStatus,
  WEXITSTATUS,
  WIFEXITED,
  WTERMSIG,
} from '../../../uapi/signal.js';
import type { Process } from './process.js';
import { SA_NOCLDSTOP, SA_NOCLDWAIT, SIG_IGN, type SignalAction } from './signal-action.js';
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED, SI_KERNEL, SI_USER, type SignalInfo } from './signal-info.js';
import type { Thread } from './thread.js';

export const SIGNAL_COUNT = 64;

/** `catch`: the thread goes on (an access that caused it stops and reports it). `default`: mostly the process's end. */
export type Disposition = 'catch' | 'default';

/** Their default action is nothing, or (stop signals) something that has no meaning for a process driven by a client. */
const IGNORED_BY_DEFAULT: readonly number[] = [SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];

/** What a process driven by a client starts with: an access that faults is reported, not deadly. */
export function initialDispositions(): Map<number, Disposition> {
  return new Map<number, Disposition>([
    [SIGSEGV, 'catch'],
    [SIGBUS, 'catch'],
  ]);
}

/** Linux: kernel/signal.c:do_sigaction() */
export function doSigaction(process: Process, signo: number, disposition: Disposition): number {
  if (signo < 1 || signo > SIGNAL_COUNT) return -EINVAL;
  if (signo === SIGKILL || signo === SIGSTOP) return -EINVAL;
  if (disposition !== 'catch' && disposition !== 'default') return -EINVAL;
  process.dispositions.set(signo, disposition);
  return 0;
}

/**
 * kill(2): 0, -EINVAL, -ESRCH. Signal 0 only asks whether the process is there. `pid` 0 is the sender's process group, -1
 * everybody else, and another negative number the group of that number. Linux: kernel/signal.c:kill_something_info()
 */
export function killSomethingInfo(sender: Process, pid: number, signo: number): number {
  if (signo < 0 || signo > SIGNAL_COUNT) return -EINVAL;
  const targets = targetsOf(sender, pid);
  if (targets.length === 0) return -ESRCH;
  for (const process of signo === 0 ? [] : targets) {
    sendSignal(process, signo, { signo, code: SI_USER, pid: sender.pid });
  }
  return 0;
}

function targetsOf(sender: Process, pid: number): Process[] {
  const { machine } = sender;
  if (pid > 0) {
    const process = machine.process(pid);
    return process === null || process.owner !== sender.owner ? [] : [process];
  }
  const own = machine.allProcesses().filter((process) => process.owner === sender.owner);
  if (pid === -1) return own.filter((process) => process !== sender);
  const group = pid === 0 ? sender.pgid : -pid;
  return own.filter((process) => process.pgid === group);
}

/** Delivers a signal to a process that may be in the kernel or not. Linux: part of kernel/signal.c:complete_signal() */
export function sendSignal(process: Process, signo: number, info: SignalInfo = { signo, code: SI_KERNEL }): void {
  if (process.state !== 'running') return;
  if (process.signals !== null) {
    process.signals.sendSignalLocked(info);
  } else if (process.dispositions.get(signo) === 'catch') {
    process.interruptWaits();
  } else if (!IGNORED_BY_DEFAULT.includes(signo)) {
    process.doGroupExit(signalStatus(signo));
  }
}

/** To one thread of a process. Linux: kernel/signal.c:do_send_specific() */
export function doSendSpecific(thread: Thread, info: SignalInfo): void {
  if (thread.isDead) return;
  const { signals } = thread.process;
  if (signals === null) sendSignal(thread.process, info.signo, info);
  else signals.sendSignalLocked(info, thread);
}

/** Tells a parent that runs a program; true when nobody is going to wait for the child. Linux: kernel/signal.c:do_notify_parent() */
export function doNotifyParent(parent: Process, child: Process): boolean {
  if (parent.signals === null) return false;
  const signo = child.exitSignal;
  const isUnwanted = signo === SIGCHLD && isChildUnwanted(parent.signals.actions[SIGCHLD]!);
  if (signo !== 0) sendSignal(parent, signo, { signo, pid: child.pid, ...childEnd(child.exitStatus ?? 0) });
  if (isUnwanted) parent.childEvents.wakeAll();
  return isUnwanted;
}

/** Code and status of a SIGCHLD, and what waitid(2) says, by the status word of wait(2). */
export function childEnd(status: number): { code: number; status: number } {
  if (WIFEXITED(status)) return { code: CLD_EXITED, status: WEXITSTATUS(status) };
  return { code: status & 0x80 ? CLD_DUMPED : CLD_KILLED, status: WTERMSIG(status) };
}

/** Tells a parent that a child has stopped or goes on. Linux: kernel/signal.c:do_notify_parent_cldstop() */
export function doNotifyParentCldstop(child: Process, code: number, status: number): void {
  const { parent } = child;
  if (parent === null) return;
  const action = parent.signals?.actions[SIGCHLD];
  if (action !== undefined && action.handler !== SIG_IGN && !(action.flags & SA_NOCLDSTOP)) {
    sendSignal(parent, SIGCHLD, { signo: SIGCHLD, code, pid: child.pid, status });
  }
  parent.childEvents.wakeAll();
}

function isChildUnwanted({ handler, flags }: SignalAction): boolean {
  return handler === SIG_IGN || (flags & SA_NOCLDWAIT) !== 0;
}
