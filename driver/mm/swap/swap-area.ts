import { assert } from '../../core/assert.js';
import { Access, type Observable, Shared } from '../../core/observer.js';
import { PAGE_SIZE } from '../frames/frames.js';

/** Slot 0 holds the header of a swap device, so it stands for "no slot". */
const FIRST_SLOT = 1;

/**
 * One swap device: for each slot how many entries name it, which frame caches it, and its bytes. A slot is in use as
 * long as it has an entry or a cached frame. Everything is protected by lru_lock, which no holder sleeps under, so
 * plain functions need no more. Linux: struct swap_info_struct, and the swap cache (mm/swap_state.c).
 */
export class SwapArea {
  /** Entries of page tables, and page cache slots of shmem, that name a slot. Linux: swap_map without SWAP_HAS_CACHE */
  private readonly counts: Int32Array;
  /** Frame that holds a slot's page in the swap cache; 0 without. */
  private readonly cached: Int32Array;
  /** Written pages; kept for the next user of a slot, who overwrites them. */
  private readonly store: (Uint8Array | undefined)[] = [];
  private readonly freeSlots: number[] = [];
  /** Slots from this one on were never used in this life. */
  private fresh = FIRST_SLOT;
  /** Slots in use. */
  used = 0;

  constructor(
    private readonly kernel: Observable,
    readonly slots: number,
  ) {
    this.counts = new Int32Array(slots);
    this.cached = new Int32Array(slots);
  }

  /** Slots that can hold a page. */
  get capacity(): number {
    return Math.max(0, this.slots - FIRST_SLOT);
  }

  /** Linux: include/linux/swap.h:vm_swap_full() */
  get vmSwapFull(): boolean {
    return this.used * 2 > this.capacity;
  }

  /** A slot for the page in frame `pfn`, which becomes its cached frame; 0 when swap is full. Linux: mm/swap_slots.c:folio_alloc_swap() */
  folioAllocSwap(pfn: number): number {
    this.kernel.observer?.touch(Shared.freeSlots, 0, Access.write, 1);
    const slot = this.freeSlots.pop() ?? (this.fresh < this.slots ? this.fresh++ : 0);
    if (slot === 0) return 0;
    assert(!this.isUsed(slot), 'free swap slot % is in use', slot);
    this.kernel.observer?.touch(Shared.swapCache, slot, Access.write, 1);
    this.cached[slot] = pfn;
    this.used++;
    return slot;
  }

  /** Entries that name `slot`, the cached frame not counted. Linux: mm/swapfile.c:swap_count() */
  swapCount(slot: number): number {
    this.kernel.observer?.touch(Shared.swapMap, slot, Access.read, 1);
    return this.counts[slot]!;
  }

  /** One more entry names `slot`. Linux: mm/swapfile.c:swap_duplicate() */
  swapDuplicate(slot: number): void {
    this.kernel.observer?.touch(Shared.swapMap, slot, Access.write, 1);
    assert(this.isUsed(slot), "swap slot % is free and can't be duplicated", slot);
    this.counts[slot]!++;
  }

  /** An entry that named `slot` is gone; the slot is free with its last entry and frame. Linux: include/linux/swap.h:swap_free() */
  swapFree(slot: number): void {
    this.kernel.observer?.touch(Shared.swapMap, slot, Access.write, 1);
    const left = --this.counts[slot]!;
    assert(left >= 0, 'swap slot % has % entries', slot, left);
    this.releaseUnused(slot);
  }

  /** The frame that caches `slot`, 0 without. */
  cachedPfn(slot: number): number {
    this.kernel.observer?.touch(Shared.swapCache, slot, Access.read, 1);
    return this.cached[slot]!;
  }

  /** `pfn` now caches `slot`, which has entries. */
  setCached(slot: number, pfn: number): void {
    this.kernel.observer?.touch(Shared.swapCache, slot, Access.write, 1);
    assert(this.isUsed(slot) && pfn !== 0, "swap slot % can't be cached", slot);
    this.cached[slot] = pfn;
  }

  /** No frame caches `slot` any more. */
  clearCached(slot: number): void {
    this.kernel.observer?.touch(Shared.swapCache, slot, Access.write, 1);
    assert(this.cached[slot] !== 0, 'swap slot % is not cached', slot);
    this.cached[slot] = 0;
    this.releaseUnused(slot);
  }

  /** Keeps a copy of the page in frame `pfn`. */
  write(slot: number, bytes: Uint8Array, pfn: number): void {
    this.kernel.observer?.touch(Shared.content, pfn, Access.read, 1);
    this.kernel.observer?.touch(Shared.swapCache, slot, Access.write, 1);
    this.store[slot] ??= new Uint8Array(PAGE_SIZE);
    this.store[slot].set(bytes.subarray(pfn * PAGE_SIZE, (pfn + 1) * PAGE_SIZE));
  }

  /** Brings the bytes of `slot` to frame `pfn`. */
  read(slot: number, bytes: Uint8Array, pfn: number): void {
    this.kernel.observer?.touch(Shared.swapCache, slot, Access.read, 1);
    this.kernel.observer?.touch(Shared.content, pfn, Access.write, 1);
    const page = this.store[slot];
    assert(page !== undefined, 'swap slot % was never written', slot);
    bytes.set(page, pfn * PAGE_SIZE);
  }

  /** The bytes of `slot`, for a look from outside; null when it was never written. */
  peek(slot: number): Uint8Array | null {
    return this.store[slot] ?? null;
  }

  isUsed(slot: number): boolean {
    this.kernel.observer?.touch(Shared.swapMap, slot, Access.read, 1);
    this.kernel.observer?.touch(Shared.swapCache, slot, Access.read, 1);
    return this.counts[slot]! > 0 || this.cached[slot] !== 0;
  }

  reset(): void {
    this.counts.fill(0, 0, this.fresh);
    this.cached.fill(0, 0, this.fresh);
    this.freeSlots.length = 0;
    this.fresh = FIRST_SLOT;
    this.used = 0;
  }

  private releaseUnused(slot: number): void {
    if (this.isUsed(slot)) return;
    this.kernel.observer?.touch(Shared.freeSlots, 0, Access.write, 1);
    this.used--;
    this.freeSlots.push(slot);
  }
}
