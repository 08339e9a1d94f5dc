import { assert } from '../../core/assert.js';
import type { FrameAllocator } from './frame-allocator.js';

/**
 * Kinds of kernel memory and their sizes in bytes: page tables; buffers of vmalloc(), by the page; VMAs and links to anon_vmas; leaves of a
 * device's mirror table. Deviates: an object is larger than Linux's, as it follows what one costs the host.
 */
const SIZES = { table: 4096, vmalloc: 4096, object: 512, mirror: 2048 } as const;
export type KernelMemoryKind = keyof typeof SIZES;
const PAGE_BYTES = 4096;

/**
 * What the kernel keeps outside the frames here and Linux in them. It counts as taken RAM, so that it can't grow beyond that. Most of it
 * is taken without asking, where nobody could be refused; who can be, asks `has` before.
 */
export class KernelMemory {
  readonly taken: Record<KernelMemoryKind, number> = { table: 0, vmalloc: 0, object: 0, mirror: 0 };
  private bytes = 0;

  constructor(private readonly allocator: FrameAllocator) {}

  /** Are `pages` more left? */
  has(pages: number): boolean {
    return this.allocator.available >= pages;
  }

  take(kind: KernelMemoryKind, count: number): void {
    this.taken[kind] += count;
    this.bytes += count * SIZES[kind];
    this.allocator.charged = Math.ceil(this.bytes / PAGE_BYTES);
  }

  give(kind: KernelMemoryKind, count: number): void {
    assert(this.taken[kind] >= count, 'more kernel memory of kind % is given back than was taken', kind);
    this.take(kind, -count);
  }

  reset(): void {
    for (const kind of Object.keys(SIZES) as KernelMemoryKind[]) this.give(kind, this.taken[kind]);
  }
}
