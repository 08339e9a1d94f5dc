import { describe, expect, it } from 'vitest';
import { getUserPages } from '../../../../driver/mm/faults/gup.js';
import { folioPut } from '../../../../driver/mm/frames/folio.js';
import { EFAULT, EINVAL, ENOENT } from '../../../../uapi/errno.js';
import { HMM_DMIRROR_FLAG_FAIL_ALLOC } from '../../../../uapi/hmm-dmirror.js';
import { PROT_NONE, PROT_READ } from '../../../../uapi/mman.js';
import { EQUAL_PATHS } from '../../../../uapi/path-name.js';
import { runTask } from '../../helpers.js';
import { BASE } from '../../test-machine.js';
import { DeviceMachine } from '../device-machine.js';

/** Holds one more reference on the frame of the first page. */
function getFirstPage({ memory, mm }: DeviceMachine): number {
  const pfns: number[] = [];
  const locked = function* () {
    yield* mm.mmapLock.readLock();
    expect(yield* getUserPages(mm, BASE, 1, 0, pfns)).toBe(1);
    mm.mmapLock.readUnlock();
  };
  runTask(memory.kernel, locked());
  return pfns[0]!;
}

describe.each(EQUAL_PATHS)('migration ioctls on the %s path', (path) => {
  it('moves written pages to the device and answers their data', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 8);
    w.fill(0, 8, 100);
    const file = w.open(0);
    const answer = w.command(file, 'MIGRATE_TO_DEV', 0, 8);
    expect(answer).toMatchObject({ ret: 0, cpages: 8, faults: 0, words: [100, 101, 102, 103, 104, 105, 106, 107] });
    expect(w.command(file, 'SNAPSHOT', 0, 8).bytes).toEqual(new Array(8).fill(0x22));
    w.check();
  });

  it('brings a page back when the CPU reads it, and leaves the others', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 4);
    w.fill(0, 4, 7);
    const file = w.open(0);
    w.command(file, 'MIGRATE_TO_DEV', 0, 4);
    expect(w.words(1, 1)).toEqual([8]);
    expect(w.command(file, 'SNAPSHOT', 0, 4).bytes).toEqual([0x22, 0x02, 0x22, 0x22]);
    w.check();
  });

  it('fills holes of anonymous memory with zeroed device pages', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 3);
    w.words(1, 1);
    const file = w.open(0);
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, 3)).toMatchObject({ ret: 0, cpages: 3, words: [0, 0, 0] });
    expect(w.command(file, 'SNAPSHOT', 0, 3).bytes).toEqual([0x22, 0x22, 0x22]);
    w.check();
  });

  it('counts only pages that really came back in MIGRATE_TO_SYS', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 4);
    w.fill(0, 4, 7);
    const file = w.open(0);
    w.command(file, 'MIGRATE_TO_DEV', 0, 4);
    w.words(0, 1);
    expect(w.command(file, 'MIGRATE_TO_SYS', 0, 4)).toMatchObject({ ret: 0, cpages: 3 });
    expect(w.words(0, 4)).toEqual([7, 8, 9, 10]);
    expect(w.command(file, 'SNAPSHOT', 0, 4).bytes).toEqual([2, 2, 2, 2]);
    w.check();
  });

  it('answers -EINVAL for a gap and for memory that can not be read, with earlier chunks moved', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 2);
    w.anon(3, 1, { prot: PROT_NONE });
    w.fill(0, 2, 1);
    const file = w.open(0);
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, 4).ret).toBe(-EINVAL);
    expect(w.command(file, 'MIGRATE_TO_DEV', 3, 1).ret).toBe(-EINVAL);
    expect(w.command(file, 'MIGRATE_ON_FAULT_TO_DEV', 3, 1).ret).toBe(-EFAULT);
    expect(w.command(file, 'SNAPSHOT', 0, 4).bytes).toEqual([0x22, 0x22, 0xff, 0xff]);
    w.check();
  });

  it('answers -ENOENT for a page on another private device, which the fault variant moves', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 2);
    w.fill(0, 2, 5);
    const one = w.open(1);
    const zero = w.open(0);
    w.command(one, 'MIGRATE_TO_DEV', 0, 2);
    expect(w.command(zero, 'MIGRATE_TO_DEV', 0, 2).ret).toBe(-ENOENT);
    expect(w.command(zero, 'MIGRATE_ON_FAULT_TO_DEV', 0, 2)).toMatchObject({
      ret: 0,
      cpages: 2,
      faults: 0,
      words: [5, 6],
    });
    expect(w.command(zero, 'SNAPSHOT', 0, 2).bytes).toEqual([0x22, 0x22]);
    expect(w.command(one, 'SNAPSHOT', 0, 2).bytes).toEqual([0, 0]);
    w.check();
  });

  it('mirrors what it can not move in MIGRATE_ON_FAULT_TO_DEV: pages that are there already', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 2);
    w.fill(0, 2, 5);
    const file = w.open(0);
    w.command(file, 'MIGRATE_TO_DEV', 0, 2);
    w.words(0, 1);
    expect(w.command(file, 'MIGRATE_ON_FAULT_TO_DEV', 0, 2)).toMatchObject({ ret: 0, cpages: 2, words: [5, 6] });
    expect(w.command(file, 'SNAPSHOT', 0, 2).bytes).toEqual([0x22, 0x22]);
    w.check();
  });

  it('finds no mirror of what the move itself has unmapped and then had to leave: a page of a split folio without room on the device', () => {
    const w = new DeviceMachine({ path, thpEnabled: 'always' });
    w.anon(0, 512);
    w.fill(0, 512, 100);
    const file = w.open(0);
    w.command(file, 'FLAGS', 0, HMM_DMIRROR_FLAG_FAIL_ALLOC);
    expect(w.command(file, 'MIGRATE_ON_FAULT_TO_DEV', 0, 512)).toMatchObject({ ret: -ENOENT, cpages: 0 });
    const words = Array.from({ length: 512 }, (_, i) => 100 + i);
    expect(w.command(file, 'READ', 0, 512)).toMatchObject({ ret: 0, cpages: 512, words });
    expect(w.text(0, 512)).toBe('PTE 0 PRESENT W\nPTE 1-511 DPRIV-W');
    w.check();
  });

  it('finds no mirror of what the move itself has unmapped and then had to leave: a shared page that is in use', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 2);
    w.fill(0, 2, 5);
    w.fork();
    const file = w.open(0);
    const used = getFirstPage(w);
    expect(w.command(file, 'MIGRATE_ON_FAULT_TO_DEV', 0, 2)).toMatchObject({ ret: -ENOENT, cpages: 0 });
    expect(w.command(file, 'READ', 0, 2)).toMatchObject({ ret: 0, cpages: 2, words: [5, 6] });
    expect(w.text(0, 2)).toBe('PTE 0 PRESENT R\nPTE 1 DPRIV-R');
    folioPut(w.memory, used);
    w.check();
  });

  it('shares a device page read only after a fork, and a write in the parent copies it', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 2);
    w.fill(0, 2, 50);
    const file = w.open(0);
    w.command(file, 'MIGRATE_TO_DEV', 0, 2);
    const child = w.fork();
    expect(w.command(file, 'SNAPSHOT', 0, 2).bytes).toEqual([0x21, 0x21]);
    w.fill(0, 1, 60);
    expect(w.words(0, 2, child)).toEqual([50, 51]);
    expect(w.words(0, 2)).toEqual([60, 51]);
    w.check();
  });

  it('tells the notifiers once for the range and once for the holes', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 4);
    w.fill(0, 2, 1);
    const file = w.open(0);
    const events = w.trace(['notifier'], () => w.command(file, 'MIGRATE_TO_DEV', 0, 4));
    expect(events).toEqual(['MIGRATE owner 0-4', 'MIGRATE owner 2-4']);
  });

  it('walks the page table once or twice for a migration on fault', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 4);
    w.fill(0, 4, 1);
    const one = w.open(1);
    const zero = w.open(0);
    w.command(one, 'MIGRATE_TO_DEV', 0, 4);
    // Brought back, so that no fault's own migration is counted.
    w.command(one, 'EXCLUSIVE', 0, 4);
    w.memory.stats.reset();
    w.command(zero, 'MIGRATE_ON_FAULT_TO_DEV', 0, 4);
    expect(w.memory.stats.walks).toBe(path === 'classic' ? 2 : 1);
    w.check();
  });

  it('leaves a page that has no room on the device where it is', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 600);
    w.fill(0, 600, 1);
    const file = w.open(2);
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, 512)).toMatchObject({ ret: 0, cpages: 512 });
    expect(w.command(file, 'MIGRATE_TO_DEV', 512, 8).ret).toBe(-ENOENT);
    expect(w.command(file, 'SNAPSHOT', 510, 4).bytes).toEqual([0x42, 0x42, 0x02, 0x02]);
    w.check();
  });

  it('adds a chunk to a private device when the first is used up', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 600);
    w.fill(0, 600, 1);
    const file = w.open(0);
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, 600)).toMatchObject({ ret: 0, cpages: 600 });
    expect(file.device.chunks.length).toBe(2);
    w.check();
    w.close(file);
    expect(w.words(0, 600)).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
    w.check();
  });

  it('refuses a dead address space', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 1);
    const file = w.open(0);
    const caller = w.newMm();
    w.mm.users = 0;
    for (const name of ['MIGRATE_TO_DEV', 'MIGRATE_TO_SYS', 'EXCLUSIVE', 'SNAPSHOT'] as const) {
      expect(w.command(file, name, 0, 1, { mm: caller }).ret).toBe(-EINVAL);
    }
    for (const name of ['READ', 'WRITE', 'MIGRATE_ON_FAULT_TO_DEV'] as const) {
      expect(w.command(file, name, 0, 1, { mm: caller }).ret).toBe(-EFAULT);
    }
    expect(w.command(file, 'CHECK_EXCLUSIVE', 0, 1, { mm: caller }).ret).toBe(0);
  });

  it('keeps a read-only page read only', () => {
    const w = new DeviceMachine({ path });
    w.anon(0, 1, { prot: PROT_READ });
    const file = w.open(0);
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, 1)).toMatchObject({ ret: 0, cpages: 1 });
    expect(w.text(0, 1)).toBe('PTE 0 DPRIV-R');
  });
});
