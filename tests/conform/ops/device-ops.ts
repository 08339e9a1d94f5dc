// The ops that are ioctls: the mirror devices and gup_test.

import { type CommandName, commandNumber, DEFAULT_DIALECT, dialectByName } from '../../../uapi/dialect.js';
import { EBADF } from '../../../uapi/errno.js';
import * as gup from '../../../uapi/gup-test.js';
import { decodeHmmDmirrorCmd, encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import { PAGE_SIZE } from '../../../uapi/mman.js';
import { FILLER, hexWord, regionAddr } from './places.js';
import { call, gupFd, ioctl, peek, poke, type Script, type Seat } from './script.js';

const NO_DESCRIPTOR = `${-EBADF} 0 0`;
const WITH_DATA: readonly string[] = ['READ', 'MIGRATE_TO_DEV', 'MIGRATE_ON_FAULT_TO_DEV', 'EXCLUSIVE'];

const GUP_COMMANDS: readonly number[] = [
  0,
  gup.GUP_FAST_BENCHMARK,
  gup.PIN_FAST_BENCHMARK,
  gup.PIN_LONGTERM_BENCHMARK,
  gup.GUP_BASIC_TEST,
  gup.PIN_BASIC_TEST,
];

/** `dm P D CMD R off n [V]` */
export function* dmOp(seat: Seat, [, p, d, command, r, off, n, v]: readonly string[]): Script<string> {
  const fd = seat.world.actor(Number(p)).deviceFds[Number(d)]!;
  if (fd < 0) return NO_DESCRIPTOR;
  const npages = Number(n);
  const before = command === 'WRITE' ? valuePages(npages, Number(v)) : FILLER.subarray(0, npages * PAGE_SIZE);
  yield* poke(seat, Number(p), seat.bufferAddr, before);
  // Ops name commands: one that the machine's numbering lacks has its number in this project's own.
  const own = seat.world.machine.options.dialect;
  const dialect = commandNumber(dialectByName(own)!, command as CommandName) === undefined ? DEFAULT_DIALECT : own;
  const cmd = commandNumber(dialectByName(dialect)!, command as CommandName);
  if (cmd === undefined) throw new Error(`there is no command ${command}`);
  const record = encodeHmmDmirrorCmd({ addr: regionAddr(Number(r), Number(off)), ptr: seat.bufferAddr, npages });
  const result = yield* ioctl(seat, Number(p), { fd, cmd, record, dialect });
  if (result.ret < 0) return `${result.ret} 0 0`;
  const { cpages, faults } = decodeHmmDmirrorCmd(result.record);
  const words = yield* data(seat, Number(p), { command: command!, npages });
  return [`${result.ret} ${cpages} ${faults}`, ...words].join(' ');
}

/** Page i begins with the word `value` + i and is zero otherwise. */
function valuePages(npages: number, value: number): Uint8Array {
  const words = new Uint32Array((npages * PAGE_SIZE) / 4);
  for (let i = 0; i < npages; i++) words[(i * PAGE_SIZE) / 4] = value + i;
  return new Uint8Array(words.buffer);
}

function* data(seat: Seat, p: number, { command, npages }: { command: string; npages: number }): Script<string[]> {
  if (command === 'SNAPSHOT') return [Buffer.from(yield* peek(seat, p, seat.bufferAddr, npages)).toString('hex')];
  if (!WITH_DATA.includes(command)) return [];
  const bytes = yield* peek(seat, p, seat.bufferAddr, npages * PAGE_SIZE);
  return Array.from({ length: npages }, (_, i) => hexWord(bytes, i * PAGE_SIZE));
}

/** `gup P R off n PER CMD FLAGS` */
export function* gupOp(seat: Seat, [, p, r, off, n, per, command, flags]: readonly string[]): Script<string> {
  const record = gup.encodeGupTest({
    addr: regionAddr(Number(r), Number(off)),
    size: Number(n) * PAGE_SIZE,
    nr_pages_per_call: Number(per),
    gup_flags: Number(flags),
  });
  const fd = yield* gupFd(seat, Number(p));
  const result = yield* ioctl(seat, Number(p), { fd, cmd: GUP_COMMANDS[Number(command)]!, record });
  return result.ret < 0 ? `${result.ret}` : `${result.ret} ${gup.decodeGupTest(result.record).size}`;
}

/** `pin P R off n FLAGS` */
export function* pinOp(seat: Seat, [, p, r, off, n, flags]: readonly string[]): Script<string> {
  const addr = regionAddr(Number(r), Number(off));
  const record = gup.encodePinLongtermTest({ addr, size: Number(n) * PAGE_SIZE, flags: Number(flags) });
  const fd = yield* gupFd(seat, Number(p));
  return `${(yield* ioctl(seat, Number(p), { fd, cmd: gup.PIN_LONGTERM_TEST_START, record })).ret}`;
}

/** `unpin P` */
export function* unpinOp(seat: Seat, [, p]: readonly string[]): Script<string> {
  const fd = yield* gupFd(seat, Number(p));
  return `${(yield* call(seat, Number(p), 'ioctl', fd, gup.PIN_LONGTERM_TEST_STOP, 0)).ret}`;
}

const RAW_FILLED_PAGES = 8;
/** What K makes of `ptr`, but 0 and 9: those leave it the buffer, and 9 makes the argument pointer itself NULL. */
const RAW_POINTERS: Readonly<Record<string, bigint>> = { 1: 0n, 2: 0xffff800000000000n, 3: 1n };

/** `raw P D NUM ADDR NPAGES K` */
export function* rawOp(seat: Seat, [, p, d, number, addr, npages, k]: readonly string[]): Script<string> {
  const fd = seat.world.actor(Number(p)).deviceFds[Number(d)]!;
  if (fd < 0) return NO_DESCRIPTOR;
  yield* poke(seat, Number(p), seat.bufferAddr, FILLER.subarray(0, RAW_FILLED_PAGES * PAGE_SIZE));
  const ptr = RAW_POINTERS[k!] ?? BigInt(seat.bufferAddr);
  const before = { addr: BigInt(addr!), ptr, npages: BigInt(npages!), cpages: 77, faults: 88 };
  const cmd = Number(number);
  const record = encodeHmmDmirrorCmd(before);
  const result =
    k === '9'
      ? { ret: (yield* call(seat, Number(p), 'ioctl', fd, cmd, 0)).ret, record }
      : yield* ioctl(seat, Number(p), { fd, cmd, record });
  const after = decodeHmmDmirrorCmd(result.record);
  return `${result.ret} ${after.cpages} ${after.faults} ${after.addr.toString(16)} ${after.npages.toString(16)}`;
}
