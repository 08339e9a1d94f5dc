// The ops that are ioctls: the mirror devices and gup_test.

import { type CommandName, commandNumber, DEFAULT_DIALECT, dialectByName } from '../../uapi/dialect.js';
import { EBADF } from '../../uapi/errno.js';
import * as gup from '../../uapi/gup-test.js';
import { decodeHmmDmirrorCmd, encodeHmmDmirrorCmd } from '../../uapi/hmm-dmirror.js';
import { PAGE_SIZE } from '../../uapi/mman.js';
import { type Actor, BUFFER_ADDR, hexWord, regionAddr, type World } from './world.js';

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
export function dmOp(world: World, [, p, d, command, r, off, n, v]: readonly string[]): string {
  const actor = world.actor(Number(p));
  const fd = actor.deviceFds[Number(d)]!;
  if (fd < 0) return NO_DESCRIPTOR;
  const npages = Number(n);
  if (command === 'WRITE') world.writeBuffer(actor, valuePages(npages, Number(v)));
  else world.fillBuffer(actor, npages * PAGE_SIZE);
  const cmd = commandNumber(dialectByName(DEFAULT_DIALECT)!, command as CommandName);
  if (cmd === undefined) throw new Error(`the recording has the command ${command}, which is unknown`);
  const record = encodeHmmDmirrorCmd({ addr: regionAddr(Number(r), Number(off)), ptr: BUFFER_ADDR, npages });
  const result = world.ioctl(actor, fd, { cmd, record, dialect: DEFAULT_DIALECT });
  if (result.ret < 0) return `${result.ret} 0 0`;
  const { cpages, faults } = decodeHmmDmirrorCmd(result.record);
  return [`${result.ret} ${cpages} ${faults}`, ...data(world, actor, { command: command!, npages })].join(' ');
}

/** Page i begins with the word `value` + i and is zero otherwise. */
function valuePages(npages: number, value: number): Uint8Array {
  const words = new Uint32Array((npages * PAGE_SIZE) / 4);
  for (let i = 0; i < npages; i++) words[(i * PAGE_SIZE) / 4] = value + i;
  return new Uint8Array(words.buffer);
}

function data(world: World, actor: Actor, { command, npages }: { command: string; npages: number }): string[] {
  if (command === 'SNAPSHOT') return [Buffer.from(world.readBuffer(actor, npages)).toString('hex')];
  if (!WITH_DATA.includes(command)) return [];
  const bytes = world.readBuffer(actor, npages * PAGE_SIZE);
  return Array.from({ length: npages }, (_, i) => hexWord(bytes, i * PAGE_SIZE));
}

/** `gup P R off n PER CMD FLAGS` */
export function gupOp(world: World, [, p, r, off, n, per, command, flags]: readonly string[]): string {
  const actor = world.actor(Number(p));
  const record = gup.encodeGupTest({
    addr: regionAddr(Number(r), Number(off)),
    size: Number(n) * PAGE_SIZE,
    nr_pages_per_call: Number(per),
    gup_flags: Number(flags),
  });
  const result = world.ioctl(actor, world.gupFd(actor), { cmd: GUP_COMMANDS[Number(command)]!, record });
  return result.ret < 0 ? `${result.ret}` : `${result.ret} ${gup.decodeGupTest(result.record).size}`;
}

/** `pin P R off n FLAGS` */
export function pinOp(world: World, [, p, r, off, n, flags]: readonly string[]): string {
  const actor = world.actor(Number(p));
  const addr = regionAddr(Number(r), Number(off));
  const record = gup.encodePinLongtermTest({ addr, size: Number(n) * PAGE_SIZE, flags: Number(flags) });
  return `${world.ioctl(actor, world.gupFd(actor), { cmd: gup.PIN_LONGTERM_TEST_START, record }).ret}`;
}

/** `unpin P` */
export function unpinOp(world: World, [, p]: readonly string[]): string {
  const actor = world.actor(Number(p));
  return `${world.call(actor, 'ioctl', world.gupFd(actor), gup.PIN_LONGTERM_TEST_STOP, 0).ret}`;
}

const RAW_FILLED_PAGES = 8;
/** What K makes of `ptr`; 9 makes the argument pointer itself NULL. */
const RAW_POINTERS: Readonly<Record<string, bigint>> = {
  0: BigInt(BUFFER_ADDR),
  1: 0n,
  2: 0xffff800000000000n,
  3: 1n,
  9: BigInt(BUFFER_ADDR),
};

/** `raw P D NUM ADDR NPAGES K` */
export function rawOp(world: World, [, p, d, number, addr, npages, k]: readonly string[]): string {
  const actor = world.actor(Number(p));
  const fd = actor.deviceFds[Number(d)]!;
  if (fd < 0) return NO_DESCRIPTOR;
  world.fillBuffer(actor, RAW_FILLED_PAGES * PAGE_SIZE);
  const before = { addr: BigInt(addr!), ptr: RAW_POINTERS[k!]!, npages: BigInt(npages!), cpages: 77, faults: 88 };
  const cmd = Number(number);
  const record = encodeHmmDmirrorCmd(before);
  const result =
    k === '9' ? { ret: world.call(actor, 'ioctl', fd, cmd, 0).ret, record } : world.ioctl(actor, fd, { cmd, record });
  const after = decodeHmmDmirrorCmd(result.record);
  return `${result.ret} ${after.cpages} ${after.faults} ${after.addr.toString(16)} ${after.npages.toString(16)}`;
}
