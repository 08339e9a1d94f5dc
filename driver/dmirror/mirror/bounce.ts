import type { KernelMemory } from '../../mm/frames/kernel-memory.js';

/** A buffer above this size is not kept when it is given back. */
const KEPT_BYTES = 16 * 1024 * 1024;
const KEPT_BUFFERS = 4;
const PAGE_BYTES = 4096;

/**
 * Kernel memory through which the device copies between its pages and user memory, as user memory can't be touched under
 * the file's mutex. Buffers are used again: each user of one overwrites all of it before it reads it.
 */
export class BouncePool {
  /** Pages of the buffers that are in use. */
  pages = 0;
  private readonly free: Uint8Array[] = [];

  constructor(private readonly kernelMemory: KernelMemory) {}

  /**
   * `npages` pages of any content, which count as taken RAM until `give`; null when they do not fit. Deviates: Linux reclaims, and
   * kills for it, before vmalloc() fails.
   */
  take(npages: number): Uint8Array | null {
    if (!this.kernelMemory.has(npages)) return null;
    this.kernelMemory.take('vmalloc', npages);
    this.pages += npages;
    const sizeBytes = npages * PAGE_BYTES;
    for (let i = this.free.length - 1; i >= 0; i--) {
      const buffer = this.free[i]!;
      if (buffer.length >= sizeBytes) {
        this.free.splice(i, 1);
        return buffer.subarray(0, sizeBytes);
      }
    }
    return new Uint8Array(sizeBytes);
  }

  give(buffer: Uint8Array): void {
    const npages = buffer.length / PAGE_BYTES;
    this.pages -= npages;
    this.kernelMemory.give('vmalloc', npages);
    const whole = new Uint8Array(buffer.buffer);
    if (whole.length > KEPT_BYTES) return;
    if (this.free.length === KEPT_BUFFERS) this.free.shift();
    this.free.push(whole);
  }

  /** The machine's life is over, and with it whoever used a buffer. */
  reset(): void {
    this.pages = 0;
  }
}
