import type { Coroutine } from '../../../driver/core/effect.js';
import { cpuLoad, cpuStore } from '../../../driver/mm/faults/access.js';
import { checkInvariants } from '../../../driver/mm/invariants.js';
import { Memory } from '../../../driver/mm/memory.js';
import { pageTableText } from '../../../driver/mm/tables/page-table-text.js';
import { dupMmap, mmCreate } from '../../../driver/mm/vmas/dup-mmap.js';
import { mmput } from '../../../driver/mm/vmas/exit-mmap.js';
import { doMadvise } from '../../../driver/mm/vmas/madvise.js';
import type { Mm } from '../../../driver/mm/vmas/mm.js';
import { vmMmapPgoff } from '../../../driver/mm/vmas/mmap.js';
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_HUGETLB,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
} from '../../../uapi/mman.js';
import { runTask, testKernel } from '../helpers.js';

export const BASE = 0x10_0000_0000;
export const PAGE = 4096;
export const HUGE = 0x200000;
const RW = PROT_READ | PROT_WRITE;

/** One machine's memory with a process, driven one call at a time; the books are checked after each. */
export class MemoryWorld {
  readonly kernel = testKernel();
  readonly memory: Memory;
  readonly mm: Mm;
  /** Notifier events of `mm` since the last look, as `CLEAR 0-512` in pages from BASE. */
  readonly events: string[] = [];

  constructor({ swapBytes = 0, hugePages = 0, ramBytes = 64 * 2 ** 20 } = {}) {
    this.memory = new Memory(this.kernel, {
      ramBytes,
      coherentBytes: 0,
      privateFrames: 0,
      swapBytes,
      hugePages,
      thpEnabled: 'madvise',
    });
    this.mm = mmCreate(this.memory);
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

  /** `checked: false` for what leaves references with the caller. */
  run<T>(coroutine: Coroutine<T>, { checked = true } = {}): T {
    const value = runTask(this.kernel, coroutine);
    if (checked) checkInvariants(this.memory);
    return value;
  }

  /** Private anonymous memory at page `first` from BASE. */
  map(first: number, npages: number, { prot = RW, flags = 0, mm = this.mm } = {}): number {
    return this.run(
      vmMmapPgoff(mm, {
        addr: BASE + first * PAGE,
        len: npages * PAGE,
        prot,
        flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags,
        file: null,
        pgoff: 0,
      }),
    );
  }

  mapHuge(first: number, npages: number): void {
    this.map(first, npages);
    this.advise(first, npages, MADV_HUGEPAGE);
  }

  mapHugetlb(first: number, npages: number, options: { mm?: Mm } = {}): number {
    return this.map(first, npages, { ...options, flags: MAP_HUGETLB });
  }

  advise(first: number, npages: number, advice: number, mm = this.mm): number {
    return this.run(doMadvise(mm, BASE + first * PAGE, npages * PAGE, advice));
  }

  /** Writes `value` to the first word of a page; 'none' or why the CPU could not. */
  store(page: number, value: number, mm = this.mm): string {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return this.run(cpuStore(mm, BASE + page * PAGE, bytes)).fault;
  }

  /** The first word of a page, or why the CPU could not read it. */
  load(page: number, mm = this.mm): number | string {
    const bytes = new Uint8Array(4);
    const { fault } = this.run(cpuLoad(mm, BASE + page * PAGE, bytes));
    return fault === 'none' ? new DataView(bytes.buffer).getUint32(0, true) : fault;
  }

  fork(): Mm {
    const child = mmCreate(this.memory);
    const ret = this.run(dupMmap(child, this.mm));
    if (ret < 0) throw new Error(`fork: ${ret}`);
    return child;
  }

  exit(mm: Mm): void {
    this.run(mmput(mm));
  }

  text(first: number, npages: number, mm = this.mm): string {
    return pageTableText(mm, BASE + first * PAGE, BASE + (first + npages) * PAGE);
  }

  takeEvents(): string[] {
    return this.events.splice(0);
  }
}
