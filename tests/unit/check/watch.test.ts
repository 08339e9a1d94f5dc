import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Watch } from '../../../driver/check/index.js';
import { pageStateText } from '../../../driver/sys/machine/inspect-text.js';
import type { Machine } from '../../../driver/sys/machine/machine.js';
import type { InvariantChecks } from '../../../driver/sys/machine/machine-options.js';
import { MachinePool } from '../../../driver/sys/machine/machine-pool.js';
import { type CommandName, commandNumber, dialectByName } from '../../../uapi/dialect.js';
import { encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import { MADV_DONTNEED, MADV_PAGEOUT, PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import type { PathName } from '../../../uapi/path-name.js';
import type { CallArg, CallResult } from '../../../uapi/system-call.js';
import { count } from '../../counts.js';
import { anon } from '../sys/helpers.js';

const PAGES = 8;
const COMMANDS = [
  'READ',
  'WRITE',
  'MIGRATE_TO_DEV',
  'MIGRATE_ON_FAULT_TO_DEV',
  'MIGRATE_TO_SYS',
  'SNAPSHOT',
  'EXCLUSIVE',
] as const satisfies CommandName[];

interface Observer {
  readonly checks: InvariantChecks;
  readonly isTraced: boolean;
  readonly isWatched: boolean;
}

/** A call on pages of the one region; a command's record and buffer lie in it too. */
interface Op {
  readonly what: (typeof COMMANDS)[number] | 'store' | 'load' | 'advise' | 'protect' | 'fork';
  readonly at: number;
  readonly npages: number;
  readonly record: number;
  readonly offset: number;
  readonly ptr: number;
  readonly device: number;
}

const pool = new MachinePool();

/** What a program can see of a run, and what its pages look like after each call. */
class Player {
  private readonly seen: unknown[] = [];
  private readonly machine: Machine;
  private readonly watch: Watch | null;

  constructor(
    private readonly path: PathName,
    { checks, isTraced, isWatched }: Observer,
  ) {
    this.machine = pool.take({ path, checkInvariants: checks, ramBytes: 16 << 20, swapBytes: 1 << 20 });
    this.watch = isWatched ? new Watch(this.machine) : null;
    if (isTraced) this.machine.trace.listen(() => {});
  }

  play(ops: readonly Op[]): unknown[] {
    const { main, mm } = this.machine.createProcess();
    const addr = anon(main, PAGES);
    const fds = [0, 1, 2].map((minor) => this.call('open', `/dev/hmm_dmirror${minor}`, 2).ret);
    for (const [i, op] of ops.entries()) {
      const start = addr + op.at * PAGE_SIZE;
      const len = Math.min(op.npages, PAGES - op.at) * PAGE_SIZE;
      this.one(op, { start, len, addr, fd: fds[op.device]!, value: i });
      this.seen.push(pageStateText(mm, addr, addr + PAGES * PAGE_SIZE));
    }
    this.call('load', addr, PAGES * PAGE_SIZE);
    expect(this.watch?.violations ?? [], this.path).toEqual([]);
    pool.give(this.machine);
    return this.seen;
  }

  private one(op: Op, at: { start: number; len: number; addr: number; fd: number; value: number }): void {
    const { start, len, addr, fd, value } = at;
    if (op.what === 'store') this.call('store', start, new Uint8Array(len).fill(value + 1));
    else if (op.what === 'load') this.call('load', start, len);
    else if (op.what === 'advise') this.call('madvise', start, len, op.device === 0 ? MADV_DONTNEED : MADV_PAGEOUT);
    else if (op.what === 'protect')
      this.call('mprotect', start, len, op.device === 0 ? PROT_READ : PROT_READ | PROT_WRITE);
    else if (op.what === 'fork') this.call('fork');
    else {
      const npages = len / PAGE_SIZE;
      // A buffer that is nowhere makes the call fail when the pages have moved already.
      const ptr = op.ptr < 0 ? 0 : addr + Math.min(op.ptr, PAGES - npages) * PAGE_SIZE;
      const record = addr + op.record * PAGE_SIZE + op.offset;
      this.call('store', record, encodeHmmDmirrorCmd({ addr: start, ptr, npages }));
      this.call('ioctl', fd, commandNumber(dialectByName('dmirror')!, op.what)!, record);
    }
  }

  private call(name: string, ...args: CallArg[]): CallResult {
    const main = this.machine.threadByTid(1);
    if (main === null) return { ret: 0 };
    const watched = this.watch?.before(1, name, args);
    const result = this.machine.call(main, name, ...args);
    if (watched !== undefined) this.watch!.after(watched, result);
    this.seen.push(name, result.ret, result.signal, result.bytes && Buffer.from(result.bytes).toString('latin1'));
    return result;
  }
}

const PLAIN: Observer = { checks: 'off', isTraced: false, isWatched: false };
const OBSERVERS: readonly Observer[] = [
  { ...PLAIN, checks: 'touched' },
  { ...PLAIN, checks: 'all' },
  { ...PLAIN, isTraced: true },
  { ...PLAIN, isWatched: true },
  { checks: 'all', isTraced: true, isWatched: true },
];

it('the record in the first page of what it migrates does not bring that page home, whoever looks on', () => {
  const op: Op = { what: 'MIGRATE_TO_DEV', at: 0, npages: 4, record: 0, offset: 0, ptr: -1, device: 0 };
  for (const observer of [PLAIN, ...OBSERVERS]) {
    const seen = new Player('classic', observer).play([{ ...op, what: 'store' }, op]);
    expect(seen.at(-5), JSON.stringify(observer)).toMatch(/^0 PTE DPRIV.*\n1 PTE DPRIV/);
  }
});

const op: fc.Arbitrary<Op> = fc.record({
  what: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...COMMANDS) },
    { weight: 2, arbitrary: fc.constantFrom('store', 'load', 'advise', 'protect', 'fork') },
  ),
  at: fc.nat(PAGES - 1),
  npages: fc.integer({ min: 1, max: PAGES }),
  record: fc.nat(PAGES - 2),
  offset: fc.constantFrom(0, 64, PAGE_SIZE - 20),
  ptr: fc.integer({ min: -1, max: PAGES - 1 }),
  device: fc.nat(2),
});

it('a run shows the same bytes whether and how it is checked, traced and watched', () => {
  fc.assert(
    fc.property(fc.constantFrom('classic', 'unified'), fc.array(op, { minLength: 2, maxLength: 14 }), (path, ops) => {
      const plain = new Player(path, PLAIN).play(ops);
      for (const observer of OBSERVERS) expect(new Player(path, observer).play(ops)).toEqual(plain);
    }),
    { numRuns: count(20, 60), seed: 11 },
  );
});
