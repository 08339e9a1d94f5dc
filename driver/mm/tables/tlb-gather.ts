import { type Coroutine, FINE } from '../../core/effect.js';
import { folioPut } from '../frames/folio.js';
import { Zone } from '../frames/frames.js';
import { freeSwapCache } from '../swap/swap-cache.js';
import type { Mm } from '../vmas/mm.js';
import { decTlbFlushPending, flushTlbBatchedPending, flushTlbRange, incTlbFlushPending } from './tlb.js';

/** Pages that are held back before they are flushed and freed. Linux: MAX_GATHER_BATCH_COUNT times MAX_GATHER_BATCH */
const MAX_PAGES = 10_000;

/**
 * Entries that change, and the pages they gave up: the TLB is flushed once for those of a vma, and only then the pages lose
 * their references. Linux: struct mmu_gather
 */
export class TlbGather {
  private first = Number.POSITIVE_INFINITY;
  private last = 0;
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

  /** The reference of an entry that is gone; `add` was told of it. Linux: include/asm-generic/tlb.h:__tlb_remove_page() */
  tlbRemovePage(pfn: number): void {
    // What is on no core is in no TLB, unless an access is under way.
    if (this.mm.tlb === null && !this.mm.memory.kernel.scheduler.wantsFine) this.freePageAndSwapCache(pfn);
    else if (this.pages.push(pfn) >= MAX_PAGES) this.tlbFlushMmu();
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
    for (const pfn of this.pages) this.freePageAndSwapCache(pfn);
    this.pages.length = 0;
  }

  /** Linux: mm/swap_state.c:free_page_and_swap_cache() */
  private freePageAndSwapCache(pfn: number): void {
    const { memory } = this.mm;
    if (memory.frames.zone[pfn] === Zone.system) freeSwapCache(memory, pfn);
    folioPut(memory, pfn);
  }
}
