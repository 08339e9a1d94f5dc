import { describe, expect, it } from 'vitest';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import type { Process } from '../../../../driver/sys/processes/process.js';
import { commandNumber, dialectByName } from '../../../../uapi/dialect.js';
import { ENOMEM } from '../../../../uapi/errno.js';
import { encodeHmmDmirrorCmd } from '../../../../uapi/hmm-dmirror.js';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../../../uapi/mman.js';
import { SIGKILL } from '../../../../uapi/signal.js';

const PAGE = 4096;
const HUGE = 2 ** 21;
const RAM = 8 * HUGE;
const RAM_PAGES = RAM / PAGE;
const RW = PROT_READ | PROT_WRITE;
const PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
const FAR = 2 ** 40;

interface Driven {
  readonly machine: Machine;
  readonly process: Process;
  call(name: string, ...args: (number | string | Uint8Array)[]): number;
}

function boot(): Driven {
  const machine = new Machine({ ramBytes: RAM, coherent: false, swapBytes: 0 });
  return drive(machine, machine.createProcess());
}

function drive(machine: Machine, process: Process): Driven {
  return { machine, process, call: (name, ...args) => machine.call(process.threads[0]!, name, ...args).ret };
}

/** A command on `addr` whose buffer is `ptr`. */
function ioctl({ call }: Driven, fd: number, name: 'READ' | 'WRITE' | 'MIGRATE_TO_DEV', at: [number, number, number]) {
  const [addr, npages, ptr] = at;
  return call(
    'ioctlBytes',
    fd,
    commandNumber(dialectByName('dmirror')!, name)!,
    encodeHmmDmirrorCmd({ addr, npages, ptr }),
  );
}

describe('a bounce buffer', () => {
  it.each(['READ', 'WRITE', 'MIGRATE_TO_DEV'] as const)('of %s that RAM has no room for is -ENOMEM', (name) => {
    const driven = boot();
    const { machine, call } = driven;
    const fd = call('open', '/dev/hmm_dmirror0', 2);
    const addr = call('mmap', 0, 2 * RAM, RW, PRIVATE, -1, 0);
    const half = RAM_PAGES / 2;
    const most = RAM / 2 + 64 * PAGE;
    expect(ioctl(driven, fd, name, [addr, 16, addr])).toBe(0);
    expect(call('store', addr + RAM, new Uint8Array(most))).toBe(most);
    expect(ioctl(driven, fd, name, [addr, half, addr])).toBe(-ENOMEM);
    call('munmap', addr + RAM, RAM);
    expect(ioctl(driven, fd, name, [addr, 16, addr])).toBe(0);
    expect(machine.memory.kernelMemory.taken.vmalloc).toBe(0);
    machine.checkInvariants();
  });

  it('takes no memory of the host for a range that no RAM could hold', () => {
    const driven = boot();
    const fd = driven.call('open', '/dev/hmm_dmirror0', 2);
    const before = process.memoryUsage().arrayBuffers;
    for (const npages of [RAM_PAGES, 2 ** 20, 2 ** 36]) {
      expect(ioctl(driven, fd, 'READ', [FAR, npages, FAR])).toBe(-ENOMEM);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(RAM);
  });

  it('is free RAM for nobody else while a command holds it', () => {
    const { machine, call } = boot();
    const { kernelMemory, allocator } = machine.memory;
    call('mmap', FAR, HUGE, RW, PRIVATE | MAP_FIXED, -1, 0);
    kernelMemory.take('vmalloc', allocator.available);
    expect(machine.call(machine.createProcess().threads[0]!, 'mmap', 0, PAGE, RW, PRIVATE, -1, 0).ret).toBe(-ENOMEM);
    expect(machine.call(machine.allProcesses()[0]!.threads[0]!, 'load', FAR, 1).signal?.signo).toBe(SIGKILL);
    kernelMemory.give('vmalloc', kernelMemory.taken.vmalloc);
  });
});

describe('page tables', () => {
  it('of memory that is touched here and there end with RAM, and come back with it', () => {
    const { machine, process, call } = boot();
    const { allocator, kernelMemory } = machine.memory;
    const before = allocator.available;
    call('mmap', FAR, 2 ** 44, PROT_READ, PRIVATE | MAP_FIXED, -1, 0);
    let touched = 0;
    while (machine.call(process.threads[0]!, 'load', FAR + touched * HUGE, 1).signal === undefined) touched++;
    expect(touched).toBeGreaterThan(RAM_PAGES * 0.9);
    expect(touched).toBeLessThan(RAM_PAGES);
    expect(machine.process(process.pid)).toBeNull();
    expect(kernelMemory.taken).toEqual({ table: 0, vmalloc: 0, object: 0, mirror: 0 });
    expect(allocator.available).toBeGreaterThanOrEqual(before);
    machine.checkInvariants();
  });

  it('that fork can not copy are -ENOMEM, and nothing of the child is left', () => {
    const { machine, call } = boot();
    call('mmap', FAR, 2 ** 44, PROT_READ | PROT_WRITE, PRIVATE | MAP_FIXED, -1, 0);
    const byte = Uint8Array.of(1);
    for (let i = 0; i < RAM_PAGES / 3; i++) expect(call('store', FAR + i * HUGE, byte)).toBe(1);
    expect(call('fork')).toBe(-ENOMEM);
    expect(machine.allProcesses().length).toBe(1);
    machine.checkInvariants();
    call('munmap', FAR, 2 ** 44);
    expect(call('fork')).toBeGreaterThan(0);
  });
});

describe('VMAs', () => {
  it('end with RAM, whichever process has them', () => {
    const { machine, process } = boot();
    let drivers = [drive(machine, process)];
    const vmas = 4000;
    for (let i = 0; i < vmas; i++) drivers[0]!.call('mmap', 0, PAGE, i % 2 ? PROT_READ : RW, PRIVATE, -1, 0);
    for (let last = 1; last > 0; ) {
      last = drivers[0]!.call('fork');
      if (last > 0) drivers = [drive(machine, machine.process(last)!), ...drivers];
      else expect(last).toBe(-ENOMEM);
    }
    expect(drivers.length).toBeGreaterThan(3);
    expect(drivers.length * vmas).toBeLessThan(8 * RAM_PAGES);
    for (const prot of [PROT_READ, RW, PROT_READ, RW]) drivers[0]!.call('mmap', 0, PAGE, prot, PRIVATE, -1, 0);
    machine.checkInvariants();
    for (const { call } of drivers) call('exit', 0);
    expect(machine.memory.kernelMemory.taken).toEqual({ table: 0, vmalloc: 0, object: 0, mirror: 0 });
  });
});

describe('an open device file', () => {
  it('keeps no more of its mirror than what is mirrored', () => {
    const driven = boot();
    const { machine, call } = driven;
    const fd = call('open', '/dev/hmm_dmirror0', 2);
    const buffer = call('mmap', 0, PAGE, RW, PRIVATE, -1, 0);
    for (let i = 0; i < 1000; i++) {
      const addr = FAR + i * HUGE;
      call('mmap', addr, PAGE, RW, PRIVATE | MAP_FIXED, -1, 0);
      expect(ioctl(driven, fd, 'READ', [addr, 1, buffer])).toBe(0);
      call('munmap', addr, PAGE);
    }
    expect(machine.memory.kernelMemory.taken.mirror).toBeLessThan(100);
    machine.checkInvariants();
  });

  it('is forgotten when it is closed and no page names it', () => {
    const driven = boot();
    const { machine, call } = driven;
    const addr = call('mmap', 0, PAGE, RW, PRIVATE, -1, 0);
    for (let i = 0; i < 100; i++) {
      const fd = call('open', '/dev/hmm_dmirror0', 2);
      expect(ioctl(driven, fd, 'MIGRATE_TO_DEV', [addr, 1, addr])).toBe(0);
      call('close', fd);
    }
    expect(machine.devices.files).toEqual([]);
    machine.checkInvariants();
  });
});
