import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DmirrorFile } from '../../../../../driver/dmirror/index.js';
import type { ProfileName } from '../../../../../driver/mm/profile.js';
import { pageStateText } from '../../../../../driver/sys/machine/inspect-text.js';
import { Machine } from '../../../../../driver/sys/machine/machine.js';
import { MachineError } from '../../../../../driver/sys/machine/machine-error.js';
import type { Process } from '../../../../../driver/sys/processes/process.js';
import { commandNumber, dialectByName } from '../../../../../uapi/dialect.js';
import { decodeHmmDmirrorCmd, encodeHmmDmirrorCmd } from '../../../../../uapi/hmm-dmirror.js';
import {
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_PAGEOUT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PAGE_SIZE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../../../../uapi/mman.js';
import type { PathName } from '../../../../../uapi/path-name.js';
import type { CallArg, CallResult } from '../../../../../uapi/system-call.js';
import { runs } from '../../../../counts.js';

/** A small region, and behind it one that a huge page fits into; `ptr` of every command points to the third. */
const BASE = 0x1000000000;
const PAGES = 12;
const HUGE_AT = 512;
const MIRROR = 0x2000000000;
const MIRROR_PAGES = 520;
const DEVICES = [0, 1, 2];
const RW = PROT_READ | PROT_WRITE;

const COMMANDS = [
  'READ',
  'WRITE',
  'MIGRATE_TO_DEV',
  'MIGRATE_ON_FAULT_TO_DEV',
  'MIGRATE_TO_SYS',
  'SNAPSHOT',
  'EXCLUSIVE',
] as const;
type Command = (typeof COMMANDS)[number] | 'CHECK_EXCLUSIVE' | 'RELEASE' | 'FLAGS';

interface Range {
  readonly who: number;
  readonly at: number;
  readonly npages: number;
}

type MemoryOp =
  | ({ readonly kind: 'load' | 'store' | 'unmap' | 'map' | 'mapShared' } & Range)
  | ({ readonly kind: 'protect' | 'advise'; readonly value: number } & Range)
  | ({ readonly kind: 'remap'; readonly to: number } & Range);
type Op =
  | MemoryOp
  | ({ readonly kind: 'command'; readonly device: number; readonly command: Command } & Range)
  | { readonly kind: 'fork' }
  | { readonly kind: 'exit' }
  | { readonly kind: 'reopen'; readonly who: number; readonly device: number };

const BLOCKED = 'blocked';

const dialect = dialectByName('dmirror')!;

/** One machine that plays sequences; it is reset for each, so that a new life is as good as a new machine. */
class Player {
  private machine: Machine;
  private isPlaying = false;
  private processes: { process: Process; fds: number[] }[] = [];
  private value = 0;

  constructor(
    private readonly path: PathName,
    private readonly profile: ProfileName,
  ) {
    this.machine = this.newMachine();
  }

  private newMachine(): Machine {
    const { path, profile } = this;
    return new Machine({ path, profile, ramBytes: 64 << 20, swapBytes: 8 << 20, coherent: true });
  }

  /** A machine that stopped in the middle of a failure is not used again. */
  begin(): void {
    if (this.isPlaying) this.machine = this.newMachine();
    else this.machine.reset();
    this.isPlaying = true;
    this.value = 0;
    const process = this.machine.createProcess();
    this.processes = [{ process, fds: [] }];
    this.mmap(process, BASE, PAGES, MAP_PRIVATE);
    this.mmap(process, BASE + HUGE_AT * PAGE_SIZE, 512, MAP_PRIVATE);
    this.mmap(process, MIRROR, MIRROR_PAGES, MAP_SHARED);
    this.call(process, 'madvise', BASE + HUGE_AT * PAGE_SIZE, 512 * PAGE_SIZE, MADV_HUGEPAGE);
    for (const device of DEVICES) this.open(0, device);
  }

  /** What the op answers, in a form that can be compared. A RELEASE may block for good (Q13); then the sequence is over. */
  play(op: Op): unknown {
    try {
      return this.playOnce(op);
    } catch (error) {
      if (error instanceof MachineError && /a device chunk( \(pfn [^)]*\))?, holds devmem_lock/.test(error.message))
        return BLOCKED;
      throw error;
    }
  }

  private playOnce(op: Op): unknown {
    if (op.kind === 'fork') return this.fork();
    if (op.kind === 'exit') return this.exit();
    const who = op.who % this.processes.length;
    const { process, fds } = this.processes[who]!;
    if (op.kind === 'reopen') {
      const ret = this.call(process, 'close', fds[op.device]!).ret;
      return [ret, this.open(who, op.device)];
    }
    if (op.kind === 'command') return this.command(process, fds[op.device]!, op);
    return this.memoryCall(process, op);
  }

  /** Entries with their bits, counts of the pages behind them, and all mirrors. */
  state(): string {
    return this.processes
      .map(({ process, fds }, who) => {
        const small = pageStateText(process.mm, BASE, BASE + PAGES * PAGE_SIZE).replace(/ pfn \d+/g, '');
        const end = BASE + (HUGE_AT + 512) * PAGE_SIZE;
        const huge = this.machine.pageTableText(process, BASE + HUGE_AT * PAGE_SIZE, end);
        return [`process ${who}`, small, huge, ...fds.map((fd) => this.mirrorText(process, fd))].join('\n');
      })
      .join('\n');
  }

  end(): void {
    this.machine.checkInvariants();
    this.isPlaying = false;
  }

  private memoryCall(process: Process, op: MemoryOp): unknown {
    const addr = BASE + op.at * PAGE_SIZE;
    const len = op.npages * PAGE_SIZE;
    switch (op.kind) {
      case 'load':
        return words(this.call(process, 'load', addr, len));
      case 'store':
        return words(this.call(process, 'store', addr, this.pattern(op.npages)));
      case 'unmap':
        return this.call(process, 'munmap', addr, len).ret;
      case 'map':
        return this.mmap(process, addr, op.npages, MAP_PRIVATE);
      case 'mapShared':
        return this.mmap(process, addr, op.npages, MAP_SHARED);
      case 'protect':
        return this.call(process, 'mprotect', addr, len, op.value).ret;
      case 'advise':
        return this.call(process, 'madvise', addr, len, op.value).ret;
      case 'remap': {
        const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
        return this.call(process, 'mremap', addr, len, len, flags, BASE + op.to * PAGE_SIZE).ret;
      }
    }
  }

  private command(process: Process, fd: number, op: Range & { command: Command }): unknown {
    this.call(process, 'store', MIRROR, this.pattern(op.npages));
    const record = encodeHmmDmirrorCmd({ addr: BASE + op.at * PAGE_SIZE, ptr: MIRROR, npages: op.npages });
    const { ret, bytes } = this.call(process, 'ioctlBytes', fd, commandNumber(dialect, op.command)!, record);
    const { cpages, faults } = decodeHmmDmirrorCmd(bytes!);
    return [ret, Number(cpages), Number(faults), words(this.call(process, 'load', MIRROR, op.npages * PAGE_SIZE))];
  }

  private fork(): number {
    if (this.processes.length === 3) return 0;
    const parent = this.processes[0]!;
    const pid = this.call(parent.process, 'fork').ret;
    const process = this.machine.process(pid);
    if (process === null) return pid;
    this.processes.push({ process, fds: [] });
    for (const device of DEVICES) this.open(this.processes.length - 1, device);
    return pid;
  }

  /** The last child ends. */
  private exit(): number {
    if (this.processes.length === 1) return 0;
    const { process } = this.processes.pop()!;
    this.call(process, 'exit', 0);
    return this.call(this.processes[0]!.process, 'wait', process.pid).ret;
  }

  private open(who: number, device: number): number {
    const { process, fds } = this.processes[who]!;
    fds[device] = this.call(process, 'open', `/dev/hmm_dmirror${device}`, 2, 0).ret;
    return fds[device];
  }

  private mmap(process: Process, addr: number, npages: number, flags: number): number {
    return this.call(process, 'mmap', addr, npages * PAGE_SIZE, RW, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0).ret;
  }

  private call(process: Process, name: string, ...args: CallArg[]): CallResult {
    return this.machine.call(process.main, name, ...args);
  }

  private pattern(npages: number): Uint8Array {
    const bytes = new Uint8Array(npages * PAGE_SIZE);
    const view = new DataView(bytes.buffer);
    for (let page = 0; page < npages; page++) view.setUint32(page * PAGE_SIZE, ++this.value, true);
    return bytes;
  }

  /** Pages, tags and first words: what the device would read. Entries whose frame is gone (Q2) have no word. */
  private mirrorText({ files }: Process, fd: number): string {
    const dmirror = dmirrorOf(files, fd);
    const { frames, words: ram } = this.machine.memory;
    const entries: string[] = [];
    dmirror.mirror.visit((vpn, pfn, tag) => {
      const word = frames.refcount(frames.head(pfn)) === 0 ? 'gone' : ram[(pfn * PAGE_SIZE) / 4];
      entries.push(`${vpn - BASE / PAGE_SIZE}:${tag}:${word}`);
    });
    return `mirror ${entries.sort().join(' ')}`;
  }
}

function dmirrorOf(files: Process['files'], fd: number): DmirrorFile {
  return (files.get(fd) as unknown as { dmirror: DmirrorFile }).dmirror;
}

/** The return value, the first word of each page, and the signal. */
function words({ ret, bytes, signal }: CallResult): unknown {
  const first: number[] = [];
  const view = bytes && new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; view && at + 4 <= view.byteLength; at += PAGE_SIZE) first.push(view.getUint32(at, true));
  return [ret, first, signal];
}

const small = fc.record({ who: fc.nat(2), at: fc.nat(PAGES - 1), npages: fc.integer({ min: 1, max: PAGES }) });
const huge = fc.record({
  who: fc.nat(2),
  at: fc.integer({ min: HUGE_AT, max: HUGE_AT + 400 }),
  npages: fc.integer({ min: 1, max: 100 }),
});
const wholeHuge = fc.record({ who: fc.nat(2), at: fc.constant(HUGE_AT), npages: fc.constant(512) });
const range = fc.oneof(
  { weight: 8, arbitrary: small },
  { weight: 2, arbitrary: huge },
  { weight: 2, arbitrary: wholeHuge },
);

function ranged(extra: fc.Arbitrary<object>): fc.Arbitrary<Op> {
  return fc.tuple(range, extra).map(([at, more]) => ({ ...at, ...more }) as Op);
}

const kinds = <K extends string>(...names: K[]) => fc.record({ kind: fc.constantFrom(...names) });

const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 5, arbitrary: ranged(kinds('load', 'store', 'store')) },
  {
    weight: 10,
    arbitrary: ranged(
      fc.record({
        kind: fc.constant('command' as const),
        device: fc.constantFrom(...DEVICES),
        command: fc.constantFrom<Command>(...COMMANDS, 'MIGRATE_ON_FAULT_TO_DEV', 'CHECK_EXCLUSIVE', 'FLAGS'),
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: ranged(
      fc.record({ kind: fc.constant('protect' as const), value: fc.constantFrom(PROT_NONE, PROT_READ, RW, RW) }),
    ),
  },
  {
    weight: 3,
    arbitrary: ranged(
      fc.record({
        kind: fc.constant('advise' as const),
        value: fc.constantFrom(MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT, MADV_PAGEOUT, MADV_COLLAPSE),
      }),
    ),
  },
  { weight: 1, arbitrary: ranged(kinds('unmap', 'map', 'map', 'mapShared')) },
  { weight: 1, arbitrary: ranged(fc.record({ kind: fc.constant('remap' as const), to: fc.nat(2 * PAGES) })) },
  { weight: 1, arbitrary: kinds('fork', 'fork', 'exit') as fc.Arbitrary<Op> },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(2), fc.constantFrom(...DEVICES))
      .map(([who, device]): Op => ({ kind: 'reopen', who, device })),
  },
  {
    weight: 1,
    arbitrary: small.map((at): Op => ({ ...at, kind: 'command', device: at.at % DEVICES.length, command: 'RELEASE' })),
  },
);

describe.each(['6.12', '7.3'] as const)('the two migration paths behind the table of system calls, %s', (profile) => {
  const classic = new Player('classic', profile);
  const unified = new Player('unified', profile);

  it('leave the same entries, bits, contents, mirrors, counts and results, whatever is called', () => {
    const agree = fc.property(fc.array(op, { minLength: 1, maxLength: 40 }), (ops) => {
      classic.begin();
      unified.begin();
      for (const [i, each] of ops.entries()) {
        const step = `step ${i} ${JSON.stringify(each)}`;
        const [expected, actual] = [classic.play(each), unified.play(each)];
        expect(JSON.stringify([step, actual])).toBe(JSON.stringify([step, expected]));
        if (actual === BLOCKED) return;
        expect(unified.state()).toBe(classic.state());
      }
      classic.end();
      unified.end();
    });
    fc.assert(agree, runs(10, 100));
  }, 600_000);
});
