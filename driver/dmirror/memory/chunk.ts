import { assert } from '../../core/assert.js';
import { rangesText } from '../../core/ranges-text.js';
import { WaitQueue } from '../../core/wait-queue.js';
import type { Frames } from '../../mm/frames/frames.js';
import type { DevPagemap } from '../../mm/frames/pagemap.js';

/** Pages of a chunk of device memory: 256 MiB. Linux: DEVMEM_CHUNK_SIZE */
export const DEVMEM_CHUNK_PAGES = 65536;

/**
 * One piece of device memory, handed out in units of a page, or of 2 MiB when it was made for that. Pages [firstPfn, freshEnd) were never
 * handed out: they stand on one of the device's free lists as one run, highest pfn first, on top of `belowFresh`. So a new chunk costs
 * nothing until its pages are used.
 */
export class DmirrorChunk {
  /** The free list's head before this chunk's pages were pushed on it. */
  belowFresh = 0;
  /** Freed pages don't go back to the free list: the chunk is on its way out. */
  remove = false;
  /** Pages handed out and not yet freed. */
  inUse = 0;
  private readonly drained: WaitQueue;

  constructor(
    readonly pagemap: DevPagemap,
    /** Pages of a unit. A folio of 2 MiB that is split later is freed page by page. */
    private readonly unitPages: number,
    frames: Frames,
  ) {
    const pagesInUse = (): string => {
      const used: number[] = [];
      for (let pfn = this.freshEnd; pfn < this.endPfn; pfn++) if (frames.refcount(pfn) > 0) used.push(pfn);
      return ` (pfn ${rangesText(used)})`;
    };
    this.drained = new WaitQueue('the pages of a device chunk', { owner: () => null, detail: pagesInUse });
  }

  get freshEnd(): number {
    return this.pagemap.freshEnd;
  }

  get firstPfn(): number {
    return this.pagemap.firstPfn;
  }

  get endPfn(): number {
    return this.pagemap.firstPfn + this.pagemap.npages;
  }

  holds(pfn: number): boolean {
    return pfn >= this.firstPfn && pfn < this.endPfn;
  }

  isFresh(pfn: number): boolean {
    return pfn >= this.firstPfn && pfn < this.freshEnd;
  }

  /** Takes the fresh unit that is on top and answers what is below it on the free list. */
  popFresh(pfn: number): number {
    assert(pfn === this.freshEnd - this.unitPages, "pfn % is not the top of its chunk's fresh pages", pfn);
    this.pagemap.freshEnd = pfn;
    return pfn > this.firstPfn ? pfn - this.unitPages : this.belowFresh;
  }

  pagesFreed(npages: number): void {
    this.inUse -= npages;
    assert(this.inUse >= 0, 'more pages of a chunk are freed than were handed out');
    if (this.inUse === 0) this.drained.wakeAll();
  }

  /** Wait here until a page is freed that leaves none in use. */
  get drainQueue(): WaitQueue {
    return this.drained;
  }
}
