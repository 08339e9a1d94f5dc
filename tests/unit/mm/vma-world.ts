import type { Coroutine } from '../../../driver/core/effect.js';
import { cpuLoad, cpuStore } from '../../../driver/mm/faults/access.js';
import { newShmemMapping } from '../../../driver/mm/files/shmem.js';
import { PAGE_SIZE } from '../../../driver/mm/frames/frames.js';
import { checkInvariants } from '../../../driver/mm/invariants.js';
import { Memory } from '../../../driver/mm/memory.js';
import { pageTableText } from '../../../driver/mm/tables/page-table-text.js';
import { mmCreate } from '../../../driver/mm/vmas/dup-mmap.js';
import type { Mm } from '../../../driver/mm/vmas/mm.js';
import { type MmapRequest, vmMmapPgoff } from '../../../driver/mm/vmas/mmap.js';
import type { MappedFile } from '../../../driver/mm/vmas/vma.js';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import { runTask, testKernel } from '../helpers.js';

/** Where the tests map things: 2 MiB aligned. */
export const BASE = 0x10_0000_0000;
export const PAGE = PAGE_SIZE;
export const RW = PROT_READ | PROT_WRITE;

/** One address space, with a record of what its notifiers were told; page numbers count from BASE. */
export class VmaWorld {
  readonly memory: Memory;
  readonly mm: Mm;
  events: string[] = [];

  constructor({
    thpEnabled = 'madvise',
    ramBytes = 64 << 20,
  }: { thpEnabled?: 'always' | 'madvise'; ramBytes?: number } = {}) {
    const kernel = testKernel();
    this.memory = new Memory(kernel, {
      ramBytes,
      coherentBytes: 0,
      privateFrames: 0,
      swapBytes: 1 << 20,
      hugePages: 4,
      thpEnabled,
    });
    this.mm = mmCreate(this.memory);
    const { events } = this;
    this.mm.notifier = {
      *invalidateRangeStart(range) {
        events.push(`${range.event} ${(range.start - BASE) / PAGE}-${(range.end - BASE) / PAGE}`);
        return 0;
      },
      invalidateRangeEnd() {},
      *release() {},
    };
  }

  run<T>(coroutine: Coroutine<T>): T {
    return runTask(this.memory.kernel, coroutine);
  }

  /** Maps private anonymous memory at BASE + `at` pages. */
  anon(at: number, npages: number, prot = RW, extra: Partial<MmapRequest> = {}): number {
    return this.run(
      vmMmapPgoff(this.mm, {
        addr: BASE + at * PAGE,
        len: npages * PAGE,
        prot,
        flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
        file: null,
        pgoff: 0,
        ...extra,
      }),
    );
  }

  /** Writes a byte to each page. */
  touch(at: number, npages = 1): void {
    for (let i = at; i < at + npages; i++) {
      this.run(cpuStore(this.mm, BASE + i * PAGE, Uint8Array.of(i + 1)));
    }
  }

  /** The first byte of a page, or the fault that stopped the load. */
  peek(at: number): number | string {
    const out = new Uint8Array(1);
    const { fault } = this.run(cpuLoad(this.mm, BASE + at * PAGE, out));
    return fault === 'none' ? out[0]! : fault;
  }

  /** The vmas: `0-4 rw p0` is pages 0 to 3, readable and writable, page offset 0; `@` and its offset for the files. */
  vmas(): string[] {
    return this.mm.vmas.map(({ start, end, flags, pgoff, file }) => {
      const rights = `${flags & 1 ? 'r' : ''}${flags & 2 ? 'w' : ''}${flags & 4 ? 'x' : ''}` || '-';
      const offset = file === null ? pgoff - BASE / PAGE : `@${pgoff}`;
      return `${(start - BASE) / PAGE}-${(end - BASE) / PAGE} ${rights} p${offset}`;
    });
  }

  text(at: number, npages: number): string {
    return pageTableText(this.mm, BASE + at * PAGE, BASE + (at + npages) * PAGE);
  }

  /** What was told since the last call. */
  takeEvents(): string[] {
    return this.events.splice(0);
  }

  check(): void {
    checkInvariants(this.memory);
  }
}

/** A tmpfs file with a count of its references, the opener's one included. */
export class TestFile implements MappedFile {
  readonly mapping;
  references = 1;

  constructor(memory: Memory, npages: number) {
    this.mapping = newShmemMapping(memory, npages * PAGE);
  }

  get(): void {
    this.references++;
  }

  *put(): Coroutine<void> {
    this.references--;
  }
}
