import { beforeEach, describe, expect, it } from 'vitest';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { EACCES, EEXIST, EFAULT, EIDRM, EINVAL, ENOENT, ENOMEM } from '../../../../uapi/errno.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import {
  IPC_CREAT,
  IPC_EXCL,
  IPC_PRIVATE,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  SHM_DEST,
  SHM_HUGETLB,
  SHM_RDONLY,
  SHM_REMAP,
  SHM_RND,
} from '../../../../uapi/shm.js';
import { anon } from '../helpers.js';

const KEY = 7;
const SIZE = 3 * PAGE_SIZE;
const HUGE = 2 << 20;

let machine: Machine;
let thread: Thread;

const call = (name: string, ...args: (number | Uint8Array)[]) => machine.call(thread, name, ...args);
const ret = (name: string, ...args: (number | Uint8Array)[]): number => call(name, ...args).ret;
const shmget = (key: number, size = SIZE, flags = IPC_CREAT | 0o600): number => ret('shmget', key, size, flags);
const first = (addr: number, of = thread): number => machine.call(of, 'load', addr, 1).bytes![0]!;

/** The words of struct shmid64_ds that a test looks at. */
function stat(id: number): { mode: number; size: number; attached: number } {
  const addr = anon(thread, 1);
  expect(ret('shmctl', id, IPC_STAT, addr)).toBe(0);
  const view = new DataView(call('load', addr, 112).bytes!.slice().buffer);
  return { mode: view.getUint32(20, true), size: view.getUint32(48, true), attached: view.getUint32(88, true) };
}

beforeEach(() => {
  machine = new Machine({ ramBytes: 32 << 20, hugePages: 2 });
  thread = machine.createProcess().main;
});

describe('a segment', () => {
  it('is found by its key, if it is as large as asked for', () => {
    expect(shmget(KEY, SIZE, 0o600)).toBe(-ENOENT);
    const id = shmget(KEY);
    expect([shmget(KEY, 1, 0), shmget(KEY, SIZE + 1, 0)]).toEqual([id, -EINVAL]);
    expect(shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL)).toBe(-EEXIST);
    expect([shmget(KEY + 1, 0), shmget(IPC_PRIVATE), shmget(IPC_PRIVATE, SIZE, 0)]).toEqual([-EINVAL, id + 1, id + 2]);
  });

  it('is the same memory for whoever attaches it, and for a child', () => {
    const id = shmget(KEY);
    const [one, two] = [ret('shmat', id, 0, 0), ret('shmat', id, 0, SHM_RDONLY)];
    ret('store', one + PAGE_SIZE, Uint8Array.of(5));
    expect([first(two + PAGE_SIZE), stat(id).attached]).toEqual([5, 2]);
    const child = machine.threadByTid(ret('fork'))!;
    machine.call(child, 'store', one, Uint8Array.of(6));
    expect([first(two), stat(id).attached]).toEqual([6, 4]);
    expect(call('store', two, Uint8Array.of(1)).signal).toBeDefined();
    expect(ret('mprotect', two, PAGE_SIZE, 3)).toBe(-EACCES);
    machine.call(child, 'exit', 0);
    expect([stat(id).attached, ret('shmdt', one), stat(id).attached]).toEqual([2, 0, 1]);
  });

  it('outlives its last attachment, and once removed goes with it', () => {
    const id = shmget(KEY);
    const addr = ret('shmat', id, 0, 0);
    ret('store', addr, Uint8Array.of(9));
    ret('shmdt', addr);
    const again = ret('shmat', id, 0, 0);
    expect([first(again), ret('shmctl', id, IPC_RMID)]).toEqual([9, 0]);
    expect([stat(id).mode, shmget(KEY, 1, 0)]).toEqual([SHM_DEST | 0o600, -ENOENT]);
    const third = ret('shmat', id, 0, 0);
    expect([first(third), ret('shmdt', again), ret('shmdt', third)]).toEqual([9, 0, 0]);
    expect([ret('shmat', id, 0, 0), ret('shmctl', id, IPC_RMID)]).toEqual([-EINVAL, -EINVAL]);
    expect(machine.memory.mappings.size).toBe(0);
    machine.checkInvariants();
  });

  it('whose index another one has got is gone by its id', () => {
    const ids = Array.from({ length: 65 }, () => {
      const id = shmget(IPC_PRIVATE);
      ret('shmctl', id, IPC_RMID);
      return id;
    });
    expect(ids.slice(63)).toEqual([63, 1 << 15]);
    expect(shmget(IPC_PRIVATE)).toBe((1 << 15) + 1);
    expect([ret('shmat', 1, 0, 0), ret('shmat', 2, 0, 0), ret('shmat', -1, 0, 0)]).toEqual([-EIDRM, -EINVAL, -EINVAL]);
  });

  it('of huge pages has them promised, or is not made', () => {
    const huge = IPC_CREAT | SHM_HUGETLB | 0o600;
    const id = shmget(KEY, HUGE + 1, huge);
    expect([shmget(KEY + 1, HUGE, huge), stat(id).size]).toEqual([-ENOMEM, HUGE + 1]);
    const addr = ret('shmat', id, 0, 0);
    ret('store', addr + HUGE, Uint8Array.of(4));
    expect([addr % HUGE, first(addr + HUGE), ret('shmdt', addr), ret('shmctl', id, IPC_RMID)]).toEqual([0, 4, 0, 0]);
    expect(shmget(KEY + 1, HUGE, huge)).toBeGreaterThan(0);
    expect(shmget(IPC_PRIVATE, HUGE, huge | (22 << 26))).toBe(-EINVAL);
    expect(shmget(IPC_PRIVATE, 2 ** 62, huge)).toBe(-ENOMEM);
  });

  it('is gone when the machine begins anew', () => {
    shmget(KEY);
    machine.reset();
    thread = machine.createProcess().main;
    expect([shmget(KEY, SIZE, 0), shmget(KEY)]).toEqual([-ENOENT, 0]);
  });
});

describe('shmat', () => {
  it('takes the place that it is told, if nothing is there or that may go', () => {
    const id = shmget(KEY);
    const place = anon(thread, 4);
    expect(ret('shmat', id, place, 0)).toBe(-EINVAL);
    expect(ret('shmat', id, place, SHM_REMAP)).toBe(place);
    expect([ret('shmat', id, place + 5, 0), ret('shmat', id, 0, SHM_REMAP)]).toEqual([-EINVAL, -EINVAL]);
    expect([ret('shmdt', place), ret('shmat', id, place + 5, SHM_RND)]).toEqual([0, place]);
  });
});

describe('shmdt', () => {
  it('unmaps the parts that are left of an attachment, and nothing else', () => {
    const id = shmget(KEY);
    const addr = ret('shmat', id, 0, 0);
    ret('munmap', addr + PAGE_SIZE, PAGE_SIZE);
    const between = ret('mmap', addr + PAGE_SIZE, PAGE_SIZE, 3, 0x32, -1, 0);
    expect([ret('shmdt', addr + 1), ret('shmdt', between), stat(id).attached]).toEqual([-EINVAL, -EINVAL, 2]);
    expect([ret('shmdt', addr), stat(id).attached, ret('shmdt', addr)]).toEqual([0, 0, -EINVAL]);
    expect(ret('store', between, Uint8Array.of(1))).toBe(1);
  });
});

describe('shmctl', () => {
  it('sets the rights, tells of the segment, and refuses what it does not know', () => {
    const id = shmget(KEY);
    const addr = anon(thread, 1);
    const record = new Uint8Array(112);
    record[20] = 0o44;
    ret('store', addr, record);
    expect([ret('shmctl', id, IPC_SET, addr), stat(id)]).toEqual([0, { mode: 0o44, size: SIZE, attached: 0 }]);
    expect([ret('shmctl', id, IPC_STAT, 0), ret('shmctl', id, 99), ret('shmctl', id + 1, IPC_STAT, addr)]).toEqual([
      -EFAULT,
      -EINVAL,
      -EINVAL,
    ]);
  });
});
