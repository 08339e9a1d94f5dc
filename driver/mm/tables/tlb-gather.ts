import { type Coroutine, FINE } from '../../core/effect.js';
import { folioPut } from '../frames/folio.js';
import { Zone } from '../frames/frames.js';
import { freeSwapCache } from '../swap/swap-cache.js';
import type { Mm } from '../vmas/mm.js';
import { decTlbFlushPending, flushTlbBatchedPending, flushTlbRange, incTlbFlushPending } from './tlb.js';

/** Folios that are held back before they are flushed and freed. Linux: MAX_GATHER_BATCH_COUNT times MAX_GATHER_BATCH */
const MAX_PAGES = 10_000;

/**
 * Entries that change, and the pages they gave up: the TLB is flushed once for those of a vma, and only then the pages lose
 * their references. Linux: struct mmu_gather
 */
export class TlbGather {
  private first = Number.POSITIVE_INFINITY;
  private last = 0;
  /** Pages, and behind each how many of its folio lose a reference. */
  private readonly pages: number[] = [];

  constructor(private readonly mm: Mm) {
    incTlbFlushPending(mm);
    flushTlbBatchedPending(mm);
  }

  /** The entry of `npages` pages at `vpn` was present and is not what it was. Linux: include/asm-generic/tlb.h:tlb_remove_tlb_entry() */
  tlbRemoveTlbEntry(vpn: number, npages = 1): void {
    if (vpn < this.first) this.first = vpn;
    if (vpn + npages > this.last) this.last = vpn + npages;
  }

  /** The references of `count` entries of one folio that are gone. Linux: mm/mmu_gather.c:__tlb_remove_folio_pages() */
  tlbRemoveFolioPages(pfn: number, count = 1): void {
    // What is on no core is in no TLB, unless an access is under way.
    if (this.mm.tlb === null && !this.mm.memory.kernel.scheduler.wantsFine) this.freePagesAndSwapCache(pfn, count);
    else if (this.pages.push(pfn, count) >= 2 * MAX_PAGES) this.tlbFlushMmu();
  }

  /** The next entries are another vma's. Linux: include/asm-generic/tlb.h:tlb_end_vma(), as on riscv */
  tlbEndVma(): void {
    if (this.last > 0) flushTlbRange(this.mm, this.first, this.last - this.first);
    this.first = Number.POSITIVE_INFINITY;
    this.last = 0;
  }

  /** Linux: mm/mmu_gather.c:tlb_finish_mmu() */
  *tlbFinishMmu(): Coroutine<void> {
    if (this.mm.memory.kernel.scheduler.isFine) yield FINE.tlb;
    this.tlbFlushMmu();
    decTlbFlushPending(this.mm);
  }

  /** Linux: mm/mmu_gather.c:tlb_flush_mmu() */
  private tlbFlushMmu(): void {
    this.tlbEndVma();
    for (let i = 0; i < this.pages.length; i += 2) this.freePagesAndSwapCache(this.pages[i]!, this.pages[i + 1]!);
    this.pages.length = 0;
  }

  /** Linux: mm/swap_state.c:free_pages_and_swap_cache() */
  private freePagesAndSwapCache(pfn: number, count: number): void {
    const { memory } = this.mm;
    if (memory.frames.zone[pfn] === Zone.system) freeSwapCache(memory, pfn);
    folioPut(memory, pfn, count);
  }
}
