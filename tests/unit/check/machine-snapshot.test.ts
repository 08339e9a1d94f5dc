import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Snapshot, Watch } from '../../../driver/check/index.js';
import { PG } from '../../../driver/mm/frames/frames.js';
import { checkInvariants, tablesBelow } from '../../../driver/mm/invariants.js';
import { Kind, kindOf } from '../../../driver/mm/tables/entry.js';
import type { Table } from '../../../driver/mm/tables/page-table.js';
import { Machine } from '../../../driver/sys/machine/machine.js';
import { type CommandName, commandNumber, dialectByName } from '../../../uapi/dialect.js';
import { encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import * as mman from '../../../uapi/mman.js';
import { EQUAL_PATHS, type PathName } from '../../../uapi/path-name.js';
import type { CallArg, CallResult } from '../../../uapi/system-call.js';
import { count } from '../../counts.js';
import { anon } from '../sys/helpers.js';

const { PAGE_SIZE } = mman;
const PAGES = 6;
const HUGE_BYTES = 2 << 20;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const COMMANDS = [
  'WRITE',
  'MIGRATE_TO_DEV',
  'MIGRATE_ON_FAULT_TO_DEV',
  'MIGRATE_TO_SYS',
  'EXCLUSIVE',
  'RELEASE',
] as const;
const CALLS = [
  'store',
  'load',
  'munmap',
  'mmap',
  'advise',
  'protect',
  'remap',
  'fork',
  'exit',
  'write',
  'huge',
] as const;

interface Op {
  readonly what: (typeof COMMANDS)[number] | (typeof CALLS)[number];
  readonly at: number;
  readonly npages: number;
  readonly device: number;
}

/** A process with pages in memory, on a device, in swap and in a file, a huge page, and a child that shares them. */
class Subject {
  readonly machine: Machine;
  readonly snapshot: Snapshot;
  private readonly watch: Watch;
  private readonly addr: number;
  private readonly ptr: number;
  private readonly hugeAddr: number;
  private readonly file: number;
  private readonly fds: readonly number[];

  constructor(path: PathName, { tracks, swapBytes = 0 }: { tracks: boolean; swapBytes?: number }) {
    this.machine = new Machine({ path, ramBytes: 32 << 20, swapBytes, thpEnabled: 'always' });
    this.watch = new Watch(this.machine);
    const { main } = this.machine.createProcess();
    this.addr = anon(main, PAGES);
    this.ptr = anon(main, PAGES);
    const area = this.call('mmap', 0, 2 * HUGE_BYTES, RW, mman.MAP_PRIVATE | mman.MAP_ANONYMOUS, -1, 0).ret;
    this.hugeAddr = Math.ceil(area / HUGE_BYTES) * HUGE_BYTES;
    this.call('store', this.hugeAddr, new Uint8Array(1));
    this.call('store', this.addr, new Uint8Array(PAGES * PAGE_SIZE).fill(7));
    this.file = this.call('open', '/tmp/file', 0o102).ret;
    this.call('pwrite', this.file, new Uint8Array(2 * PAGE_SIZE).fill(3), 0);
    this.fds = [0, 1, 2].map((minor) => this.call('open', `/dev/hmm_dmirror${minor}`, 2).ret);
    this.command('MIGRATE_TO_DEV', { at: 1, npages: 1, device: 0 });
    this.call('madvise', this.addr + 2 * PAGE_SIZE, PAGE_SIZE, mman.MADV_PAGEOUT);
    this.call('fork');
    this.snapshot = new Snapshot(this.machine, { watch: this.watch, tracks });
  }

  play(ops: readonly Op[]): unknown[] {
    return ops.map((op, i) => {
      const { ret, bytes, signal } = this.one(op, i);
      return [op.what, ret, signal, bytes && Buffer.from(bytes).toString('latin1')];
    });
  }

  private one(op: Op, value: number): CallResult {
    const start = this.addr + op.at * PAGE_SIZE;
    const len = Math.min(op.npages, PAGES - op.at) * PAGE_SIZE;
    switch (op.what) {
      case 'store':
        return this.call('store', start, new Uint8Array(len).fill(value));
      case 'load':
        return this.call('load', start, len);
      case 'munmap':
        return this.call('munmap', start, len);
      case 'mmap':
        return this.call('mmap', start, len, RW, mman.MAP_SHARED | mman.MAP_FIXED, this.file, 0);
      case 'advise':
        return this.call('madvise', start, len, op.device === 0 ? mman.MADV_DONTNEED : mman.MADV_PAGEOUT);
      case 'protect':
        return this.call('mprotect', start, len, op.device === 0 ? mman.PROT_READ : RW);
      case 'remap':
        return this.call('mremap', start, len, 2 * len, mman.MREMAP_MAYMOVE);
      case 'fork':
        return this.call('fork');
      case 'exit':
        return this.machine.process(2) === null
          ? { ret: 0 }
          : this.machine.call(this.machine.process(2)!.main, 'exit', 0);
      case 'write':
        return this.call('pwrite', this.file, new Uint8Array(PAGE_SIZE).fill(value), op.at * PAGE_SIZE);
      case 'huge':
        return this.call('munmap', this.hugeAddr + op.at * PAGE_SIZE, len);
      default:
        return this.command(op.what, op);
    }
  }

  private command(
    name: CommandName,
    { at, npages, device }: { at: number; npages: number; device: number },
  ): CallResult {
    const pages = Math.min(npages, PAGES - at);
    const record = encodeHmmDmirrorCmd({ addr: this.addr + at * PAGE_SIZE, ptr: this.ptr, npages: pages });
    return this.call('ioctlBytes', this.fds[device]!, commandNumber(dialectByName('dmirror')!, name)!, record);
  }

  private call(name: string, ...args: CallArg[]): CallResult {
    const watched = this.watch.before(1, name, args);
    const result = this.machine.call(this.machine.threadByTid(1)!, name, ...args);
    this.watch.after(watched, result);
    return result;
  }
}

const op: fc.Arbitrary<Op> = fc.record({
  what: fc.constantFrom(...COMMANDS, ...CALLS),
  at: fc.nat(PAGES - 1),
  npages: fc.integer({ min: 1, max: PAGES }),
  device: fc.nat(2),
});

describe('a snapshot', () => {
  it.each(EQUAL_PATHS)('gets by what was touched where putting everything back gets, %s', (path) => {
    const tracking = new Subject(path, { tracks: true, swapBytes: 1 << 20 });
    const whole = new Subject(path, { tracks: false, swapBytes: 1 << 20 });
    const changed = tracking.snapshot.changed();
    fc.assert(
      fc.property(fc.array(op, { minLength: 1, maxLength: 8 }), (ops) => {
        const seen = tracking.play(ops);
        expect(whole.play(ops)).toEqual(seen);
        tracking.snapshot.restore();
        whole.snapshot.restore();
        expect(tracking.snapshot.changed()).toEqual(changed);
        tracking.machine.checkInvariants();
        // As good as before: the same calls give the same again.
        expect(tracking.play(ops)).toEqual(seen);
        tracking.snapshot.restore();
        whole.snapshot.restore();
      }),
      { numRuns: count(20, 50), seed: 5 },
    );
    expect(changed).toEqual([]);
  });
});

/** What a kernel with a bug might do to a page or an entry, through the same doors as one without. */
const DEFECTS: Readonly<
  Record<string, (machine: Machine, pfn: number, at: { table: Table; i: number } | null) => void>
> = {
  reference: ({ memory: { frames } }, pfn) => void frames.addRefcount(pfn, 1),
  mapping: ({ memory: { frames } }, pfn) => void frames.addMapcount(pfn, -1),
  lock: ({ memory: { frames } }, pfn) => frames.setFlags(pfn, PG.locked),
  exclusive: ({ memory: { frames } }, pfn) => frames.clearFlags(pfn, PG.anonExclusive),
  index: ({ memory: { frames } }, pfn) => frames.setIndex(pfn, frames.index(pfn) + 1),
  lostEntry: (_machine, _pfn, at) => at?.table.clear(at.i),
  migrationEntry: (_machine, _pfn, at) => at?.table.setLo(at.i, Kind.migration),
  otherPage: (_machine, pfn, at) => at?.table.set(at.i, at.table.lo(at.i), pfn),
  freeFrame: ({ memory: { allocator } }) => void allocator.freeFrames++,
};

function throws(work: () => void): boolean {
  try {
    work();
    return false;
  } catch {
    return true;
  }
}

describe('a proof of what was touched', () => {
  it.each(EQUAL_PATHS)('finds what the whole proof finds, %s', (path) => {
    const subject = new Subject(path, { tracks: true });
    const { machine, snapshot } = subject;
    let found = 0;
    fc.assert(
      fc.property(
        fc.array(op, { maxLength: 5 }),
        fc.constantFrom(...Object.keys(DEFECTS)),
        fc.nat(),
        fc.nat(),
        (ops, defect, which, other) => {
          subject.play(ops);
          snapshot.checkTouched();
          const { frames, mms } = machine.memory;
          const used: number[] = [];
          frames.raw.refcount.forEach((count, pfn) => void (count > 0 && used.push(pfn)));
          const tables = [...mms].flatMap(({ pageTable: { root } }) => [
            ...tablesBelow({ table: root, level: 4, base: 0 }),
          ]);
          const { table } = tables[other % tables.length]!;
          const entries = Array.from({ length: 512 }, (_, i) => i).filter(
            (i) => kindOf(table.rawEntries[2 * i]!) === Kind.present,
          );
          const at = entries.length === 0 ? null : { table, i: entries[which % entries.length]! };
          DEFECTS[defect]!(machine, used[which % used.length]!, at);
          const isBroken = throws(() => checkInvariants(machine.memory));
          if (isBroken) found++;
          expect(
            throws(() => snapshot.checkTouched()),
            defect,
          ).toBe(isBroken);
          snapshot.restore();
          expect(snapshot.changed()).toEqual([]);
        },
      ),
      { numRuns: count(40, 80), seed: 3 },
    );
    expect(found).toBeGreaterThan(count(40, 80) * 0.375);
  });
});
