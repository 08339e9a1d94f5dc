import type { CallArg } from '../../uapi/system-call.js';
import type { Coroutine } from '../core/effect.js';
import { syscalls } from '../sys/calls/syscalls.js';
import type { GuestThread } from './guest-thread.js';

/** A system call of riscv64 Linux. */
export interface GuestSyscall {
  readonly name: string;
  /** One letter an argument, for strace; see `strace.ts`. */
  readonly args: string;
  /** How far it is supported. */
  readonly note: string;
  /** When a signal interrupts it: how it begins again, by the rules of restart.ts; absent: -EINTR. */
  readonly restart?: number;
  /** Arguments are read from the registers of `guest`; 0 or more, or a negative errno. */
  run(guest: GuestThread): Coroutine<number>;
}

/** By number. */
export type GuestSyscallTable = Readonly<Record<number, GuestSyscall>>;

/** What a call of the machine's one table answers: no door has a behaviour of its own. */
export function* machineCall(guest: GuestThread, name: string, ...args: CallArg[]): Coroutine<number> {
  const result = yield* syscalls[name]!.run(guest.thread, args);
  return typeof result === 'number' ? result : result.ret;
}

/** A call that does nothing and says so. */
export function fixed(name: string, args: string, { ret, note }: { ret: number; note: string }): GuestSyscall {
  return {
    name,
    args,
    note,
    *run() {
      return ret;
    },
  };
}
