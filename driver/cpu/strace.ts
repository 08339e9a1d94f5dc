import { commandByNumber, commandSpelling, dialectByName } from '../../uapi/dialect.js';
import { errnoName } from '../../uapi/errno.js';
import { signalName } from '../../uapi/signal.js';
import type { Coroutine } from '../core/effect.js';
import { readUser, readUserString } from '../sys/user-memory.js';
import type { GuestSyscall } from './guest-syscall.js';
import type { GuestThread } from './guest-thread.js';
import { isRestart } from './restart.js';

const SHOWN_BYTES = 32;

type Formatter = (guest: GuestThread, i: number) => Coroutine<string>;

/** How an argument is shown, by its letter in the table. */
const FORMATS: Readonly<Record<string, Formatter>> = {
  /** A signed int: descriptors, pids. */
  *d(guest, i) {
    return String(guest.int(i));
  },
  /** A size or another unsigned number. */
  *n(guest, i) {
    return String(guest.u(i));
  },
  *l(guest, i) {
    return String(guest.s(i));
  },
  *x(guest, i) {
    return hex(guest.u(i));
  },
  *o(guest, i) {
    return `0${(guest.int(i) >>> 0).toString(8)}`;
  },
  *p(guest, i) {
    return guest.u(i) === 0 ? 'NULL' : hex(guest.u(i));
  },
  /** A directory descriptor. */
  *a(guest, i) {
    return guest.int(i) === -100 ? 'AT_FDCWD' : String(guest.int(i));
  },
  *s(guest, i) {
    if (guest.u(i) === 0) return 'NULL';
    const text = yield* readUserString(guest.mm, guest.u(i));
    return typeof text === 'number' ? hex(guest.u(i)) : JSON.stringify(text);
  },
  /** Bytes that are written; their number is the next argument. */
  *b(guest, i) {
    const len = guest.u(i + 1);
    const bytes = yield* readUser(guest.mm, guest.u(i), Math.min(len, SHOWN_BYTES));
    if (typeof bytes === 'number') return hex(guest.u(i));
    return JSON.stringify(String.fromCharCode(...bytes)) + (len > SHOWN_BYTES ? '...' : '');
  },
  *S(guest, i) {
    return signalName(guest.int(i));
  },
  *P(guest, i) {
    return flags(guest.int(i), ['PROT_READ', 'PROT_WRITE', 'PROT_EXEC'], 'PROT_NONE');
  },
  /** The request of an ioctl, by name in the numbering of the open file. */
  *i(guest, i) {
    return ioctlName(guest, guest.int(0), guest.int(i) >>> 0);
  },
};

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function flags(value: number, names: readonly string[], none: string): string {
  const set = names.filter((_, bit) => value & (1 << bit));
  const rest = value & ~((1 << names.length) - 1);
  if (rest !== 0) set.push(hex(rest >>> 0));
  return set.length === 0 ? none : set.join('|');
}

function ioctlName({ process }: GuestThread, fd: number, request: number): string {
  const path = process.files.get(fd)?.path ?? '';
  if (path.startsWith('/sys/kernel/debug/gup_')) return process.gupAbi.commands.get(request) ?? hex(request);
  const dialect = path.startsWith('/dev/hmm_dmirror') ? dialectByName(process.dialect) : undefined;
  const command = dialect === undefined ? undefined : commandByNumber(dialect, request);
  return command === undefined ? hex(request) : `HMM_DMIRROR_${commandSpelling(dialect!, command)}`;
}

/** A call with its arguments, as they are before it runs. */
export function* callText(guest: GuestThread, { name, args }: GuestSyscall): Coroutine<string> {
  const shown: string[] = [];
  for (let i = 0; i < args.length; i++) shown.push(yield* FORMATS[args[i]!]!(guest, i));
  return `${name}(${shown.join(', ')})`;
}

export function resultText(ret: number): string {
  if (isRestart(ret)) return '? (a signal came)';
  if (ret < 0) return `-1 ${errnoName(-ret)}`;
  return ret > 0xffff ? hex(ret) : String(ret);
}
