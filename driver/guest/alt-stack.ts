import { EINVAL, ENOMEM, EPERM } from '../../uapi/errno.js';
import { type AltStack, NO_ALT_STACK, SS_DISABLE, type ThreadSignals } from '../sys/processes/program-signals.js';
import { SA_ONSTACK } from '../sys/processes/signal-action.js';

const SS_ONSTACK = 1;
/** A handler that runs on the stack finds none set, so that it may leave the stack for good. */
const SS_AUTODISARM = 0x80000000 | 0;
const MINSIGSTKSZ = 2048;

/** Linux: include/linux/sched/signal.h:__on_sig_stack() */
function onSigStackRange({ sp: base, size }: AltStack, sp: number): boolean {
  return sp > base && sp - base <= size;
}

/** Linux: include/linux/sched/signal.h:on_sig_stack() */
function onSigStack(stack: AltStack, sp: number): boolean {
  return !(stack.flags & SS_AUTODISARM) && onSigStackRange(stack, sp);
}

/** What sigaltstack(2) says of the stack that is set. Linux: include/linux/sched/signal.h:sas_ss_flags(), and SS_FLAG_BITS */
export function sasSsFlags(stack: AltStack, sp: number): number {
  const kept = stack.flags & SS_AUTODISARM;
  if (stack.size === 0) return SS_DISABLE | kept;
  return (onSigStack(stack, sp) ? SS_ONSTACK : 0) | kept;
}

/** Sets another stack while the program's own is at `sp`; 0, -EPERM, -EINVAL, -ENOMEM. Linux: kernel/signal.c:do_sigaltstack() */
export function doSigaltstack(signals: ThreadSignals, stack: AltStack, sp: number): number {
  if (onSigStack(signals.altStack, sp)) return -EPERM;
  const mode = stack.flags & ~SS_AUTODISARM;
  if (mode !== SS_DISABLE && mode !== SS_ONSTACK && mode !== 0) return -EINVAL;
  if (mode === SS_DISABLE) signals.altStack = { ...NO_ALT_STACK, flags: stack.flags };
  else if (stack.size < MINSIGSTKSZ) return -ENOMEM;
  else signals.altStack = stack;
  return 0;
}

/**
 * Where the frame of a handler goes; null when it would leave the stack for handlers at its lower end.
 * Linux: arch/riscv/kernel/signal.c:get_sigframe()
 */
export function getSigframe(
  stack: AltStack,
  sp: number,
  { flags, bytes }: { flags: number; bytes: number },
): number | null {
  if (onSigStack(stack, sp) && !onSigStackRange(stack, sp - bytes)) return null;
  const enters = flags & SA_ONSTACK && stack.size > 0 && !onSigStack(stack, sp);
  return Math.floor(((enters ? stack.sp + stack.size : sp) - bytes) / 16) * 16;
}

/** A handler begins, its frame keeps what was set. Linux: part of kernel/signal.c:signal_delivered() */
export function disarm(signals: ThreadSignals): void {
  if (signals.altStack.flags & SS_AUTODISARM) signals.altStack = NO_ALT_STACK;
}
