import { EINVAL, ESRCH } from '../../uapi/errno.js';
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
} from '../../uapi/signal.js';
import type { Process } from './process.js';

export const SIGNAL_COUNT = 64;

/** `catch`: the thread goes on (an access that caused it stops and reports it). `default`: mostly the process's end. */
export type Disposition = 'catch' | 'default';

/** Their default action is nothing, or (stop signals) something that has no meaning here. */
const IGNORED_BY_DEFAULT: readonly number[] = [SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];

/** What a process driven by a client starts with: an access that faults is reported, not deadly. */
export function initialDispositions(): Map<number, Disposition> {
  return new Map<number, Disposition>([
    [SIGSEGV, 'catch'],
    [SIGBUS, 'catch'],
  ]);
}

/** Linux: kernel/signal.c:do_sigaction() */
export function setDisposition(process: Process, signo: number, disposition: Disposition): number {
  if (signo < 1 || signo > SIGNAL_COUNT) return -EINVAL;
  if (signo === SIGKILL || signo === SIGSTOP) return -EINVAL;
  process.dispositions.set(signo, disposition);
  return 0;
}

/** kill(2): 0, -EINVAL, -ESRCH. Signal 0 only asks whether the process is there. */
export function kill(sender: Process, pid: number, signo: number): number {
  if (signo < 0 || signo > SIGNAL_COUNT) return -EINVAL;
  const process = sender.machine.process(pid);
  if (process === null || process.owner !== sender.owner) return -ESRCH;
  if (signo !== 0) sendSignal(process, signo);
  return 0;
}

/** Delivers a signal to a process that may be in the kernel or not. Linux: kernel/signal.c:complete_signal() */
export function sendSignal(process: Process, signo: number): void {
  if (process.dispositions.get(signo) === 'catch') {
    process.interruptWaits();
  } else if (!IGNORED_BY_DEFAULT.includes(signo)) {
    process.groupExit(signalStatus(signo));
  }
}
