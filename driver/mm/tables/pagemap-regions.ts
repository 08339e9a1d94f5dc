import { ENOSPC } from '../../../uapi/errno.js';
import { PAGE_SIZE } from '../frames/frames.js';

/** Neighbouring pages of the same categories. Linux: struct page_region */
export interface PageRegion {
  start: number;
  end: number;
  categories: number;
}

/** Regions that one flush can hold. Linux: PAGEMAP_WALK_SIZE, in pages */
const MOST = 512;

/** What a scan has found and not told yet. Linux: struct pagemap_scan_private */
export class PagemapRegions {
  private regions: PageRegion[] = [];
  /** Pages found, in all. */
  found = 0;
  /** Where a scan that found too much has to go on; 0 when it came to its end. */
  walkEnd = 0;

  constructor(
    /** Regions that the caller has still room for; null when nobody wants them. */
    private room: number | null,
    readonly maxPages: number,
    private readonly returnMask: number,
  ) {}

  get hasRoom(): boolean {
    return this.room !== 0 && this.found !== this.maxPages;
  }

  /** How far of [start, end) there was room for, and -ENOSPC if that was not all of it. Linux: part of fs/proc/task_mmu.c:pagemap_scan_output() */
  output(categories: number, start: number, end: number): { error: number; end: number } {
    if (this.room === null) return { error: 0, end };
    const wanted = (end - start) / PAGE_SIZE;
    const fitting = Math.min(wanted, this.maxPages - this.found);
    let last = start + fitting * PAGE_SIZE;
    let error = fitting < wanted ? -ENOSPC : 0;
    if (!this.pushRange(categories & this.returnMask, start, last)) {
      last = start;
      error = -ENOSPC;
    }
    this.found += (last - start) / PAGE_SIZE;
    if (error !== 0) this.walkEnd = last;
    return { error, end: last };
  }

  /** Linux: part of fs/proc/task_mmu.c:pagemap_scan_push_range() */
  private pushRange(categories: number, start: number, end: number): boolean {
    const current = this.regions.at(-1);
    if (current !== undefined && current.end === start && current.categories === categories) {
      current.end = end;
      return true;
    }
    if (this.regions.length >= Math.min(MOST, this.room!)) return false;
    this.regions.push({ start, end, categories });
    return true;
  }

  /** What was put out last is found anew in another way. Linux: part of fs/proc/task_mmu.c:pagemap_scan_backout_range() */
  backoutRange(start: number, end: number): void {
    const current = this.regions.at(-1);
    if (this.room === null || current === undefined) return;
    if (current.start !== start) current.end = start;
    else this.regions.pop();
    this.found -= (end - start) / PAGE_SIZE;
  }

  /** A huge page that there is room for only in part can't be protected so: the scan ends before it. */
  backoutPartialHuge(start: number, end: number): number {
    this.backoutRange(start, end);
    this.walkEnd = start;
    return 0;
  }

  /** What is to be told now. Linux: part of fs/proc/task_mmu.c:pagemap_scan_flush_buffer() */
  take(): readonly PageRegion[] {
    const taken = this.regions.filter(({ start, end }) => start !== end);
    this.regions = [];
    if (this.room !== null) this.room -= taken.length;
    return taken;
  }
}
