import { SIGKILL, SIGSTOP } from '../../../uapi/signal.js';

/** A set of the signals 1 to 64, as two 32-bit halves: bit 0 of `lo` is signal 1. Linux: sigset_t */
export interface SignalSet {
  readonly lo: number;
  readonly hi: number;
}

export const NO_SIGNALS: SignalSet = { lo: 0, hi: 0 };
/** What no program can block. */
const UNBLOCKABLE: SignalSet = signalSet(SIGKILL, SIGSTOP);

export function signalSet(...signos: number[]): SignalSet {
  return signos.reduce((set, signo) => union(set, single(signo)), NO_SIGNALS);
}

function single(signo: number): SignalSet {
  return signo <= 32 ? { lo: 1 << (signo - 1), hi: 0 } : { lo: 0, hi: 1 << (signo - 33) };
}

export function hasSignal({ lo, hi }: SignalSet, signo: number): boolean {
  return ((signo <= 32 ? lo >>> (signo - 1) : hi >>> (signo - 33)) & 1) !== 0;
}

export function union(a: SignalSet, b: SignalSet): SignalSet {
  return { lo: a.lo | b.lo, hi: a.hi | b.hi };
}

export function without(a: SignalSet, b: SignalSet): SignalSet {
  return { lo: a.lo & ~b.lo, hi: a.hi & ~b.hi };
}

/** `set` as a mask may be: without SIGKILL and SIGSTOP. */
export function blockable(set: SignalSet): SignalSet {
  return without(set, UNBLOCKABLE);
}
