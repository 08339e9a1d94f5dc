import fc from 'fast-check';
import type { Coroutine } from '../../../driver/core/effect.js';
import type { Race } from '../../../driver/explore/index.js';
import { Machine } from '../../../driver/sys/machine/machine.js';
import type { Call } from '../../../driver/sys/processes/thread.js';
import { type CommandName, commandNumber, dialectByName } from '../../../uapi/dialect.js';
import { encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import * as mman from '../../../uapi/mman.js';
import type { PathName } from '../../../uapi/path-name.js';
import type { CallArg } from '../../../uapi/system-call.js';
import { anon } from '../sys/helpers.js';

const { PAGE_SIZE } = mman;
/** One that has every command. */
const DIALECT = 'B-onfault-flags';
const COMMANDS = dialectByName(DIALECT)!;

const COMMAND_OPS = [
  'READ',
  'WRITE',
  'SNAPSHOT',
  'EXCLUSIVE',
  'MIGRATE_TO_DEV',
  'MIGRATE_TO_SYS',
  'MIGRATE_ON_FAULT_TO_DEV',
  'RELEASE',
  'FLAGS',
] as const;
const MEMORY_OPS = [
  'load',
  'store',
  'munmap',
  'dontneed',
  'free',
  'cold',
  'readonly',
  'readwrite',
  'map',
  'remap',
  'fork',
  'close',
  'open',
  'exit',
  'pageout',
  'hugepage',
] as const;

export interface MachineOp {
  readonly what: (typeof COMMAND_OPS)[number] | (typeof MEMORY_OPS)[number];
  readonly page: number;
  readonly npages: number;
  /** Device or value. */
  readonly which: number;
}

export interface MachineProgram {
  readonly path: PathName;
  readonly pages: number;
  readonly hasSwap: boolean;
  /** The last thread is that of a forked child. */
  readonly hasChild: boolean;
  /** Done before, one after the other. */
  readonly setup: readonly MachineOp[];
  readonly threads: readonly (readonly MachineOp[])[];
}

/** Makes the page that a thread needs for its first command of all. */
const TOUCH_NOTHING: MachineOp = { what: 'SNAPSHOT', page: 0, npages: 1, which: 0 };

/** Threads of one process with two devices; the outcome is what each call answers, and what is in the pages then. */
export class MachineRace implements Race {
  readonly machine: Machine;
  private readonly addr: number;
  private readonly ptrs: readonly number[];
  private readonly fds: readonly number[];
  private readonly threads;
  private calls: Call[][] = [];

  /** `stops`: at which of the points that a call comes by it stops, from 0; all unless given. */
  constructor(
    private readonly program: MachineProgram,
    private readonly stops: ReadonlySet<number> | null = null,
  ) {
    this.machine = new Machine({ ramBytes: 16 << 20, path: program.path, swapBytes: program.hasSwap ? 1 << 20 : 0 });
    const { main } = this.machine.createProcess({ dialect: DIALECT });
    this.threads = [main, ...program.threads.slice(1).map(() => this.machine.threadByTid(this.call('thread').ret)!)];
    this.addr = anon(main, 2 * program.pages);
    this.ptrs = [main, ...this.threads].map(() => anon(main, program.pages));
    for (const ptr of this.ptrs) this.call('store', ptr, new Uint8Array(program.pages * PAGE_SIZE).fill(0xab));
    this.fds = [0, 1].map((minor) => this.call('open', `/dev/hmm_dmirror${minor}`, 2).ret);
    if (program.hasChild) this.threads[program.threads.length - 1] = this.machine.process(this.call('fork').ret)!.main;
    for (const thread of this.threads) this.machine.call(thread, ...this.callOf(TOUCH_NOTHING, 0));
    for (const op of program.setup) this.call(...this.callOf(op, this.threads.length));
  }

  start(): void {
    const { machine, threads, program } = this;
    this.calls = program.threads.map((ops, t) =>
      ops.map((op) => {
        const [name, ...args] = this.callOf(op, t);
        const call = machine.start(threads[t]!, name, args);
        const { stops } = this;
        if (stops !== null) {
          const { body } = call;
          Object.assign(call, { body: () => coarse(body, stops) });
        }
        return call;
      }),
    );
  }

  outcome(): string {
    const answers = this.calls.map((calls) => calls.map(({ result }) => text(result)).join('; '));
    // An injected failure may have killed the process.
    const pages = this.machine.threadByTid(1) === null ? 0 : this.program.pages;
    const after = Array.from({ length: pages }, (_, i) => text(this.call('load', this.addr + i * PAGE_SIZE, 4)));
    return `${answers.join(' | ')} => ${after.join('; ')}`;
  }

  private call(name: string, ...args: CallArg[]) {
    return this.machine.call(this.machine.threadByTid(1)!, name, ...args);
  }

  private callOf({ what, page, npages, which }: MachineOp, thread: number): [string, ...CallArg[]] {
    const addr = this.addr + page * PAGE_SIZE;
    const len = Math.min(npages, this.program.pages - page) * PAGE_SIZE;
    const word = new Uint8Array(Uint32Array.of(0x50 + 2 * thread + which).buffer);
    switch (what) {
      case 'load':
        return ['load', addr, 4];
      case 'store':
        return ['store', addr, word];
      case 'munmap':
        return ['munmap', addr, len];
      case 'dontneed':
        return ['madvise', addr, len, mman.MADV_DONTNEED];
      case 'free':
        return ['madvise', addr, len, mman.MADV_FREE];
      case 'cold':
        return ['madvise', addr, len, mman.MADV_COLD];
      case 'readonly':
        return ['mprotect', addr, len, mman.PROT_READ];
      case 'readwrite':
        return ['mprotect', addr, len, mman.PROT_READ | mman.PROT_WRITE];
      case 'map':
        return ['mmap', addr, len, 3, mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | mman.MAP_FIXED, -1, 0];
      case 'remap':
        return [
          'mremap',
          addr,
          len,
          len,
          mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED,
          addr + this.program.pages * PAGE_SIZE,
        ];
      case 'fork':
        return ['fork'];
      case 'open':
        return ['open', `/dev/hmm_dmirror${which}`, 2];
      case 'close':
        return ['close', this.fds[which]!];
      case 'exit':
        return this.program.hasChild && thread === this.threads.length - 1 ? ['exit', which] : ['load', addr, 4];
      case 'pageout':
        return ['madvise', addr, len, mman.MADV_PAGEOUT];
      case 'hugepage':
        return ['madvise', addr, len, mman.MADV_HUGEPAGE];
      default: {
        const record = encodeHmmDmirrorCmd({ addr, ptr: this.ptrs[thread]!, npages: len / PAGE_SIZE });
        return ['ioctlBytes', this.fds[which]!, commandNumber(COMMANDS, what as CommandName)!, record];
      }
    }
  }
}

/** A call that passes over most of its scheduling points. */
function* coarse<T>(body: () => Coroutine<T>, stops: ReadonlySet<number>): Coroutine<T> {
  const coroutine = body();
  for (let points = 0; ; ) {
    const { done, value } = coroutine.next();
    if (done) return value;
    if (value.kind !== 'preempt' || stops.has(points++)) yield value;
  }
}

function text(result: Call['result']): string {
  if (result === undefined) return 'none';
  const { ret, signal, bytes } = result;
  const words = bytes === undefined ? '' : ` ${Buffer.from(bytes).toString('hex')}`;
  return `${ret}${words}${signal === undefined ? '' : ` signal ${signal.signo}`}`;
}

function machineOp(pages: number): fc.Arbitrary<MachineOp> {
  return fc.record({
    what: fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom(...COMMAND_OPS) },
      { weight: 1, arbitrary: fc.constantFrom(...MEMORY_OPS) },
    ),
    page: fc.nat(pages - 1),
    npages: fc.integer({ min: 1, max: pages }),
    which: fc.nat(1),
  });
}

export function machineProgram(
  tasks: number,
  { ops, pages }: { ops: number; pages: number },
): fc.Arbitrary<MachineProgram> {
  return fc.record({
    path: fc.constantFrom('classic', 'unified'),
    pages: fc.constant(pages),
    hasSwap: fc.boolean(),
    hasChild: fc.boolean(),
    setup: fc.array(machineOp(pages), { maxLength: 4 }),
    threads: fc.array(fc.array(machineOp(pages), { minLength: 1, maxLength: ops }), {
      minLength: tasks,
      maxLength: tasks,
    }),
  });
}
