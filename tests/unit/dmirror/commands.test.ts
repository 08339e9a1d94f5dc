import { describe, expect, it } from 'vitest';
import { KernelOops } from '../../../driver/dmirror/index.js';
import { cpuLoad, cpuStore } from '../../../driver/mm/faults/access.js';
import { folioGet } from '../../../driver/mm/frames/folio.js';
import { vmMunmap } from '../../../driver/mm/vmas/munmap.js';
import { EBUSY, EFAULT, EINVAL, ENOENT, ENOMEM, EPERM } from '../../../uapi/errno.js';
import { encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import { PROT_NONE, PROT_READ } from '../../../uapi/mman.js';
import { BASE, RW } from '../test-machine.js';
import { CHUNK, DeviceMachine } from './device-machine.js';

const READ = 0xc0284800;
const RECORD = 0x20_0000_0000;
const KERNEL_ADDRESS = 0xffff_8000_0000_0000;

describe('the common part of every ioctl', () => {
  const w = new DeviceMachine();
  w.anon(0, 4);
  const file = w.open(0);
  const call = (record: { addr: number | bigint; npages: number | bigint }, cmd = READ, arg = RECORD): number => {
    w.run(cpuStore(w.mm, RECORD, encodeHmmDmirrorCmd({ ptr: 1, ...record })));
    return w.ioctl(file, cmd, arg);
  };

  it('reads the record before it looks at the number', () => {
    expect(call({ addr: BASE, npages: 1 }, 0x1234, 0)).toBe(-EFAULT);
    expect(call({ addr: BASE, npages: 1 }, 0x1234, KERNEL_ADDRESS)).toBe(-EFAULT);
    expect(call({ addr: BASE, npages: 1 }, 0x1234)).toBe(-EINVAL);
  });

  it('refuses unaligned addresses, no pages, and what wraps', () => {
    expect(call({ addr: BASE + 1, npages: 1 })).toBe(-EINVAL);
    expect(call({ addr: BASE, npages: 0 })).toBe(-EINVAL);
    expect(call({ addr: BASE, npages: 2n ** 52n })).toBe(-EINVAL);
    expect(call({ addr: BASE, npages: 2n ** 64n - 1n })).toBe(-EINVAL);
  });

  it('has no memory for a buffer larger than RAM', () => {
    expect(call({ addr: BASE, npages: 2 ** 30 })).toBe(-ENOMEM);
  });

  it('refuses commands of other kernels', () => {
    expect(call({ addr: BASE, npages: 1 }, READ + 9)).toBe(-EINVAL);
  });

  it('leaves the record alone on errors', () => {
    const answer = w.command(file, 'READ', 100, 1);
    expect(answer).toMatchObject({ ret: -EFAULT, cpages: 0, faults: 0 });
  });
});

describe('READ and WRITE', () => {
  it('reads what the CPU wrote, with one call of the fault helper', () => {
    const w = new DeviceMachine();
    w.anon(0, 100);
    w.fill(2, 98, 10);
    const file = w.open(0);
    const answer = w.command(file, 'READ', 0, 100);
    expect(answer).toMatchObject({ ret: 0, cpages: 100, faults: 1 });
    expect(answer.words.slice(0, 4)).toEqual([0, 0, 10, 11]);
    expect(w.command(file, 'READ', 0, 100)).toMatchObject({ ret: 0, cpages: 100, faults: 0 });
    w.check();
  });

  it('writes into the frames of an untouched buffer', () => {
    const w = new DeviceMachine();
    w.anon(0, 3);
    const file = w.open(0);
    expect(w.command(file, 'WRITE', 0, 3, { value: 40 })).toMatchObject({ ret: 0, cpages: 3, faults: 1 });
    expect(w.words(0, 3)).toEqual([40, 41, 42]);
    w.check();
  });

  it('answers -EPERM for a write to read-only memory and -EFAULT where nothing can be read', () => {
    const w = new DeviceMachine();
    w.anon(0, 2, { prot: PROT_READ });
    w.anon(2, 1, { prot: PROT_NONE });
    const file = w.open(0);
    expect(w.command(file, 'READ', 0, 2)).toMatchObject({ ret: 0, faults: 1 });
    expect(w.command(file, 'WRITE', 0, 2).ret).toBe(-EPERM);
    expect(w.command(file, 'WRITE', 2, 1).ret).toBe(-EFAULT);
    expect(w.command(file, 'READ', 2, 1).ret).toBe(-EFAULT);
    expect(w.command(file, 'READ', 0, 2, { ptr: 8 }).ret).toBe(-EFAULT);
  });

  it('keeps the pages that were written before a page that can not be (Q12)', () => {
    const w = new DeviceMachine();
    w.anon(0, 2);
    const file = w.open(0);
    w.command(file, 'WRITE', 0, 2, { value: 1 });
    expect(w.command(file, 'WRITE', 0, 3, { value: 70 }).ret).toBe(-EFAULT);
    expect(w.words(0, 2)).toEqual([70, 71]);
  });

  it('answers -EFAULT for a write to an own page that a fork made read only (Q4)', () => {
    const w = new DeviceMachine();
    w.anon(0, 1);
    w.fill(0, 1, 9);
    const file = w.open(0);
    w.command(file, 'MIGRATE_TO_DEV', 0, 1);
    w.fork();
    expect(w.command(file, 'WRITE', 0, 1).ret).toBe(-EFAULT);
    w.check();
  });

  it('reads an own device page that the mirror lost through its backing page, or oopses when strict (Q3)', () => {
    const lose = (w: DeviceMachine) => {
      w.anon(0, 2);
      w.fill(0, 2, 9);
      const file = w.open(0);
      w.command(file, 'MIGRATE_TO_DEV', 0, 2);
      w.words(0, 1);
      return file;
    };
    const plain = new DeviceMachine();
    expect(plain.command(lose(plain), 'READ', 0, 2)).toMatchObject({ ret: 0, words: [9, 10] });
    const strict = new DeviceMachine({ quirks: { q3Strict: true } });
    const file = lose(strict);
    expect(() => strict.command(file, 'READ', 0, 2)).toThrow(KernelOops);
  });

  it('forgets one page more than was invalidated (Q1)', () => {
    const w = new DeviceMachine();
    w.anon(0, 3);
    w.fill(0, 3, 1);
    const file = w.open(0);
    w.command(file, 'READ', 0, 3);
    w.fork();
    w.command(file, 'READ', 0, 3);
    const events = w.trace(['notifier'], () => w.fill(0, 1, 5));
    expect(events).toEqual(['CLEAR 0-1']);
    expect(file.mirror.get(BASE / 4096)).toBe(0);
    expect(file.mirror.get(BASE / 4096 + 1)).toBe(0);
    expect(file.mirror.get(BASE / 4096 + 2)).not.toBe(0);
  });

  it('acts on the opener’s memory and copies to the caller’s', () => {
    const w = new DeviceMachine();
    w.anon(0, 1);
    w.fill(0, 1, 33);
    const file = w.open(0);
    const other = w.newMm();
    expect(w.command(file, 'READ', 0, 1, { mm: other })).toMatchObject({ ret: 0, words: [33] });
  });
});

describe('EXCLUSIVE and CHECK_EXCLUSIVE', () => {
  it('takes pages from the CPU until it touches them', () => {
    const w = new DeviceMachine();
    w.anon(0, 4);
    w.fill(0, 4, 60);
    const file = w.open(0);
    expect(w.command(file, 'EXCLUSIVE', 0, 4)).toMatchObject({ ret: 0, cpages: 4, words: [60, 61, 62, 63] });
    expect(w.command(file, 'CHECK_EXCLUSIVE', 0, 4).ret).toBe(-EPERM);
    expect(w.text(0, 4)).toContain('DEXCL-W');
    w.check();
    w.fill(0, 4, 70);
    expect(w.command(file, 'CHECK_EXCLUSIVE', 0, 4).ret).toBe(0);
    expect(w.words(0, 4)).toEqual([70, 71, 72, 73]);
    w.check();
  });

  it('answers -EBUSY for whatever goes wrong (Q6)', () => {
    const w = new DeviceMachine();
    w.anon(0, 1);
    w.anon(1, 1, { prot: PROT_READ });
    const file = w.open(0);
    expect(w.command(file, 'EXCLUSIVE', 0, 2).ret).toBe(-EBUSY);
    expect(w.command(file, 'EXCLUSIVE', 5, 1).ret).toBe(-EBUSY);
    expect(w.command(file, 'CHECK_EXCLUSIVE', 0, 2).ret).toBe(0);
    w.check();
  });
});

describe('SNAPSHOT', () => {
  it('names every kind of page', () => {
    const w = new DeviceMachine();
    w.anon(0, 1, { prot: PROT_NONE });
    w.anon(2, 5);
    w.words(2, 1);
    w.fill(4, 3, 1);
    const zero = w.open(0);
    const one = w.open(1);
    w.command(zero, 'MIGRATE_TO_DEV', 5, 1);
    w.command(one, 'MIGRATE_TO_DEV', 6, 1);
    expect(w.command(zero, 'SNAPSHOT', 0, 7)).toMatchObject({
      ret: 0,
      cpages: 7,
      bytes: [0xff, 0xff, 0x11, 0, 2, 0x22, 0],
    });
    w.check();
  });

  it('sees the pages of both coherent devices', () => {
    const w = new DeviceMachine();
    w.anon(0, 2);
    w.fill(0, 2, 1);
    const two = w.open(2);
    const three = w.open(3);
    w.command(two, 'MIGRATE_TO_DEV', 0, 1);
    w.command(three, 'MIGRATE_TO_DEV', 1, 1);
    expect(w.command(two, 'SNAPSHOT', 0, 2).bytes).toEqual([0x42, 0x52]);
    expect(w.words(0, 2)).toEqual([1, 2]);
    expect(w.command(two, 'MIGRATE_TO_SYS', 0, 2)).toMatchObject({ ret: 0, cpages: 1 });
    expect(w.command(two, 'SNAPSHOT', 0, 2).bytes).toEqual([0x02, 0x52]);
    w.check();
  });

  it('leaves the bytes of chunks before a failing one (Q12)', () => {
    const w = new DeviceMachine();
    w.anon(0, 100, { prot: RW });
    const file = w.open(0);
    const end = 0x20_1000_0000 + 2048 * 4096;
    expect(w.command(file, 'SNAPSHOT', 0, 100, { ptr: end - 64 }).ret).toBe(-EFAULT);
  });
});

describe('the memory of a device', () => {
  it('hands out the highest page first and the page freed last next', () => {
    const w = new DeviceMachine();
    w.anon(0, 4);
    w.fill(0, 4, 1);
    const file = w.open(0);
    const top = w.memory.frames.firstPrivatePfn + CHUNK - 1;
    w.command(file, 'MIGRATE_TO_DEV', 0, 2);
    expect(pfnsOf(w, 0, 2)).toEqual([top, top - 1]);
    w.words(0, 2);
    w.command(file, 'MIGRATE_TO_DEV', 2, 2);
    expect(pfnsOf(w, 2, 2)).toEqual([top - 1, top]);
    expect(file.device).toMatchObject({ calloc: 4, cfree: 2 });
    w.check();
  });

  it('is empty after RELEASE, and a chunk is made again when it is needed', () => {
    const w = new DeviceMachine();
    w.anon(0, 8);
    w.fill(0, 8, 1);
    const file = w.open(0);
    const other = w.newMm();
    w.anon(0, 1, { mm: other });
    w.fill(0, 1, 90, other);
    w.command(w.open(0, other), 'MIGRATE_TO_DEV', 0, 1);
    w.command(file, 'MIGRATE_TO_DEV', 0, 8);
    expect(w.command(file, 'RELEASE', 0, 1)).toMatchObject({ ret: 0, cpages: 0 });
    expect(file.device.chunks).toEqual([]);
    expect(w.words(0, 8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(w.words(0, 1, other)).toEqual([90]);
    w.check();
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, 8)).toMatchObject({ ret: 0, cpages: 8 });
    w.check();
  });

  it('is emptied for everybody when one file is closed (Q8), and keeps write permission', () => {
    const w = new DeviceMachine();
    w.anon(0, 2);
    w.fill(0, 2, 1);
    const first = w.open(0);
    const second = w.open(0);
    w.command(first, 'MIGRATE_TO_DEV', 0, 2);
    w.close(second);
    expect(w.command(first, 'SNAPSHOT', 0, 2).bytes).toEqual([2, 2]);
    w.check();
  });

  it('faults for ever without memory, until the limit of steps, when Q18 is on', () => {
    const w = new DeviceMachine({ ramBytes: 16 << 20, quirks: { q18EndlessRefault: true } });
    w.anon(0, 1);
    w.fill(0, 1, 1);
    w.command(w.open(0), 'MIGRATE_TO_DEV', 0, 1);
    while (w.memory.allocator.allocate() !== 0);
    const { scheduler } = w.memory.kernel;
    scheduler.stepLimit = 5000;
    scheduler.start(scheduler.newTask('load'), cpuLoad(w.mm, BASE, new Uint8Array(1)), () => {});
    expect(scheduler.run().reason).toBe('step-limit');
  });

  it('answers a CPU fault without memory by an out of memory, not by faulting for ever (Q18)', () => {
    const w = new DeviceMachine({ ramBytes: 16 << 20 });
    w.anon(0, 1);
    w.fill(0, 1, 1);
    const file = w.open(0);
    w.command(file, 'MIGRATE_TO_DEV', 0, 1);
    while (w.memory.allocator.allocate() !== 0);
    expect(w.words(0, 1)).toEqual(['oom']);
    expect(w.command(file, 'SNAPSHOT', 0, 1).bytes).toEqual([0x22]);
  });

  it('goes only when nobody holds a page of it: RELEASE waits (Q13)', () => {
    const w = new DeviceMachine();
    w.anon(0, 2);
    w.fill(0, 2, 1);
    const file = w.open(2);
    w.command(file, 'MIGRATE_TO_DEV', 0, 2);
    const [held] = pfnsOf(w, 0, 1) as [number];
    folioGet(w.memory, held);
    const { scheduler } = w.memory.kernel;
    let answer: number | null = null;
    scheduler.start(scheduler.newTask('release'), w.commandTask(file, 'RELEASE', { at: 0, npages: 1 }), ({ ret }) => {
      answer = ret;
    });
    expect(scheduler.run().blocked).toMatchObject([{ task: 'release', holds: ['devmem_lock'] }]);
    expect(answer).toBe(null);
    expect(pfnsOf(w, 0, 1)).toEqual([held]);
    w.memory.frames.addRefcount(held, -1);
    // The page can move now, and whoever moves it wakes the task that waits.
    w.run(vmMunmap(w.mm, BASE, 4096));
    scheduler.run();
    expect(answer).toBe(0);
    expect(file.device.chunks).toEqual([]);
    w.check();
  });

  it('is as new after a reset', () => {
    const w = new DeviceMachine();
    w.anon(0, 8);
    w.fill(0, 8, 1);
    w.command(w.open(0), 'MIGRATE_TO_DEV', 0, 8);
    w.memory.kernel.reset(1);
    w.memory.reset();
    w.devices.reset();
    w.check();
    expect(w.devices.device(0)).toMatchObject({ calloc: 0, cfree: 0 });
  });

  it('does not find a device that the machine lacks', () => {
    const w = new DeviceMachine();
    expect(w.run(w.devices.dmirrorFopsOpen(4, w.mm))).toBe(-ENOENT);
  });
});

function pfnsOf(w: DeviceMachine, at: number, npages: number): number[] {
  const leaf = w.mm.pageTable.pteTable(BASE / 4096 + at)!;
  return Array.from({ length: npages }, (_, i) => leaf.hi(((BASE / 4096) % 512) + at + i));
}
