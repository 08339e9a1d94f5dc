import { SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP, SIGTRAP, signalStatus } from '../../uapi/signal.js';
import type { Coroutine } from '../core/effect.js';
import { STOP_SIGNALS, willBecomeOrphanedPgrp } from '../sys/processes/job-control.js';
import {
  DEFAULT_ACTION,
  SA_NODEFER,
  SA_RESETHAND,
  SA_RESTART,
  SIG_DFL,
  SIG_IGN,
  type SignalAction,
} from '../sys/processes/signal-action.js';
import { SI_KERNEL, type SignalInfo } from '../sys/processes/signal-info.js';
import { blockable, hasSignal, NO_SIGNALS, signalSet, union, without } from '../sys/processes/signal-set.js';
import { readUserView, writeUser } from '../sys/processes/user-memory.js';
import { disarm, doSigaltstack, getSigframe } from './alt-stack.js';
import { crashReport } from './crash-report.js';
import { SIGRETURN_PAGE } from './exec.js';
import type { GuestThread } from './guest-thread.js';
import { ERESTARTNOINTR, ERESTARTSYS } from './restart.js';
import { decodeFrame, encodeFrame, FRAME_BYTES, INFO_OFFSET, UCONTEXT_OFFSET } from './signal-frame.js';

const RA = 1;
const SP = 2;
const A0 = 10;

/** Signals that the program's own instructions cause. */
const FAULTS = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP];

/** Whether `archDoSignalOrRestart` may find anything to do. Linux: TIF_SIGPENDING, and what else keeps a thread from its program */
export function hasSignalWork({ thread, process, pendingRestart }: GuestThread): boolean {
  const { pending, stopPending, savedMask } = thread.signals!;
  const program = process.signals!;
  if (pending.length > 0 || program.pending.length > 0) return true;
  return stopPending || savedMask !== null || pendingRestart !== 0 || program.jobs.hasNotice;
}

/** Handlers and default actions of what is pending, before the program goes on. Linux: kernel/entry/common.c:arch_do_signal_or_restart() */
export function* archDoSignalOrRestart(guest: GuestThread): Coroutine<void> {
  const { thread } = guest;
  const signals = thread.signals!;
  const program = guest.process.signals!;
  while (!thread.task.killed) {
    program.jobs.notifyParent();
    if (signals.stopPending) {
      yield* program.jobs.stop(thread);
      continue;
    }
    const info = program.dequeueSignal(thread);
    if (info === null) break;
    const action = program.actions[info.signo]!;
    if (action.handler === SIG_IGN) continue;
    if (action.handler === SIG_DFL && STOP_SIGNALS.includes(info.signo)) {
      if (info.signo === SIGSTOP || !willBecomeOrphanedPgrp(guest.process)) program.jobs.doSignalStop(info.signo);
    } else if (action.handler === SIG_DFL) {
      if (FAULTS.includes(info.signo) && info.code > 0 && info.code !== SI_KERNEL) report(guest, info);
      program.actByDefault(info);
    } else {
      yield* handleSignal(guest, info, action);
      return;
    }
  }
  if (thread.task.killed) return;
  if (guest.pendingRestart !== 0) guest.restartSyscall();
  if (signals.savedMask !== null) {
    signals.mask = signals.savedMask;
    signals.savedMask = null;
  }
}

/** A signal that can't be put off: blocked or ignored, it is deadly. Linux: kernel/signal.c:force_sig_info_to_task() */
export function forceSigInfoToTask(guest: GuestThread, info: SignalInfo): void {
  const { process, thread } = guest;
  const program = process.signals!;
  const signals = thread.signals!;
  if (info.signo === SIGKILL) {
    process.doGroupExit(signalStatus(SIGKILL));
    return;
  }
  const { handler } = program.actions[info.signo]!;
  if (handler === SIG_IGN || hasSignal(signals.mask, info.signo)) {
    program.actions[info.signo] = DEFAULT_ACTION;
    signals.mask = without(signals.mask, signalSet(info.signo));
  }
  signals.pending.unshift(info);
}

function report(guest: GuestThread, info: SignalInfo): void {
  guest.host.crashed(crashReport(guest, info));
}

/** Linux: arch/riscv/kernel/signal.c:setup_rt_frame(), handle_signal() */
function* handleSignal(guest: GuestThread, info: SignalInfo, action: SignalAction): Coroutine<void> {
  const { cpu, thread } = guest;
  const signals = thread.signals!;
  if (guest.pendingRestart === ERESTARTNOINTR) guest.restartSyscall();
  if (guest.pendingRestart === ERESTARTSYS && action.flags & SA_RESTART) guest.restartSyscall();
  guest.pendingRestart = 0;
  guest.restartDeadline = null;
  const { altStack } = signals;
  const frame = getSigframe(altStack, cpu.unsigned(SP), { flags: action.flags, bytes: FRAME_BYTES });
  const mask = signals.savedMask ?? signals.mask;
  signals.savedMask = null;
  const context = { mask, altStack };
  if (frame === null || (yield* writeUser(guest.mm, frame, encodeFrame(cpu, info, context))) !== 0) {
    forceSigInfoToTask(guest, { signo: SIGSEGV, code: SI_KERNEL, addr: frame ?? 0 });
    if (info.signo === SIGSEGV) guest.process.doGroupExit(signalStatus(SIGSEGV));
    return;
  }
  disarm(signals);
  const own = action.flags & SA_NODEFER ? NO_SIGNALS : signalSet(info.signo);
  signals.mask = blockable(union(union(signals.mask, action.mask), own));
  if (action.flags & SA_RESETHAND) {
    guest.process.signals!.actions[info.signo] = { ...action, handler: SIG_DFL };
  }
  cpu.set(RA, SIGRETURN_PAGE);
  cpu.set(SP, frame);
  cpu.set(A0, info.signo);
  cpu.set(A0 + 1, frame + INFO_OFFSET);
  cpu.set(A0 + 2, frame + UCONTEXT_OFFSET);
  cpu.pc = action.handler;
}

/** rt_sigreturn(2): the registers, the mask and the stack for handlers of before the handler. A frame that can't be read is deadly. */
export function* sigreturn(guest: GuestThread): Coroutine<number> {
  const { cpu, thread, mm } = guest;
  guest.keepsRegisters = true;
  const view = yield* readUserView(mm, cpu.unsigned(SP), FRAME_BYTES);
  if (typeof view === 'number') {
    forceSigInfoToTask(guest, { signo: SIGSEGV, code: SI_KERNEL, addr: cpu.unsigned(SP) });
    return 0;
  }
  const signals = thread.signals!;
  const { mask, altStack } = decodeFrame(cpu, view);
  signals.mask = blockable(mask);
  // What can't be set, as the program is on that stack already, is left. Linux: kernel/signal.c:restore_altstack()
  doSigaltstack(signals, altStack, cpu.unsigned(SP));
  return 0;
}
