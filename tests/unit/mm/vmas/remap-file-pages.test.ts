import { beforeEach, describe, expect, it } from 'vitest';
import type { Machine } from '../../../../driver/sys/machine/machine.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { EINVAL } from '../../../../uapi/errno.js';
import { O_CREAT, O_RDONLY, O_RDWR } from '../../../../uapi/fcntl.js';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NONBLOCK,
  MAP_PRIVATE,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '../../../../uapi/mman.js';
import { IPC_PRIVATE, IPC_RMID } from '../../../../uapi/shm.js';
import { ret, smallMachine } from '../../sys/helpers.js';

const AT = 2 ** 30;
const RW = PROT_READ | PROT_WRITE;

let machine: Machine;
let main: Thread;
let fd: number;

/** Eight pages, of which each begins with its number. */
beforeEach(() => {
  machine = smallMachine();
  main = machine.createProcess().main;
  fd = ret(main, 'open', '/tmp/a', O_CREAT | O_RDWR);
  for (let page = 0; page < 8; page++) ret(main, 'pwrite', fd, Uint8Array.of(page), page * PAGE_SIZE);
});

const map = (npages: number, flags = MAP_SHARED, prot = RW, file = fd): number =>
  ret(main, 'mmap', AT, npages * PAGE_SIZE, prot, flags | MAP_FIXED, file, 0);
const remap = (page: number, npages: number, pgoff: number, { prot = 0, flags = 0 } = {}): number =>
  ret(main, 'remapFilePages', AT + page * PAGE_SIZE, npages * PAGE_SIZE, prot, pgoff, flags);
const first = (page: number): number => machine.call(main, 'load', AT + page * PAGE_SIZE, 1).bytes![0]!;

describe('remap_file_pages', () => {
  it('puts another part of the file into the place of one, and reads it in', () => {
    map(4);
    expect([remap(1, 2, 5), [0, 1, 2, 3].map(first)]).toEqual([0, [0, 5, 6, 3]]);
    expect([remap(3, 1, 7), machine.pageTableText(main.process, AT + 3 * PAGE_SIZE, AT + 4 * PAGE_SIZE)]).toEqual([
      0,
      'PTE 0 PRESENT W',
    ]);
    expect(remap(3, 1, 6, { flags: MAP_NONBLOCK })).toBe(0);
    expect(machine.pageTableText(main.process, AT + 3 * PAGE_SIZE, AT + 4 * PAGE_SIZE)).toBe('PTE 0 NONE');
    expect([remap(0, 4, 4), [0, 1, 2, 3].map(first), main.process.mm.vmas.length]).toEqual([0, [4, 5, 6, 7], 1]);
    machine.checkInvariants();
  });

  it('refuses what is not one file that is mapped shared, with the same rights', () => {
    map(4);
    expect([remap(0, 5, 0), remap(0, 0, 0), remap(5, 1, 0), remap(0, 1, 0, { prot: 1 })]).toEqual(
      [0, 0, 0, 0].map(() => -EINVAL),
    );
    expect(remap(0, 1, 2 ** 64)).toBe(-EINVAL);
    ret(main, 'mprotect', AT + PAGE_SIZE, PAGE_SIZE, PROT_READ);
    expect([remap(0, 2, 0), remap(1, 1, 0)]).toEqual([-EINVAL, 0]);
    map(4, MAP_PRIVATE);
    expect(remap(0, 1, 0)).toBe(-EINVAL);
    map(4, MAP_SHARED, PROT_READ, ret(main, 'open', '/tmp/a', O_RDONLY));
    expect(remap(0, 1, 0)).toBe(-EINVAL);
  });

  it('is for shared anonymous memory and segments too, until they are gone', () => {
    map(2, MAP_SHARED | MAP_ANONYMOUS);
    ret(main, 'store', AT + PAGE_SIZE, Uint8Array.of(9));
    expect([remap(0, 1, 1), first(0)]).toEqual([0, 9]);
    ret(main, 'munmap', AT, 2 * PAGE_SIZE);
    const id = ret(main, 'shmget', IPC_PRIVATE, 2 * PAGE_SIZE, 0o600);
    ret(main, 'shmat', id, AT, 0);
    ret(main, 'store', AT + PAGE_SIZE, Uint8Array.of(9));
    expect([remap(0, 1, 1), first(0)]).toEqual([0, 9]);
    ret(main, 'shmctl', id, IPC_RMID);
    expect([remap(0, 2, 0), ret(main, 'shmdt', AT)]).toEqual([-EINVAL, -EINVAL]);
    expect(machine.memory.mappings.size).toBe(1);
    machine.checkInvariants();
  });
});
