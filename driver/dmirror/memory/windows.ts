import type { Memory } from '../../mm/memory.js';

/** The free physical ranges in which chunks of private device memory can be put. Linux: kernel/resource.c:request_free_mem_region() */
export class PrivateWindows {
  private readonly taken: boolean[];

  constructor(
    private readonly memory: Memory,
    private readonly pagesPerWindow: number,
  ) {
    this.taken = new Array<boolean>(Math.floor(memory.frames.privateFrames / pagesPerWindow)).fill(false);
  }

  /** First pfn of a free window, or 0 when all are taken. */
  take(): number {
    const index = this.taken.indexOf(false);
    if (index < 0) return 0;
    this.taken[index] = true;
    return this.memory.frames.firstPrivatePfn + index * this.pagesPerWindow;
  }

  release(firstPfn: number): void {
    this.taken[(firstPfn - this.memory.frames.firstPrivatePfn) / this.pagesPerWindow] = false;
  }

  reset(): void {
    this.taken.fill(false);
  }
}
