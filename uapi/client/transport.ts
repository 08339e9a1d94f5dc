// What a client needs of whatever carries its calls: a socket, or the machine in the same Node process.

import { errnoName } from '../errno.js';
import { signalName } from '../signal.js';
import type { CallArg, CallResult } from '../system-call.js';

/** Carries system calls of threads, in the order they are issued per thread. Calls of different threads run at the same time. */
export interface Transport {
  /** Numbering of the device files that its processes open; the package's own when left out. */
  readonly dialect?: string;
  /**
   * Issue a call at once, before the first await of whoever calls; rejects only when the machine or the connection is gone. What a load
   * answers may be put into `into`, which is as long as what it asks for; then `bytes` is a view of that.
   */
  call(tid: number, name: string, args: CallArg[], into?: Uint8Array): Promise<CallResult>;
  /** A new process with one thread; resolves to its pid, which is also the thread's tid. */
  createProcess(): Promise<number>;
  close(): Promise<void>;
}

/** A system call answered an errno where the caller needed success. */
export class SyscallError extends Error {
  /** Positive. */
  readonly errno: number;

  constructor(what: string, ret: number) {
    super(`${what}: -${errnoName(ret)}`);
    this.name = 'SyscallError';
    this.errno = -ret;
  }
}

/** A load or store met a signal. */
export class SignalError extends Error {
  readonly signo: number;
  readonly code: number;
  /** The faulting address. */
  readonly addr: number;

  constructor(what: string, signal: { signo: number; code: number; addr: number }) {
    super(`${what}: ${signalName(signal.signo)} (code ${signal.code}) at 0x${signal.addr.toString(16)}`);
    this.name = 'SignalError';
    this.signo = signal.signo;
    this.code = signal.code;
    this.addr = signal.addr;
  }
}

/** A result that is 0 or positive, else throws SyscallError naming `what`. */
export function must(what: string, ret: number): number {
  if (ret < 0) throw new SyscallError(what, ret);
  return ret;
}
