import {
  SIGABRT,
  SIGBUS,
  SIGCHLD,
  SIGCONT,
  SIGFPE,
  SIGILL,
  SIGKILL,
  SIGQUIT,
  SIGSEGV,
  SIGSYS,
  SIGTRAP,
  SIGURG,
  SIGWINCH,
  SIGXCPU,
  SIGXFSZ,
  signalStatus,
} from '../../../uapi/signal.js';
import { JobControl } from './job-control.js';
import type { Process } from './process.js';
import { DEFAULT_ACTION, SIG_DFL, SIG_IGN, type SignalAction } from './signal-action.js';
import type { SignalInfo } from './signal-info.js';
import { hasSignal, NO_SIGNALS, type SignalSet } from './signal-set.js';
import type { Thread } from './thread.js';

/** First of the signals of which each one sent is kept. */
const SIGRTMIN = 32;
const SIGNAL_COUNT = 64;
/** Signals that wait in one queue. */
const MAX_PENDING = 1024;
const CORE_FLAG = 0x80;

const IGNORED_BY_DEFAULT = [SIGCHLD, SIGCONT, SIGURG, SIGWINCH];
const DUMPING = [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS];

/** The stack that handlers with SA_ONSTACK run on; `flags` as sigaltstack(2) has them. */
export interface AltStack {
  readonly sp: number;
  readonly size: number;
  readonly flags: number;
}

export const SS_DISABLE = 2;
export const NO_ALT_STACK: AltStack = { sp: 0, size: 0, flags: SS_DISABLE };

/** What each thread of a program has of its own. */
export class ThreadSignals {
  mask: SignalSet = NO_SIGNALS;
  /** The mask to go back to after a handler that interrupts sigsuspend or ppoll; null: none. Linux: saved_sigmask */
  savedMask: SignalSet | null = null;
  readonly pending: SignalInfo[] = [];
  /** It is to stop on its way to user mode. Linux: JOBCTL_STOP_PENDING */
  stopPending = false;
  altStack = NO_ALT_STACK;
}

/** Signals of a process that runs a program: handlers, queues and masks. Linux: struct sighand_struct, signal_struct */
export class ProgramSignals {
  actions: SignalAction[] = new Array<SignalAction>(SIGNAL_COUNT + 1).fill(DEFAULT_ACTION);
  /** For whichever thread takes it. */
  readonly pending: SignalInfo[] = [];

  readonly jobs: JobControl;

  constructor(private readonly process: Process) {
    this.jobs = new JobControl(process, this);
  }

  /** A child has the actions, or with CLONE_SIGHAND shares them; what is pending stays behind. Linux: kernel/fork.c:copy_sighand() */
  copySighand({ actions }: ProgramSignals, isShared: boolean): void {
    this.actions = isShared ? actions : [...actions];
  }

  /** execve(2): handlers are gone with the program, what is ignored stays so. Linux: kernel/signal.c:flush_signal_handlers() */
  flushSignalHandlers(): void {
    this.actions = this.actions.map((action) =>
      action.handler === SIG_IGN ? { ...DEFAULT_ACTION, handler: SIG_IGN } : DEFAULT_ACTION,
    );
  }

  /** Linux: kernel/signal.c:sig_ignored() */
  sigIgnored(signo: number): boolean {
    const { handler } = this.actions[signo]!;
    if (handler === SIG_IGN) return true;
    return handler === SIG_DFL && IGNORED_BY_DEFAULT.includes(signo);
  }

  /** To one thread, or with null to the process. Linux: kernel/signal.c:__send_signal_locked() */
  sendSignalLocked(info: SignalInfo, thread: Thread | null = null): void {
    const { process } = this;
    if (info.signo === SIGKILL) {
      process.doGroupExit(signalStatus(SIGKILL));
      return;
    }
    this.jobs.prepareSignal(info.signo);
    const candidates = thread === null ? process.threads : [thread];
    const taker = candidates.find((t) => t.signals !== null && !hasSignal(t.signals.mask, info.signo)) ?? null;
    if (taker !== null && this.sigIgnored(info.signo)) return;
    const queue = thread?.signals?.pending ?? this.pending;
    // Linux: RLIMIT_SIGPENDING
    if (queue.length >= MAX_PENDING) return;
    if (info.signo < SIGRTMIN && queue.some(({ signo }) => signo === info.signo)) return;
    queue.push(info);
    taker?.signalWakeUp();
  }

  /** Forgets signals of these numbers that wait for a thread or for all of them. Linux: kernel/signal.c:flush_sigqueue_mask() */
  flushSigqueueMask(signos: readonly number[]): void {
    for (const queue of [this.pending, ...this.process.threads.map((thread) => thread.signals!.pending)]) {
      for (const info of queue.filter(({ signo }) => signos.includes(signo))) queue.splice(queue.indexOf(info), 1);
    }
  }

  /** Takes the next signal that `thread` does not block: faults first, then by number. Linux: kernel/signal.c:dequeue_signal() */
  dequeueSignal(thread: Thread): SignalInfo | null {
    return this.take(thread, (signo) => !hasSignal(thread.signals!.mask, signo));
  }

  /** Takes a signal of `set`, blocked or not, for sigtimedwait(2). */
  dequeueOf(thread: Thread, set: SignalSet): SignalInfo | null {
    return this.take(thread, (signo) => hasSignal(set, signo));
  }

  private take(thread: Thread, isWanted: (signo: number) => boolean): SignalInfo | null {
    for (const queue of [thread.signals!.pending, this.pending]) {
      const wanted = queue.filter(({ signo }) => isWanted(signo));
      if (wanted.length === 0) continue;
      const first = wanted.reduce((a, b) => (b.signo < a.signo ? b : a));
      queue.splice(queue.indexOf(first), 1);
      return first;
    }
    return null;
  }

  /** The default action: the process's end, or nothing. */
  actByDefault({ signo }: SignalInfo): void {
    if (this.sigIgnored(signo)) return;
    this.process.doGroupExit(signalStatus(signo) | (DUMPING.includes(signo) ? CORE_FLAG : 0));
  }
}

/** A signal waits that the thread does not block and that does something, or it is to stop. Linux: include/linux/sched/signal.h:signal_pending() */
export function signalPending(thread: Thread): boolean {
  const { signals } = thread;
  const program = thread.process.signals;
  if (signals === null || program === null) return false;
  if (signals.stopPending) return true;
  if (signals.pending.length === 0 && program.pending.length === 0) return false;
  const counts = ({ signo }: SignalInfo): boolean => !hasSignal(signals.mask, signo) && !program.sigIgnored(signo);
  return signals.pending.some(counts) || program.pending.some(counts);
}

/** The signals that wait for a thread. Linux: kernel/signal.c:do_sigpending() */
export function doSigpending(thread: Thread): number[] {
  const all = [...(thread.signals?.pending ?? []), ...(thread.process.signals?.pending ?? [])];
  return all.map(({ signo }) => signo);
}
