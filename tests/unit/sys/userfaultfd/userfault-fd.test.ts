import { beforeEach, describe, expect, it } from 'vitest';
import type { Machine } from '../../../../driver/sys/machine/machine.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { newUserfaultfd, type UserfaultFd } from '../../../../driver/sys/userfaultfd/userfault-fd.js';
import { EAGAIN, EEXIST, EINVAL, EPERM } from '../../../../uapi/errno.js';
import { O_NONBLOCK, O_RDONLY } from '../../../../uapi/fcntl.js';
import { MAP_ANONYMOUS, MAP_SHARED, PAGE_SIZE } from '../../../../uapi/mman.js';
import { IPC_PRIVATE } from '../../../../uapi/shm.js';
import { anon, inKernel, ret, smallMachine } from '../helpers.js';

const API = 0xc018aa3f;
const REGISTER = 0xc020aa00;
const UNREGISTER = 0x8010aa01;
const COPY = 0xc028aa03;
const ZEROPAGE = 0xc020aa04;
const UFFD_API = 0xaa;
const WP_ASYNC = 1 << 15;

let machine: Machine;
let thread: Thread;
let faulting: Thread;
let fd: UserfaultFd;
let area: number;
let record: number;

const quads = (...values: number[]): Uint8Array => new Uint8Array(BigUint64Array.from(values, BigInt).buffer);

function ioctl(cmd: number, ...values: number[]): number {
  ret(thread, 'store', record, quads(...values));
  return inKernel(thread, () => fd.ioctl(thread, { cmd, arg: record, dialect: thread.process.dialect })).result!;
}

/** The message that waits: kind, whether it was a write, address. */
function message(): number | number[] {
  const read = inKernel(thread, () => fd.read(thread, 32)).result!;
  if (typeof read === 'number') return read;
  const view = new DataView(read.buffer);
  return [read[0]!, Number(view.getBigUint64(8, true)), Number(view.getBigUint64(16, true))];
}

beforeEach(() => {
  machine = smallMachine();
  thread = machine.createProcess().main;
  faulting = machine.threadByTid(ret(thread, 'thread'))!;
  area = anon(thread, 4);
  record = anon(thread, 2);
  ret(thread, 'store', record, new Uint8Array(2 * PAGE_SIZE).fill(9));
  const fdNumber = inKernel(thread, () => newUserfaultfd(thread, O_NONBLOCK)).result!;
  fd = thread.process.files.get(fdNumber) as UserfaultFd;
});

describe('userfaultfd', () => {
  it('speaks its API once, and nothing before', () => {
    expect(ioctl(REGISTER, area, PAGE_SIZE, 1, 0)).toBe(-EINVAL);
    expect(message()).toBe(-EINVAL);
    expect(ioctl(API, UFFD_API + 1, 0, 0)).toBe(-EINVAL);
    expect(ioctl(API, UFFD_API, 0, 0)).toBe(0);
    expect(ioctl(API, UFFD_API, 0, 0)).toBe(-EINVAL);
    expect(message()).toBe(-EAGAIN);
  });

  it('does not serve what can not be made writable', () => {
    ioctl(API, UFFD_API, 0, 0);
    const zero = ret(thread, 'open', '/dev/zero', O_RDONLY);
    const shared = ret(thread, 'mmap', 0, PAGE_SIZE, 1, MAP_SHARED, zero, 0);
    expect(ioctl(REGISTER, shared, PAGE_SIZE, 1, 0)).toBe(-EPERM);
  });

  it('takes shared memory, but a segment of SysV for asynchronous write protection alone', () => {
    ioctl(API, UFFD_API, WP_ASYNC, 0);
    const file = ret(thread, 'mmap', 0, PAGE_SIZE, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const segment = ret(thread, 'shmat', ret(thread, 'shmget', IPC_PRIVATE, PAGE_SIZE, 0o600), 0, 0);
    const [missing, wp] = [1, 2];
    expect(ioctl(REGISTER, file, PAGE_SIZE, missing, 0)).toBe(0);
    expect(ioctl(REGISTER, segment, PAGE_SIZE, missing, 0)).toBe(-EINVAL);
    expect(ioctl(REGISTER, segment, PAGE_SIZE, missing | wp, 0)).toBe(-EINVAL);
    expect(ioctl(REGISTER, segment, PAGE_SIZE, wp, 0)).toBe(0);
  });

  it.each([
    ['UFFDIO_COPY', () => ioctl(COPY, area + PAGE_SIZE, record + PAGE_SIZE, PAGE_SIZE, 0, 0), 9],
    ['UFFDIO_ZEROPAGE', () => ioctl(ZEROPAGE, area + PAGE_SIZE, PAGE_SIZE, 0, 0), 0],
  ])('tells of a missing page, whose fault sleeps until %s', (_name, fill, byte) => {
    ioctl(API, UFFD_API, 0, 0);
    expect(ioctl(REGISTER, area, 4 * PAGE_SIZE, 1, 0)).toBe(0);
    const load = machine.start(faulting, 'load', [area + PAGE_SIZE + 5, 1]);
    machine.run();
    expect(load.done).toBe(false);
    expect(message()).toEqual([0x12, 0, area + PAGE_SIZE]);
    expect(message()).toBe(-EAGAIN);
    expect(fill()).toBe(0);
    machine.run();
    expect([...load.result!.bytes!]).toEqual([byte]);
    expect(fill()).toBe(-EEXIST);
  });

  it('lets faults go on by themselves once the range is given up, or the file closed', () => {
    ioctl(API, UFFD_API, 0, 0);
    ioctl(REGISTER, area, 4 * PAGE_SIZE, 1, 0);
    const store = machine.start(faulting, 'store', [area, Uint8Array.of(3)]);
    machine.run();
    expect(message()).toEqual([0x12, 1, area]);
    const second = machine.start(machine.threadByTid(ret(thread, 'thread'))!, 'load', [area, 1]);
    machine.run();
    expect(ioctl(UNREGISTER, area, PAGE_SIZE)).toBe(0);
    // Who was woken is not told of, even before it runs.
    expect(fd.ctx.waits).toEqual([]);
    machine.run();
    expect(second.done).toBe(true);
    expect(store.result).toEqual({ ret: 1 });
    const load = machine.start(faulting, 'load', [area + PAGE_SIZE, 1]);
    machine.run();
    expect(load.done).toBe(false);
    inKernel(thread, () => fd.release());
    machine.run();
    expect([...load.result!.bytes!]).toEqual([0]);
    expect(thread.process.mm.vmas.every(({ userfault }) => userfault === null)).toBe(true);
  });
});
