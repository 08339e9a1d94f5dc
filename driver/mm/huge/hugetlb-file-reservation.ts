import { ENOMEM } from '../../../uapi/errno.js';
import type { PageCache } from '../files/page-cache.js';
import { HPAGE_PMD_NR } from '../frames/frames.js';
import type { HugetlbPool } from './hugetlb-pool.js';

/**
 * What of a hugetlbfs file was promised to shared mappings and is not there yet, by the number of the huge page in the file.
 * Linux: the resv_map of an inode, less the pages in its cache
 */
export class HugetlbFileReservation {
  private readonly promised = new Set<number>();

  constructor(
    private readonly pool: HugetlbPool,
    private readonly pages: PageCache,
  ) {}

  /** Promises what of [first, end) is neither promised nor there. 0 or -ENOMEM. Linux: part of mm/hugetlb.c:hugetlb_reserve_pages() */
  reserve(first: number, end: number): number {
    // Each of them takes a page of the pool.
    if (end - first > this.pool.count) return -ENOMEM;
    const missing: number[] = [];
    for (let i = first; i < end; i++) {
      if (!this.promised.has(i) && this.pages.get(i * HPAGE_PMD_NR) === 0) missing.push(i);
    }
    const error = this.pool.hugetlbAcctMemory(missing.length);
    if (error === 0) for (const i of missing) this.promised.add(i);
    return error;
  }

  /** A page for huge page `i` of the file, with the promise if there is one; 0 without. Linux: part of mm/hugetlb.c:alloc_hugetlb_folio() */
  allocate(i: number): number {
    const head = this.pool.allocate({ fromReserve: this.promised.has(i) });
    if (head !== 0) this.promised.delete(i);
    return head;
  }

  /** The file ends before huge page `first`. Linux: part of mm/hugetlb.c:hugetlb_unreserve_pages() */
  unreserveFrom(first: number): void {
    const gone = [...this.promised].filter((i) => i >= first);
    for (const i of gone) this.promised.delete(i);
    this.pool.unreserve(gone.length);
  }
}
