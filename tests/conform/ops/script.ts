// An op as the system calls that it makes, so that it can be run alone or beside others.

import { pfnAt } from '../../../driver/mm/tables/page-table-text.js';
import type { Thread } from '../../../driver/sys/processes/thread.js';
import { O_RDWR } from '../../../uapi/fcntl.js';
import { PAGE_SIZE } from '../../../uapi/mman.js';
import type { CallArg, CallResult } from '../../../uapi/system-call.js';
import type { World } from './world.js';

/** One system call of an op. */
interface UserCall {
  readonly thread: Thread;
  readonly name: string;
  readonly args: readonly CallArg[];
}

/** Yields its calls one by one, is given the result of each, and answers. */
export type Script<T> = Generator<UserCall, T, CallResult>;

/** Who runs an op: which thread of each process, and where its records and buffers are. */
export interface Seat {
  readonly world: World;
  readonly recordAddr: number;
  readonly bufferAddr: number;
  threadOf(p: number): Thread;
}

export function* call(seat: Seat, p: number, name: string, ...args: CallArg[]): Script<CallResult> {
  return yield { thread: seat.threadOf(p), name, args };
}

/** A call that the op is not about, so it has to go well. */
export function* must(seat: Seat, p: number, name: string, ...args: CallArg[]): Script<CallResult> {
  const result = yield* call(seat, p, name, ...args);
  if (result.ret < 0 || result.signal) throw new Error(`${name} of the replayer itself fails: ${result.ret}`);
  return result;
}

/** What a program has done before its op begins: fills memory of its own. It is no step of the op where the memory is there already. */
export function* poke(seat: Seat, p: number, addr: number, bytes: Uint8Array): Script<void> {
  const { watch } = seat.world;
  watch?.poked(seat.threadOf(p).process.pid, addr, bytes);
  if (
    !eachPage(seat.world, { p, addr, length: bytes.length }, (at, from, to) => {
      seat.world.machine.memory.contentChanges(Math.floor(at / PAGE_SIZE));
      seat.world.machine.memory.bytes.set(bytes.subarray(from, to), at);
    })
  )
    yield* must(seat, p, 'store', addr, bytes);
}

/** What a program looks at when its op is over. */
export function* peek(seat: Seat, p: number, addr: number, length: number): Script<Uint8Array> {
  const out = new Uint8Array(length);
  const { memory } = seat.world.machine;
  if (
    eachPage(seat.world, { p, addr, length }, (at, from, to) =>
      out.set(memory.bytes.subarray(at, at + to - from), from),
    )
  )
    return out;
  return (yield* must(seat, p, 'load', addr, length)).bytes!;
}

/** Calls `visit` with where each page's part lies in RAM; false, with nothing done, when a page is not mapped. */
function eachPage(
  world: World,
  { p, addr, length }: { p: number; addr: number; length: number },
  visit: (at: number, from: number, to: number) => void,
): boolean {
  const { mm } = world.actor(p).thread.process;
  const parts: [at: number, from: number, to: number][] = [];
  for (let from = 0; from < length; ) {
    const at = addr + from;
    const pfn = pfnAt(mm, Math.floor(at / PAGE_SIZE));
    if (pfn === 0) return false;
    const to = Math.min(length, from + PAGE_SIZE - (at % PAGE_SIZE));
    parts.push([pfn * PAGE_SIZE + (at % PAGE_SIZE), from, to]);
    from = to;
  }
  for (const part of parts) visit(...part);
  return true;
}

/** An ioctl whose record stands in process memory; answers its result and the record afterwards. */
export function* ioctl(
  seat: Seat,
  p: number,
  { fd, cmd, record, dialect }: { fd: number; cmd: number; record: Uint8Array; dialect?: string },
): Script<{ ret: number; record: Uint8Array }> {
  yield* poke(seat, p, seat.recordAddr, record);
  const more = dialect === undefined ? [] : [dialect];
  const { ret } = yield* call(seat, p, 'ioctl', fd, cmd, seat.recordAddr, ...more);
  return { ret, record: yield* peek(seat, p, seat.recordAddr, record.length) };
}

/** The process's own descriptor of a special file, opened at its first use. */
export function* fdOf(seat: Seat, p: number, path: string, flags: number): Script<number> {
  const { fds } = seat.world.actor(p);
  const fd = fds.get(path) ?? (yield* must(seat, p, 'open', path, flags)).ret;
  fds.set(path, fd);
  return fd;
}

export function gupFd(seat: Seat, p: number): Script<number> {
  return fdOf(seat, p, '/sys/kernel/debug/gup_test', O_RDWR);
}
