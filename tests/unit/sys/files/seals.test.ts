import { beforeEach, describe, expect, it } from 'vitest';
import { folioGet, folioPut } from '../../../../driver/mm/frames/folio.js';
import { HugetlbfsFile, HugetlbfsInode } from '../../../../driver/sys/files/hugetlbfs-file.js';
import { F_SEAL, memfdAddSeals } from '../../../../driver/sys/files/seals.js';
import { TmpfsFile, TmpfsInode } from '../../../../driver/sys/files/tmpfs-file.js';
import type { Machine } from '../../../../driver/sys/machine/machine.js';
import { sleepUntil } from '../../../../driver/sys/processes/interruptible.js';
import { Call, type Thread } from '../../../../driver/sys/processes/thread.js';
import { EBUSY, EPERM } from '../../../../uapi/errno.js';
import { O_RDWR } from '../../../../uapi/fcntl.js';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '../../../../uapi/mman.js';
import { SIGKILL } from '../../../../uapi/signal.js';
import { inKernel, ret, smallMachine } from '../helpers.js';

const ALL_SCANS = 150_000;
const RW = PROT_READ | PROT_WRITE;

let machine: Machine;
let main: Thread;
let other: Thread;
let file: TmpfsFile;
let fd: number;

beforeEach(() => {
  machine = smallMachine({ hugePages: 1 });
  main = machine.createProcess().main;
  other = machine.createProcess().main;
  file = new TmpfsFile(machine, O_RDWR, new TmpfsInode(machine.memory));
  file.inode.seals = 0;
  fd = main.process.files.install(file);
  ret(main, 'pwrite', fd, new Uint8Array(2 * PAGE_SIZE), 0);
});

const pfn = (): number => file.mapping.pages.get(1);

/** What the seal comes to, and the virtual microseconds that it takes. */
function seal(seals: number): { result: number | undefined; ticks: number } {
  const { scheduler } = machine.kernel;
  const start = scheduler.now();
  const { result } = inKernel(main, () => memfdAddSeals(file.inode, seals, file));
  return { result, ticks: scheduler.now() - start };
}

/** Does it in another process once the seal waits. */
function meanwhile(ticks: number, body: () => void): void {
  const { scheduler } = machine.kernel;
  other.enqueue(
    new Call('test', [], function* () {
      yield* sleepUntil(other, scheduler.now() + ticks);
      body();
      return { ret: 0 };
    }),
  );
}

describe('F_SEAL_WRITE', () => {
  it('is -EBUSY after 150 ms while somebody has a page, which no other seal looks for', () => {
    folioGet(machine.memory, pfn());
    const { result, ticks } = seal(F_SEAL.write | F_SEAL.grow);
    expect([result, file.inode.seals]).toEqual([-EBUSY, 0]);
    expect(ticks).toBeGreaterThanOrEqual(ALL_SCANS);
    expect(ticks).toBeLessThan(ALL_SCANS + 1000);
    expect([seal(F_SEAL.futureWrite).result, file.inode.seals]).toEqual([0, F_SEAL.futureWrite]);
    folioPut(machine.memory, pfn());
    expect(seal(F_SEAL.write).ticks).toBeLessThan(1000);
    expect(file.inode.seals).toBe(F_SEAL.futureWrite | F_SEAL.write);
  });

  it('waits for who lets go in time, and keeps the file from being mapped to be written meanwhile', () => {
    folioGet(machine.memory, pfn());
    const answers: number[] = [];
    const map = (prot: number, flags: number): number => ret(main, 'mmap', 0, PAGE_SIZE, prot, flags, fd, 0);
    ret(main, 'munmap', map(PROT_READ, MAP_SHARED), PAGE_SIZE);
    meanwhile(25_000, () => {
      answers.push(file.mapping.writableDenials);
      folioPut(machine.memory, pfn());
    });
    const { result, ticks } = seal(F_SEAL.write);
    expect([result, answers, file.mapping.writableDenials]).toEqual([0, [1], 0]);
    expect(ticks).toBeGreaterThanOrEqual(30_000);
    expect(ticks).toBeLessThan(40_000);
    file.mapping.writableDenials = 1;
    file.inode.seals = 0;
    expect([map(RW, MAP_SHARED), map(PROT_READ, MAP_SHARED), map(RW, MAP_PRIVATE) > 0]).toEqual([-EPERM, -EPERM, true]);
  });

  it('does not count those that map a page, small or huge', () => {
    const map = (): number => ret(main, 'mmap', 0, file.mapping.size, PROT_READ, MAP_PRIVATE, fd, 0);
    ret(main, 'load', map(), 2 * PAGE_SIZE);
    ret(main, 'fork');
    expect(seal(F_SEAL.write).result).toBe(0);
    file = new HugetlbfsFile(machine, O_RDWR, new HugetlbfsInode(machine.memory));
    file.inode.seals = 0;
    fd = main.process.files.install(file);
    ret(main, 'ftruncate', fd, 2 ** 21);
    inKernel(main, () => file.fallocate({ mode: 0, offset: 0, len: 1 }));
    ret(main, 'load', map(), 1);
    expect([file.mapping.pages.count, seal(F_SEAL.write).result]).toEqual([1, 0]);
    machine.checkInvariants();
  });

  it('is not added to what was sealed altogether meanwhile, and who is killed waits no longer', () => {
    folioGet(machine.memory, pfn());
    meanwhile(5_000, () => {
      file.inode.seals |= F_SEAL.seal;
      folioPut(machine.memory, pfn());
    });
    expect([seal(F_SEAL.write).result, file.inode.seals]).toEqual([-EPERM, F_SEAL.seal]);
    file.inode.seals = 0;
    folioGet(machine.memory, pfn());
    meanwhile(5_000, () => main.process.doGroupExit(SIGKILL));
    expect(seal(F_SEAL.write)).toMatchObject({
      result: -EBUSY,
      ticks: expect.toSatisfy((ticks: number) => ticks < 9_000),
    });
  });
});

it('what a seal refuses leaves the memory that was there', () => {
  file.inode.seals = F_SEAL.futureWrite;
  const at = ret(main, 'mmap', 0, PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  expect(ret(main, 'mmap', at, PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, fd, 0)).toBe(-EPERM);
  expect(ret(main, 'store', at, new Uint8Array([7]))).toBe(1);
});
