import { beforeEach, describe, expect, it } from 'vitest';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { EACCES, EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM, ENOSPC } from '../../../../uapi/errno.js';
import { O_WRONLY } from '../../../../uapi/fcntl.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import {
  IPC_CREAT,
  IPC_EXCL,
  IPC_INFO,
  IPC_PRIVATE,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  SHM_DEST,
  SHM_EXEC,
  SHM_HUGETLB,
  SHM_INFO,
  SHM_LOCK,
  SHM_LOCKED,
  SHM_RDONLY,
  SHM_REMAP,
  SHM_RND,
  SHM_STAT,
  SHM_STAT_ANY,
  SHM_UNLOCK,
} from '../../../../uapi/shm.js';
import { anon, readText } from '../helpers.js';

const KEY = 7;
const SIZE = 3 * PAGE_SIZE;
const HUGE = 2 << 20;

let machine: Machine;
let thread: Thread;

const call = (name: string, ...args: (number | string | Uint8Array)[]) => machine.call(thread, name, ...args);
const ret = (name: string, ...args: (number | string | Uint8Array)[]): number => call(name, ...args).ret;
const shmget = (key: number, size = SIZE, flags = IPC_CREAT | 0o600): number => ret('shmget', key, size, flags);
const first = (addr: number, of = thread): number => machine.call(of, 'load', addr, 1).bytes![0]!;

/** struct shmid64_ds as words. */
function shmidDs(id: number): number[] {
  const addr = anon(thread, 1);
  expect(ret('shmctl', id, IPC_STAT, addr)).toBe(0);
  return words(addr, 112);
}

function words(addr: number, lenBytes: number): number[] {
  const { buffer } = call('load', addr, lenBytes).bytes!.slice();
  return [...new Uint32Array(buffer)];
}

/** Attachments, and the pid of who attached or detached last. */
const attached = (id: number): number => shmidDs(id)[22]!;
const lastPid = (id: number): number => shmidDs(id)[21]!;

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

  it('whose index another one has got is not found by its id', () => {
    const ids = Array.from({ length: 65 }, () => {
      const id = shmget(IPC_PRIVATE);
      ret('shmctl', id, IPC_RMID);
      return id;
    });
    expect(ids.slice(63)).toEqual([63, 1 << 15]);
    expect(shmget(IPC_PRIVATE)).toBe((1 << 15) + 1);
    const addr = anon(thread, 1);
    expect([ret('shmat', 1, 0, 0), ret('shmat', 2, 0, 0), ret('shmat', -1, 0, 0)]).toEqual([-EINVAL, -EINVAL, -EINVAL]);
    expect([ret('shmctl', 1, IPC_STAT, addr), ret('shmctl', 1, SHM_STAT, addr)]).toEqual([-EINVAL, (1 << 15) + 1]);
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

describe('what a segment knows of its attachments', () => {
  it('counts vmas: parts of a mapping that became alike again stay apart', () => {
    const id = shmget(KEY);
    const addr = ret('shmat', id, 0, 0);
    ret('mprotect', addr + PAGE_SIZE, PAGE_SIZE, 1);
    expect(attached(id)).toBe(3);
    ret('mprotect', addr + PAGE_SIZE, PAGE_SIZE, 3);
    expect(attached(id)).toBe(3);
    ret('munmap', addr + PAGE_SIZE, PAGE_SIZE);
    expect([attached(id), ret('shmdt', addr), attached(id)]).toEqual([2, 0, 0]);
    machine.checkInvariants();
  });

  it('does not merge one attachment with the next', () => {
    const id = shmget(KEY);
    const place = anon(thread, 6);
    ret('munmap', place, 6 * PAGE_SIZE);
    ret('shmat', id, place, 0);
    ret('shmat', id, place + SIZE, 0);
    expect([attached(id), ret('shmdt', place), attached(id), first(place + SIZE)]).toEqual([2, 0, 1, 0]);
  });

  it('names who came or went last, at munmap, fork and exit too, and when', () => {
    const id = shmget(KEY);
    const { pid } = thread.process;
    const began = shmidDs(id);
    expect([began[20], began[21], began[14], began[16]]).toEqual([pid, 0, 0, 0]);
    expect(began[18]).toBeGreaterThanOrEqual(1_704_067_200);
    const addr = ret('shmat', id, 0, 0);
    expect([lastPid(id), shmidDs(id)[14], shmidDs(id)[16]]).toEqual([pid, began[18], 0]);
    const child = machine.threadByTid(ret('fork'))!;
    expect([lastPid(id), attached(id)]).toEqual([pid, 2]);
    machine.call(child, 'munmap', addr, PAGE_SIZE);
    expect([lastPid(id), attached(id)]).toEqual([child.process.pid, 2]);
    const again = ret('shmat', id, 0, 0);
    expect([lastPid(id), ret('shmdt', again), lastPid(id)]).toEqual([pid, 0, pid]);
    machine.call(child, 'munmap', addr + PAGE_SIZE, SIZE);
    expect([lastPid(id), attached(id)]).toEqual([child.process.pid, 1]);
    expect(shmidDs(id)[16]).toBeGreaterThanOrEqual(began[18]!);
    const other = machine.threadByTid(ret('fork'))!;
    machine.call(other, 'exit', 0);
    expect([lastPid(id), attached(id)]).toEqual([other.process.pid, 1]);
  });
});

describe('/proc', () => {
  const write = (name: string, text: string): number => {
    const fd = ret('open', `/proc/sys/kernel/${name}`, O_WRONLY);
    const done = ret(
      'pwrite',
      fd,
      Uint8Array.from(text, (character) => character.charCodeAt(0)),
      0,
    );
    ret('close', fd);
    return done;
  };
  const limits = (): string[] =>
    ['shmmax', 'shmall', 'shmmni'].map((name) => readText(thread, `/proc/sys/kernel/${name}`).trim());

  it('limits segments by their size, all of them by their pages, and how many there are', () => {
    const unlimited = ['18446744073692774399', '18446744073692774399', '4096'];
    expect(limits()).toEqual(unlimited);
    const first = shmget(KEY);
    expect([write('shmmax', `${2 * PAGE_SIZE}\n`), shmget(KEY), shmget(KEY + 1)]).toEqual([5, first, -EINVAL]);
    expect(shmget(KEY + 1, 2 * PAGE_SIZE)).toBeGreaterThan(0);
    expect([write('shmall', '6'), shmget(KEY + 2, 2 * PAGE_SIZE), write('shmmni', '3')]).toEqual([1, -ENOSPC, 1]);
    const third = shmget(KEY + 2, PAGE_SIZE);
    expect([third > 0, write('shmall', '18446744073709551615'), shmget(KEY + 3, 1)]).toEqual([true, 20, -ENOSPC]);
    const addr = anon(thread, 1);
    ret('shmctl', 0, IPC_INFO, addr);
    expect(words(addr, 40)).toEqual([2 * PAGE_SIZE, 0, 1, 0, 3, 0, 3, 0, 0xffffffff, 0xffffffff]);
    expect([write('shmmni', '32769'), write('shmmni', '-1'), write('shmmax', 'x')]).toEqual([
      -EINVAL,
      -EINVAL,
      -EINVAL,
    ]);
    expect(limits()).toEqual([`${2 * PAGE_SIZE}`, '18446744073709551615', '3']);
    machine.reset();
    thread = machine.createProcess().main;
    expect(limits()).toEqual(unlimited);
  });

  it('lists the segments', () => {
    const [first, second] = [shmget(KEY), shmget(-KEY, 5)];
    ret('store', ret('shmat', second!, 0, 0), Uint8Array.of(1));
    ret('shmctl', second!, IPC_RMID);
    const [header, ...lines] = readText(thread, '/proc/sysvipc/shm').trimEnd().split('\n');
    expect(header).toMatch(/^ {7}key {6}shmid perms {18}size {2}cpid {2}lpid nattch .* rss {18}swap$/);
    const time = shmidDs(first!)[18]!;
    const pid = thread.process.pid;
    expect(lines.map((line) => line.trim().split(/ +/).map(Number))).toEqual([
      [KEY, first, 600, SIZE, pid, 0, 0, 0, 0, 0, 0, 0, 0, time, 0, 0],
      [0, second, 1600, 5, pid, pid, 1, 0, 0, 0, 0, time, 0, time, PAGE_SIZE, 0],
    ]);
    expect(new Set(lines.map(({ length }) => length))).toEqual(new Set([header!.length]));
  });
});

describe('odd requests', () => {
  it('of shmget are refused by size', () => {
    const sizes = [0, 2 ** 63, 2 ** 64 - 2 ** 24, 2 ** 64];
    expect(sizes.map((size) => shmget(IPC_PRIVATE, size))).toEqual([-EINVAL, -EINVAL, -EINVAL, -EINVAL]);
    const id = shmget(KEY);
    expect([shmget(KEY, 0, 0), shmget(KEY, SIZE + 1, IPC_CREAT | IPC_EXCL)]).toEqual([id, -EEXIST]);
  });

  it('of shmat go by the address', () => {
    const id = shmget(KEY);
    const place = anon(thread, 4);
    expect([ret('shmat', id, 0, SHM_REMAP), ret('shmat', id, 5, SHM_REMAP | SHM_RND)]).toEqual([-EINVAL, -EINVAL]);
    expect([ret('shmat', id, 5, SHM_RND), attached(id), ret('shmdt', 0)]).toEqual([0, 1, 0]);
    expect(ret('shmat', id, place + 7, SHM_REMAP | SHM_RND)).toBe(place);
    expect([ret('shmat', id, 2 ** 64 - PAGE_SIZE, 0), ret('shmat', id, 2 ** 63, 0)]).toEqual([-EINVAL, -ENOMEM]);
    expect([ret('shmdt', place + PAGE_SIZE), ret('shmdt', place), attached(id)]).toEqual([-EINVAL, 0, 0]);
    const exec = ret('shmat', id, 0, SHM_EXEC | SHM_RDONLY);
    expect(machine.call(thread, 'load', exec, 1).ret).toBe(1);
    expect([ret('mprotect', exec, PAGE_SIZE, 5), ret('mprotect', exec, PAGE_SIZE, 3)]).toEqual([0, -EACCES]);
  });
});

describe('SHM_LOCK', () => {
  it('keeps the pages from swap until SHM_UNLOCK', () => {
    machine = new Machine({ ramBytes: 32 << 20, swapBytes: 4 << 20 });
    thread = machine.createProcess().main;
    const id = shmget(KEY);
    const addr = ret('shmat', id, 0, 0);
    ret('store', addr, Uint8Array.of(3));
    expect([ret('shmctl', id, SHM_LOCK), stat(id).mode]).toEqual([0, SHM_LOCKED | 0o600]);
    expect(ret('madvise', addr, SIZE, 21)).toBe(0);
    expect(machine.memory.swap.used).toBe(0);
    expect([ret('shmctl', id, SHM_UNLOCK), ret('shmctl', id, SHM_UNLOCK), stat(id).mode]).toEqual([0, 0, 0o600]);
    expect([ret('madvise', addr, SIZE, 21), machine.memory.swap.used, first(addr)]).toEqual([0, 1, 3]);
    expect([ret('shmctl', id + 1, SHM_LOCK), ret('shmctl', -1, SHM_LOCK)]).toEqual([-EINVAL, -EINVAL]);
  });

  it('has nothing to do for huge pages', () => {
    const id = shmget(KEY, HUGE, IPC_CREAT | SHM_HUGETLB | 0o600);
    expect([ret('shmctl', id, SHM_LOCK), stat(id).mode]).toEqual([0, 0o600]);
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

  it('tells of all segments', () => {
    const addr = anon(thread, 1);
    expect([ret('shmctl', 0, SHM_INFO, addr), words(addr, 48)[0]]).toEqual([0, 0]);
    const ids = [shmget(KEY), shmget(IPC_PRIVATE, 1)];
    ret('store', ret('shmat', ids[0]!, 0, 0), Uint8Array.of(1));
    expect(ret('shmctl', 0, SHM_INFO, addr)).toBe(1);
    expect(words(addr, 48).filter((_, i) => i % 2 === 0)).toEqual([2, 4, 1, 0, 0, 0]);
    expect(ret('shmctl', 0, IPC_INFO, addr)).toBe(1);
    expect(words(addr, 40)).toEqual([0xfeffffff, 0xffffffff, 1, 0, 4096, 0, 4096, 0, 0xfeffffff, 0xffffffff]);
    expect([ret('shmctl', 0, IPC_INFO, 0), ret('shmctl', -1, IPC_INFO, addr)]).toEqual([-EFAULT, -EINVAL]);
    expect([ret('shmctl', 1, SHM_STAT, addr), words(addr, 112)[12]]).toEqual([ids[1], 1]);
    expect([ret('shmctl', 2, SHM_STAT_ANY, addr), ret('shmctl', 0, SHM_STAT_ANY, addr)]).toEqual([-EINVAL, ids[0]]);
  });

  it('sets the owner, which -1 is not', () => {
    const id = shmget(KEY);
    const addr = anon(thread, 1);
    const record = new Uint8Array(112);
    record.set([0xe8, 3], 4);
    ret('store', addr, record);
    expect([ret('shmctl', id, IPC_SET, addr), shmidDs(id)[1]]).toEqual([0, 1000]);
    ret('store', addr, record.fill(0xff, 4, 8));
    expect([ret('shmctl', id, IPC_SET, addr), shmidDs(id)[1]]).toEqual([-EINVAL, 1000]);
  });
});
