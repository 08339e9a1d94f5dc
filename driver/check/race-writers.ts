import type { CommandName } from '../../uapi/dialect.js';
import { HMM_DMIRROR_CMD_BYTES } from '../../uapi/hmm-dmirror.js';
import * as mman from '../../uapi/mman.js';
import type { Command } from '../dmirror/index.js';
import type { Mm } from '../mm/vmas/mm.js';
import type { Call, Thread } from '../sys/processes/thread.js';
import { ioctlFill, isUserfaultFill } from './ioctl-fills.js';

const PAGE_SIZE = 4096;

export interface MemoryRange {
  readonly mm: Mm;
  readonly start: number;
  readonly end: number;
}

/** A call of a race: when it began and ended, by steps, and the command of a device that it turned out to be. */
export interface RaceCall {
  readonly thread: Thread;
  readonly call: Call;
  begin: number;
  end: number;
  command: { readonly name: CommandName; readonly of: Command } | null;
}

/** What a call gives to a range of memory; the page and offset decide where in bytes from elsewhere. */
export interface Writer extends MemoryRange {
  readonly by: RaceCall;
  /** It has; otherwise it may have. */
  readonly isSure: boolean;
  readonly holds: Uint8Array | 'zeroes' | 'anything' | { readonly mm: Mm; readonly addr: number };
}

/** Calls that change no private memory of the caller's. */
const QUIET: ReadonlySet<string> = new Set('load mprotect open close fork exit thread pread khugepaged'.split(' '));
const ZEROES: ReadonlySet<number> = new Set([mman.MADV_DONTNEED, mman.MADV_DONTNEED_LOCKED]);
const FIRST_POISONING_ADVICE = 100;

/** What each call writes, and what it names; null when there is a call of which that is not known. `isStrict`: WRITE never misses a page. */
export function writersOf(calls: readonly RaceCall[], isStrict: boolean): Writer[] | null {
  const writers: Writer[] = [];
  for (const by of calls) {
    const { mm } = by.thread.process;
    const { name, args, result } = by.call;
    const add = (start: number, end: number, holds: Writer['holds'], isSure = false): void => {
      writers.push({ by, mm, start, end, holds, isSure });
    };
    const ret = result === undefined || result.signal !== undefined ? -1 : result.ret;
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = args as number[];
    const end = a + Math.ceil(b / PAGE_SIZE) * PAGE_SIZE;
    if (name === 'store') {
      const bytes = args[1] as Uint8Array;
      add(a, a + bytes.length, bytes, ret === bytes.length);
    } else if (name === 'munmap') add(a, end, 'zeroes', ret === 0);
    else if (name === 'madvise' && (ZEROES.has(c) || c === mman.MADV_FREE))
      add(a, end, 'zeroes', ret === 0 && c !== mman.MADV_FREE);
    else if (name === 'madvise') {
      if (c === mman.MADV_REMOVE || c >= FIRST_POISONING_ADVICE) add(a, end, 'anything');
    } else if (name === 'mmap') {
      const isPrivate = (d & mman.MAP_ANONYMOUS) !== 0 && (d & mman.MAP_TYPE) === mman.MAP_PRIVATE;
      const at = ret < 0 ? a : ret;
      add(at, at + (end - a), isPrivate ? 'zeroes' : 'anything', ret >= 0);
    } else if (name === 'mremap') {
      add(a, end, 'anything');
      for (const to of [ret, e]) if (to > 0) add(to, to + Math.ceil(c / PAGE_SIZE) * PAGE_SIZE, 'anything');
    } else if (name === 'ioctl' || name === 'ioctlBytes') {
      if (name === 'ioctl' && isUserfaultFill(b)) return null;
      const fill = name === 'ioctl' ? null : ioctlFill(b, args[2] as Uint8Array);
      for (const range of [fill?.to, fill?.from]) if (range) add(range.start, range.end, 'anything');
      const record = name === 'ioctl' ? c : by.thread.scratchAddr;
      add(record, record + HMM_DMIRROR_CMD_BYTES, 'anything');
      if (by.command !== null) writers.push(...commandWriters(by, by.command, ret === 0 && isStrict));
    } else if (!QUIET.has(name)) return null;
  }
  return writers;
}

function commandWriters(by: RaceCall, { name, of }: NonNullable<RaceCall['command']>, isSure: boolean): Writer[] {
  const { file, callerMm, addr, end, ptr, npages } = of;
  if (name === 'WRITE') return [{ by, mm: file.mm, start: addr, end, isSure, holds: { mm: callerMm, addr: ptr } }];
  const start = ptr - (ptr % PAGE_SIZE);
  return [{ by, mm: callerMm, start, end: start + (npages + 1) * PAGE_SIZE, isSure: false, holds: 'anything' }];
}

/** The memory that a call is about, written or not. */
export function rangeOf({ thread, call, command }: RaceCall): MemoryRange | null {
  if (command !== null) return { mm: command.of.file.mm, start: command.of.addr, end: command.of.end };
  const [start, length] = call.args;
  if (typeof start !== 'number' || call.name === 'ioctl' || call.name === 'ioctlBytes') return null;
  const bytes = typeof length === 'number' ? length : length instanceof Uint8Array ? length.length : 0;
  return { mm: thread.process.mm, start, end: start + bytes };
}
