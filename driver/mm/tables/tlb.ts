import { assert } from '../../core/assert.js';
import { Access, entryId, Shared } from '../../core/observer.js';
import { HPAGE_PMD_NR } from '../frames/frames.js';
import type { Mm } from '../vmas/mm.js';
import { TASK_PAGES } from './page-table.js';

/** A translation as a core's TLB holds it. */
export interface TlbEntry {
  readonly vpn: number;
  readonly pfn: number;
  /** It lets stores through, not only loads. */
  readonly isStore: boolean;
}

/** One that some core has by now, and uses as long as nobody flushes it. */
export interface HeldTranslation extends TlbEntry {
  isFlushed: boolean;
}

/** The TLB of the core that an address space is on. Without address space identifiers it holds nothing of any other. */
export interface Tlb {
  /**
   * Forgets `npages` pages from `vpn` on, for loads, stores and fetches.
   * Linux: part of arch/riscv/mm/tlbflush.c:local_flush_tlb_range_asid(), as there are no ASIDs
   */
  drop(vpn: number, npages: number): void;
  /** Linux: arch/riscv/include/asm/tlbflush.h:local_flush_tlb_all() */
  localFlushTlbAll(): void;
  /** What it holds, for the proof that it holds nothing wrong. */
  entries(): Iterable<TlbEntry>;
}

/**
 * Shoot-downs. Hardware caches translations that are there, so whoever takes an entry or a right of it away calls one of
 * these before anybody can rely on that, and before the frame is used anew: at the places where Linux does, on riscv.
 * An entry or a right that is only added needs none: the TLB looks again when it would refuse. A TLB must never allow what
 * the page table does not, but while `mm.tlbFlushPending` says that a flush is still to come.
 */

/** More pages than these, and all are forgotten. Linux: arch/riscv/mm/tlbflush.c:tlb_flush_all_threshold */
const FLUSH_ALL_THRESHOLD = 64;

/** A core may hold these translations or lose them: who flushes them adds, who uses one reads. */
function touchTlb(mm: Mm, vpn: number, npages: number): void {
  mm.memory.kernel.observer?.touch(Shared.tlb, entryId(mm.id, vpn), Access.add, npages);
  const { translations } = mm;
  for (let i = translations.length - 1; i >= 0; i--) {
    const held = translations[i]!;
    if (held.vpn < vpn || held.vpn >= vpn + npages) continue;
    held.isFlushed = true;
    translations.splice(i, 1);
  }
}

/** Linux: arch/riscv/mm/tlbflush.c:flush_tlb_page(), which mm/pgtable-generic.c:ptep_clear_flush() ends with */
export function flushTlbPage(mm: Mm, vpn: number): void {
  touchTlb(mm, vpn, 1);
  mm.tlb?.drop(vpn, 1);
}

/** Linux: arch/riscv/mm/tlbflush.c:flush_tlb_range(), flush_tlb_mm_range() */
export function flushTlbRange(mm: Mm, vpn: number, npages: number): void {
  touchTlb(mm, vpn, npages);
  if (npages > FLUSH_ALL_THRESHOLD) mm.tlb?.localFlushTlbAll();
  else mm.tlb?.drop(vpn, npages);
}

/** The one entry that maps 2 MiB. Linux: include/linux/pgtable.h:flush_pmd_tlb_range(), which mm/pgtable-generic.c:pmdp_invalidate() ends with */
export function flushPmdTlbRange(mm: Mm, vpn: number): void {
  touchTlb(mm, vpn - (vpn % HPAGE_PMD_NR), HPAGE_PMD_NR);
  mm.tlb?.drop(vpn - (vpn % HPAGE_PMD_NR), HPAGE_PMD_NR);
}

/** Linux: arch/riscv/mm/tlbflush.c:flush_tlb_mm() */
export function flushTlbMm(mm: Mm): void {
  touchTlb(mm, 0, TASK_PAGES);
  mm.tlb?.localFlushTlbAll();
}

/** From here on until `decTlbFlushPending` entries may change before they are flushed. Linux: include/linux/mm_inline.h:inc_tlb_flush_pending() */
export function incTlbFlushPending(mm: Mm): void {
  mm.touch(Shared.tlbPending, Access.add);
  mm.tlbFlushPending++;
}

/** Linux: include/linux/mm_inline.h:dec_tlb_flush_pending() */
export function decTlbFlushPending(mm: Mm): void {
  mm.touch(Shared.tlbPending, Access.add);
  assert(mm.tlbFlushPending > 0, 'mm %: a flush ends that was not begun', mm.id);
  mm.tlbFlushPending--;
}

/**
 * Address spaces that lost pages to reclaim or to a split of their folio, flushed together, at the latest before the
 * pages are used for anything else. Linux: struct tlbflush_unmap_batch
 */
export class TlbBatch {
  private readonly mms = new Set<Mm>();

  /** An entry of `mm` was taken away. Linux: mm/rmap.c:set_tlb_ubc_flush_pending() */
  setTlbUbcFlushPending(mm: Mm): void {
    if (this.mms.has(mm)) return;
    this.mms.add(mm);
    mm.touch(Shared.tlbPending, Access.write);
    mm.tlbBatches++;
    incTlbFlushPending(mm);
  }

  /** Linux: mm/rmap.c:try_to_unmap_flush() */
  tryToUnmapFlush(): void {
    for (const mm of this.mms) {
      flushTlbMm(mm);
      mm.touch(Shared.tlbPending, Access.write);
      mm.tlbBatches--;
      decTlbFlushPending(mm);
    }
    this.mms.clear();
  }
}

/** Whoever looks at entries and skips those that are gone must not trust that they are flushed. Linux: mm/rmap.c:flush_tlb_batched_pending() */
export function flushTlbBatchedPending(mm: Mm): void {
  mm.touch(Shared.tlbPending, Access.read);
  if (mm.tlbBatches > 0) flushTlbMm(mm);
}
