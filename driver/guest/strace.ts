import {
  type CommandName,
  commandByNumber,
  commandSpelling,
  type Dialect,
  dialectByName,
  recordDataBytes,
} from '../../uapi/dialect.js';
import { errnoName } from '../../uapi/errno.js';
import { PAGEMAP_SCAN } from '../../uapi/pm-scan.js';
import { signalName } from '../../uapi/signal.js';
import { readU64 } from '../../uapi/u64.js';
import { UFFDIO, USERFAULTFD_IOC_NEW } from '../../uapi/userfaultfd.js';
import { peekString, peekUser } from '../sys/machine/peek-user.js';
import type { GuestSyscall } from './guest-syscall.js';
import type { GuestThread } from './guest-thread.js';
import { isRestart } from './restart.js';
import { NAMED } from './strace-names.js';

const SHOWN_BYTES = 32;

type Formatter = (guest: GuestThread, i: number) => string;

/** How an argument is shown, by its letter in the table; more letters are in strace-names.ts. */
const FORMATS: Readonly<Record<string, Formatter>> = {
  /** A signed int: descriptors, pids. */
  d(guest, i) {
    return String(guest.int(i));
  },
  /** A size or another unsigned number. */
  n(guest, i) {
    return String(guest.u(i));
  },
  l(guest, i) {
    return String(guest.s(i));
  },
  x(guest, i) {
    return hex(guest.u(i));
  },
  o(guest, i) {
    return `0${(guest.int(i) >>> 0).toString(8)}`;
  },
  p(guest, i) {
    return guest.u(i) === 0 ? 'NULL' : hex(guest.u(i));
  },
  /** A directory descriptor. */
  a(guest, i) {
    return guest.int(i) === -100 ? 'AT_FDCWD' : String(guest.int(i));
  },
  s(guest, i) {
    if (guest.u(i) === 0) return 'NULL';
    const text = peekString(guest.mm, guest.u(i));
    return text === null ? hex(guest.u(i)) : JSON.stringify(text);
  },
  /** Bytes that are written; their number is the next argument. */
  b(guest, i) {
    const len = guest.u(i + 1);
    const bytes = peekUser(guest.mm, guest.u(i), Math.min(len, SHOWN_BYTES));
    if (bytes === null) return hex(guest.u(i));
    return JSON.stringify(String.fromCharCode(...bytes)) + (len > SHOWN_BYTES ? '...' : '');
  },
  S(guest, i) {
    return signalName(guest.int(i));
  },
  /** The request of an ioctl, by name in the numbering of the open file. */
  i(guest, i) {
    return ioctlName(guest, guest.int(0), guest.int(i) >>> 0);
  },
  /** The record of an ioctl, where the dialect knows it. */
  I(guest, i) {
    const record = ioctlRecord(guest);
    if (record === null) return hex(guest.u(i));
    const asked = record.filter(({ name }) => !ANSWERS.includes(name));
    return `{${asked.map(fieldText).join(', ')}}`;
  },
};

/** Names of those that no dialect changes. */
const IOCTLS = new Map<number, string>([
  ...Object.entries(UFFDIO).map(([name, request]) => [request, `UFFDIO_${name}`] as const),
  [USERFAULTFD_IOC_NEW, 'USERFAULTFD_IOC_NEW'],
  [PAGEMAP_SCAN, 'PAGEMAP_SCAN'],
  [0x5401, 'TCGETS'],
  [0x5413, 'TIOCGWINSZ'],
  [0x541b, 'FIONREAD'],
]);

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** Of the dialect for a device, else one that Linux has for all. */
export function ioctlName(guest: GuestThread, fd: number, request: number): string {
  const { process } = guest;
  const path = process.files.get(fd)?.path ?? '';
  if (path.startsWith('/sys/kernel/debug/gup_')) return process.gupAbi.commands.get(request) ?? hex(request);
  const known = commandOf(guest, fd, request);
  if (known === null) return IOCTLS.get(request) ?? hex(request);
  return `HMM_DMIRROR_${commandSpelling(known.dialect, known.command)}`;
}

function commandOf(
  { process }: GuestThread,
  fd: number,
  request: number,
): { dialect: Dialect; command: CommandName } | null {
  const isDevice = process.files.get(fd)?.path.startsWith('/dev/hmm_dmirror') ?? false;
  const dialect = isDevice ? dialectByName(process.dialect) : undefined;
  const command = dialect === undefined ? undefined : commandByNumber(dialect, request);
  return command === undefined ? null : { dialect: dialect!, command };
}

interface Field {
  readonly name: string;
  readonly value: number;
}

/** The fields of the record that the ioctl in progress names, as they are now; null when they are not known. */
function ioctlRecord(guest: GuestThread): Field[] | null {
  const known = commandOf(guest, guest.int(0), guest.int(1) >>> 0);
  if (known === null) return null;
  const { records, recordOf } = known.dialect;
  const record = records.find(({ name }) => name === recordOf.get(known.command)) ?? records[0];
  if (record === undefined) return null;
  const bytes = peekUser(guest.mm, guest.u(2), recordDataBytes(record));
  if (bytes === null) return null;
  const view = new DataView(bytes.buffer);
  let at = 0;
  return record.fields.map((field) => {
    const [type, name] = field.split(' ') as [string, string];
    const value = type === '__u32' ? view.getUint32(at, true) : readU64(view, at);
    at += type === '__u32' ? 4 : 8;
    return { name, value };
  });
}

/** What the device answers in its record, whatever the dialect calls the rest. */
const ANSWERS = ['cpages', 'faults'];

function fieldText({ name, value }: Field): string {
  return `${name}=${/addr|ptr/.test(name) ? hex(value) : value}`;
}

/** What a call has put into its record. */
export function answerText(guest: GuestThread, { name }: GuestSyscall): string {
  const record = name === 'ioctl' ? ioctlRecord(guest) : null;
  const answers = record?.filter((field) => ANSWERS.includes(field.name)) ?? [];
  return answers.length === 0 ? '' : ` {${answers.map(fieldText).join(', ')}}`;
}

/** A call with its arguments, as they are before it runs. */
export function callText(guest: GuestThread, { name, args }: GuestSyscall): string {
  const shown: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const named = NAMED[args[i]!];
    shown.push(named === undefined ? FORMATS[args[i]!]!(guest, i) : named(guest.int(i)));
  }
  return `${name}(${shown.join(', ')})`;
}

export function resultText(ret: number): string {
  if (isRestart(ret)) return '? (a signal came)';
  if (ret < 0) return `-1 ${errnoName(-ret)}`;
  return ret > 0xffff ? hex(ret) : String(ret);
}
