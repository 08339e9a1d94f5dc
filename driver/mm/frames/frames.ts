import { assert } from '../../core/assert.js';

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const HPAGE_PMD_ORDER = 9;
export const HPAGE_PMD_NR = 512;
export const HPAGE_PMD_SIZE = PAGE_SIZE * HPAGE_PMD_NR;

/** Bits of `Frames.flags`, one word a page. Folio-wide bits are kept on the head. */
export const PG = {
  locked: 1 << 0,
  uptodate: 1 << 1,
  dirty: 1 << 2,
  lru: 1 << 3,
  /** The folio has a slot in the swap cache (`swapSlot`). */
  swapcache: 1 << 4,
  /** Anonymous and shmem memory that must be swapped before it is dropped; cleared by MADV_FREE. */
  swapbacked: 1 << 5,
  /** A per page property (also of tails): the anonymous page belongs to one process alone. */
  anonExclusive: 1 << 6,
  head: 1 << 7,
  tail: 1 << 8,
  anon: 1 << 9,
  hugetlb: 1 << 10,
  writeback: 1 << 11,
  workingset: 1 << 12,
  mlocked: 1 << 13,
  reserved: 1 << 14,
} as const;

/** Where a frame lives. System frames have bytes at `pfn * PAGE_SIZE` of RAM; so have coherent ones. */
export const Zone = { system: 0, private: 1, coherent: 2 } as const;
export type ZoneId = (typeof Zone)[keyof typeof Zone];

/** GUP pins add this to the refcount of a small folio. Linux: GUP_PIN_COUNTING_BIAS. */
export const GUP_PIN_COUNTING_BIAS = 1024;

/**
 * `struct page` of every frame of the machine, as struct-of-arrays by pfn. Pfns count up over three areas: system RAM
 * from 0, then the coherent windows, then private device memory, which has no bytes of its own. Arrays are made once,
 * for all frames that can ever exist, and their memory is not touched before a frame is used.
 *
 * Folio rules: `head[pfn]` is the pfn of the folio's head (itself for small ones), `order` is valid on heads,
 * `refcount`, `pincount`, `mapping`, `index` and the folio flags are kept on the head; `mapcount[pfn]` counts PTE
 * mappings of that very page, `entireMapcount[head]` PMD mappings of the folio, and `folioMapcount[head]` all of them.
 */
export class Frames {
  readonly count: number;
  readonly refcount: Int32Array;
  readonly mapcount: Int32Array;
  readonly entireMapcount: Int32Array;
  readonly folioMapcount: Int32Array;
  /** Pins by GUP (FOLL_PIN); for small folios each also stands for GUP_PIN_COUNTING_BIAS references. */
  readonly pincount: Int32Array;
  readonly flags: Uint32Array;
  /** Id of the anon_vma (with PG.anon) or of the file mapping; 0 is none. */
  readonly mapping: Int32Array;
  /** Page offset in the mapping; for anonymous memory the linear page index of its VMA. */
  readonly index: Float64Array;
  readonly head: Uint32Array;
  readonly order: Uint8Array;
  readonly zone: Uint8Array;
  /** Task id of the holder of the lock bit. */
  readonly lockOwner: Int32Array;
  /** Swap slot of a folio in the swap cache, -1 without. */
  readonly swapSlot: Int32Array;
  /**
   * `zone_device_data`, on the head of a folio: of a device page the pfn of its backing page, of a backing page the id of the open
   * device file.
   */
  readonly zoneDeviceData: Int32Array;
  /** Which `DevPagemap` a device frame belongs to: index into `Memory.pagemaps`, -1 for system frames. */
  readonly pagemap: Int16Array;

  constructor(
    readonly systemFrames: number,
    readonly coherentFrames: number,
    readonly privateFrames: number,
  ) {
    const n = systemFrames + coherentFrames + privateFrames;
    this.count = n;
    this.refcount = new Int32Array(n);
    this.mapcount = new Int32Array(n);
    this.entireMapcount = new Int32Array(n);
    this.folioMapcount = new Int32Array(n);
    this.pincount = new Int32Array(n);
    this.flags = new Uint32Array(n);
    this.mapping = new Int32Array(n);
    this.index = new Float64Array(n);
    this.head = new Uint32Array(n);
    this.order = new Uint8Array(n);
    this.zone = new Uint8Array(n);
    this.lockOwner = new Int32Array(n);
    this.swapSlot = new Int32Array(n);
    this.zoneDeviceData = new Int32Array(n);
    this.pagemap = new Int16Array(n);
  }

  get firstCoherentPfn(): number {
    return this.systemFrames;
  }

  get firstPrivatePfn(): number {
    return this.systemFrames + this.coherentFrames;
  }

  /** Fresh `struct page` values for one frame that is about to be handed out; the refcount becomes 1. */
  prepare(pfn: number, zone: ZoneId, pagemap: number): void {
    assert(this.refcount[pfn] === 0, `pfn ${pfn} is handed out while it has ${this.refcount[pfn]} references`);
    this.refcount[pfn] = 1;
    this.mapcount[pfn] = 0;
    this.entireMapcount[pfn] = 0;
    this.folioMapcount[pfn] = 0;
    this.pincount[pfn] = 0;
    this.flags[pfn] = 0;
    this.mapping[pfn] = 0;
    this.index[pfn] = 0;
    this.head[pfn] = pfn;
    this.order[pfn] = 0;
    this.zone[pfn] = zone;
    this.lockOwner[pfn] = 0;
    this.swapSlot[pfn] = -1;
    this.zoneDeviceData[pfn] = 0;
    this.pagemap[pfn] = pagemap;
  }

  /** As `prepare` for a folio of 2 MiB; the frames behind its head are tails without references of their own. */
  prepareHuge(head: number, zone: ZoneId, pagemap: number): void {
    for (let pfn = head; pfn < head + HPAGE_PMD_NR; pfn++) {
      this.prepare(pfn, zone, pagemap);
      this.head[pfn] = head;
      this.flags[pfn] = PG.tail;
      if (pfn > head) this.refcount[pfn] = 0;
    }
    this.flags[head] = PG.head;
    this.order[head] = HPAGE_PMD_ORDER;
  }

  /** A folio that nothing maps becomes single pages, each with a reference of its own. Linux: split_page() */
  splitToPages(head: number): void {
    const nr = this.folioNrPages(head);
    for (let pfn = head; pfn < head + nr; pfn++) {
      this.head[pfn] = pfn;
      this.order[pfn] = 0;
      this.flags[pfn]! &= ~(PG.head | PG.tail);
      this.refcount[pfn] = 1;
    }
  }

  isAnon(pfn: number): boolean {
    return (this.flags[this.head[pfn]!]! & PG.anon) !== 0;
  }

  isZoneDevice(pfn: number): boolean {
    return this.zone[pfn] !== Zone.system;
  }

  isAnonExclusive(pfn: number): boolean {
    return (this.flags[pfn]! & PG.anonExclusive) !== 0;
  }

  folioNrPages(head: number): number {
    return 1 << this.order[head]!;
  }

  /** Linux: include/linux/mm.h:folio_maybe_dma_pinned() */
  folioMaybeDmaPinned(head: number): boolean {
    return this.pincount[head]! > 0;
  }
}
