import type { Coroutine } from '../../driver/core/effect.js';
import type { MachineKernel } from '../../driver/inject/machine-kernel.js';
import { cpuLoad, cpuStore } from '../../driver/mm/faults/access.js';
import { PAGE_SIZE } from '../../driver/mm/frames/frames.js';
import { checkInvariants } from '../../driver/mm/invariants.js';
import { Memory, type MemoryOptions } from '../../driver/mm/memory.js';
import { pageTableText } from '../../driver/mm/tables/page-table-text.js';
import { dupMmap, mmCreate } from '../../driver/mm/vmas/dup-mmap.js';
import { mmput } from '../../driver/mm/vmas/exit-mmap.js';
import { doMadvise } from '../../driver/mm/vmas/madvise.js';
import type { Mm } from '../../driver/mm/vmas/mm.js';
import { type MmapRequest, vmMmapPgoff } from '../../driver/mm/vmas/mmap.js';
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
} from '../../uapi/mman.js';
import { runTask, testKernel } from './helpers.js';

/** Where the tests map things: 2 MiB aligned. */
export const BASE = 0x10_0000_0000;
export const PAGE = PAGE_SIZE;
export const HUGE = 0x200000;
export const RW = PROT_READ | PROT_WRITE;

export interface TestMachineOptions extends Partial<MemoryOptions> {
  kernel?: MachineKernel;
  /** The books are checked after each run. */
  checked?: boolean;
  /** Whether what notifiers are told is written down: not where a driver listens. */
  listens?: boolean;
}

/** A machine below the system calls, with one process to begin with. Page numbers count from BASE. */
export class TestMachine {
  readonly kernel: MachineKernel;
  readonly memory: Memory;
  readonly mm: Mm;
  /** What the notifiers of `mm` were told: `CLEAR 0-512`. */
  readonly events: string[] = [];
  private readonly checked: boolean;

  constructor({ kernel = testKernel(), checked = false, listens = true, ...options }: TestMachineOptions = {}) {
    this.kernel = kernel;
    this.checked = checked;
    this.memory = new Memory(kernel, {
      ramBytes: 64 << 20,
      coherentBytes: 0,
      privateFrames: 0,
      swapBytes: 1 << 20,
      hugePages: 4,
      thpEnabled: 'madvise',
      ...options,
    });
    this.mm = this.newMm();
    if (listens) this.listen();
  }

  /** An empty address space. */
  newMm(): Mm {
    return mmCreate(this.memory);
  }

  /** Runs as a task of its own; `checked: false` for what leaves references with the caller. */
  run<T>(coroutine: Coroutine<T>, { checked = this.checked } = {}): T {
    const value = runTask(this.kernel, coroutine);
    if (checked) checkInvariants(this.memory);
    return value;
  }

  /** What mmap answers for memory at page `at`, private and anonymous unless the request says otherwise. */
  map(at: number, npages: number, { mm = this.mm, ...request }: Partial<MmapRequest> & { mm?: Mm } = {}): number {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    const where = { addr: BASE + at * PAGE, len: npages * PAGE, prot: RW, flags, file: null, pgoff: 0 };
    return this.run(vmMmapPgoff(mm, { ...where, ...request }));
  }

  /** As `map`, for what must succeed. */
  anon(at: number, npages: number, request: Partial<MmapRequest> & { mm?: Mm } = {}): void {
    const ret = this.map(at, npages, request);
    if (ret < 0) throw new Error(`mmap answers ${ret}`);
  }

  /** As `anon`, for more than there is memory. */
  sparse(at: number, npages: number): void {
    this.anon(at, npages, { flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE });
  }

  mapHuge(at: number, npages: number): void {
    this.anon(at, npages);
    this.advise(at, npages, MADV_HUGEPAGE);
  }

  mapHugetlb(at: number, npages: number, options: { mm?: Mm } = {}): number {
    return this.map(at, npages, { ...options, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB });
  }

  advise(at: number, npages: number, advice: number, mm = this.mm): number {
    return this.run(doMadvise(mm, BASE + at * PAGE, npages * PAGE, advice));
  }

  /** Writes `value` to the first word of a page; 'none' or why the CPU could not. */
  store(page: number, value: number, mm = this.mm): string {
    const word = new Uint8Array(Uint32Array.of(value).buffer);
    return this.run(cpuStore(mm, BASE + page * PAGE, word)).fault;
  }

  /** The first word of a page, or why the CPU could not read it. */
  load(page: number, mm = this.mm): number | string {
    const out = new Uint32Array(1);
    const { fault } = this.run(cpuLoad(mm, BASE + page * PAGE, new Uint8Array(out.buffer)));
    return fault === 'none' ? out[0]! : fault;
  }

  /** Page `at + i` begins with the word `value + i`; without a value, with its number and 1. */
  fill(at: number, npages = 1, value = at + 1, mm = this.mm): void {
    for (let i = 0; i < npages; i++) {
      const fault = this.store(at + i, value + i, mm);
      if (fault !== 'none') throw new Error(`store: ${fault}`);
    }
  }

  words(at: number, npages: number, mm = this.mm): (number | string)[] {
    return Array.from({ length: npages }, (_, i) => this.load(at + i, mm));
  }

  fork(parent = this.mm): Mm {
    const child = mmCreate(this.memory);
    const ret = this.run(dupMmap(child, parent));
    if (ret !== 0) throw new Error(`fork answers ${ret}`);
    return child;
  }

  exit(mm: Mm): void {
    this.run(mmput(mm));
  }

  text(at: number, npages: number, mm = this.mm): string {
    return pageTableText(mm, BASE + at * PAGE, BASE + (at + npages) * PAGE);
  }

  /** The vmas: `0-4 rw p0` is pages 0 to 3, readable and writable, page offset 0; `@` and its offset for the files. */
  vmas(): string[] {
    return this.mm.vmas.map(({ start, end, flags, pgoff, file }) => {
      const rights = `${flags & 1 ? 'r' : ''}${flags & 2 ? 'w' : ''}${flags & 4 ? 'x' : ''}` || '-';
      const offset = file === null ? pgoff - BASE / PAGE : `@${pgoff}`;
      return `${(start - BASE) / PAGE}-${(end - BASE) / PAGE} ${rights} p${offset}`;
    });
  }

  /** What was told since the last call. */
  takeEvents(): string[] {
    return this.events.splice(0);
  }

  check(): void {
    checkInvariants(this.memory);
  }

  private listen(): void {
    const { events } = this;
    this.mm.notifier = {
      *invalidateRangeStart({ event, start, end }) {
        events.push(`${event} ${(start - BASE) / PAGE}-${(end - BASE) / PAGE}`);
        return 0;
      },
      invalidateRangeEnd() {},
      *release() {},
    };
  }
}
