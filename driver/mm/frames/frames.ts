import { AssertionError, assert } from '../../core/assert.js';
import { NOBODY, type Observable } from '../../core/observer.js';
import { Wasm } from '../../core/web-assembly.js';

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
  reserved: 1 << 14,
  /** A large anonymous folio of which some pages lost their last mapping while others have one. */
  partiallyMapped: 1 << 15,
} as const;

/** The names of those that are set. */
export function flagNames(flags: number): string[] {
  return Object.entries(PG).flatMap(([name, bit]) => (flags & bit ? [name] : []));
}

/** Where a frame lives. System frames have bytes at `pfn * PAGE_SIZE` of RAM; so have coherent ones. */
export const Zone = { system: 0, private: 1, coherent: 2 } as const;
export type ZoneId = (typeof Zone)[keyof typeof Zone];

/** GUP pins add this to the refcount of a small folio. Linux: GUP_PIN_COUNTING_BIAS. */
export const GUP_PIN_COUNTING_BIAS = 1024;

/** Bytes of all fields of a frame that lie in one `Room`. */
const FRAME_BYTES = 54;

/**
 * Memory for arrays that are large and mostly never touched. It is a WebAssembly.Memory as that comes from the host's pages in one piece and costs
 * what is touched, where an array that malloc finds room for is filled with zeroes.
 */
class Room {
  private readonly buffer: ArrayBuffer;
  private used = 0;

  constructor(sizeBytes: number) {
    const pages = Math.ceil(sizeBytes / 2 ** 16);
    this.buffer = new Wasm.Memory({ initial: pages, maximum: pages }).buffer;
  }

  take<T>(
    type: { new (buffer: ArrayBuffer, at: number, length: number): T; readonly BYTES_PER_ELEMENT: number },
    length: number,
  ): T {
    const at = this.used;
    this.used += length * type.BYTES_PER_ELEMENT;
    return new type(this.buffer, at, length);
  }
}

/** `struct page` of every frame as it lies, by pfn: for proofs about a whole machine, and for whoever keeps or prints one. */
export interface FrameArrays {
  readonly refcount: Int32Array;
  readonly mapcount: Int32Array;
  readonly entireMapcount: Int32Array;
  readonly folioMapcount: Int32Array;
  readonly pincount: Int32Array;
  readonly flags: Uint32Array;
  readonly mapping: Int32Array;
  readonly index: Float64Array;
  readonly head: Uint32Array;
  readonly order: Uint8Array;
  readonly lockOwner: Int32Array;
  readonly swapSlot: Int32Array;
  readonly zoneDeviceData: Int32Array;
}

/**
 * `struct page` of every frame of the machine, as struct-of-arrays by pfn, and the only way to what tasks share of it.
 * While the kernel has an observer, this is an `ObservedFrames`. Pfns count up over three areas: system RAM from 0, then the coherent
 * windows, then private device memory, which has no bytes of its own. Arrays are made once, for all frames that can ever
 * exist, and their memory is not touched before a frame is used.
 *
 * Folio rules: `head(pfn)` is the pfn of the folio's head (itself for small ones), `order` is valid on heads,
 * `refcount`, `pincount`, `mapping`, `index` and the folio flags are kept on the head; `mapcount(pfn)` counts PTE
 * mappings of that very page, `entireMapcount(head)` PMD mappings of the folio, and `folioMapcount(head)` all of them.
 */
export class Frames {
  readonly count: number;
  /** Unobserved, see `FrameArrays`. */
  readonly raw: FrameArrays;
  /** Where a frame lives; never changes while the frame is in use. */
  readonly zone: Uint8Array;
  /** Which `DevPagemap` a device frame belongs to: index into `Memory.pagemaps`, -1 for system frames. As fixed as `zone`. */
  readonly pagemap: Int16Array;
  private readonly refcounts: Int32Array;
  private readonly mapcounts: Int32Array;
  private readonly entireMapcounts: Int32Array;
  private readonly folioMapcounts: Int32Array;
  private readonly pincounts: Int32Array;
  private readonly flagWords: Uint32Array;
  private readonly mappings: Int32Array;
  private readonly indexes: Float64Array;
  private readonly heads: Uint32Array;
  private readonly orders: Uint8Array;
  private readonly lockOwners: Int32Array;
  private readonly swapSlots: Int32Array;
  private readonly deviceData: Int32Array;
  /** By 2 MiB: 1 where every tail of the last folio there is as `prepareFolio` left it, but for its flags and mappings. */
  readonly hasTails: Uint8Array;
  /** All of these arrays. */
  private readonly fields: readonly (Int32Array | Uint32Array | Float64Array | Uint8Array | Int16Array)[];

  constructor(
    readonly systemFrames: number,
    readonly coherentFrames: number,
    readonly privateFrames: number,
    protected readonly kernel: Observable = NOBODY,
  ) {
    const n = systemFrames + coherentFrames + privateFrames;
    this.count = n;
    const room = new Room(n * FRAME_BYTES);
    this.raw = {
      index: room.take(Float64Array, n),
      refcount: room.take(Int32Array, n),
      mapcount: room.take(Int32Array, n),
      entireMapcount: room.take(Int32Array, n),
      folioMapcount: room.take(Int32Array, n),
      pincount: room.take(Int32Array, n),
      flags: room.take(Uint32Array, n),
      mapping: room.take(Int32Array, n),
      head: room.take(Uint32Array, n),
      lockOwner: room.take(Int32Array, n),
      swapSlot: room.take(Int32Array, n),
      zoneDeviceData: room.take(Int32Array, n),
      order: room.take(Uint8Array, n),
    };
    this.zone = room.take(Uint8Array, n);
    this.pagemap = new Int16Array(n);
    this.refcounts = this.raw.refcount;
    this.mapcounts = this.raw.mapcount;
    this.entireMapcounts = this.raw.entireMapcount;
    this.folioMapcounts = this.raw.folioMapcount;
    this.pincounts = this.raw.pincount;
    this.flagWords = this.raw.flags;
    this.mappings = this.raw.mapping;
    this.indexes = this.raw.index;
    this.heads = this.raw.head;
    this.orders = this.raw.order;
    this.lockOwners = this.raw.lockOwner;
    this.swapSlots = this.raw.swapSlot;
    this.deviceData = this.raw.zoneDeviceData;
    this.hasTails = new Uint8Array(Math.ceil(n / HPAGE_PMD_NR));
    this.fields = [...Object.values(this.raw), this.zone, this.pagemap];
  }

  get firstCoherentPfn(): number {
    return this.systemFrames;
  }

  get firstPrivatePfn(): number {
    return this.systemFrames + this.coherentFrames;
  }

  refcount(pfn: number): number {
    return this.refcounts[pfn]!;
  }

  /** Not more than so many? Depends on less than `refcount`. */
  hasRefcountAtMost(pfn: number, most: number): boolean {
    return this.refcounts[pfn]! <= most;
  }

  /** As `assertLocked`: nobody has a reference. */
  assertUnreferenced(pfn: number): void {
    if (this.refcounts[pfn] !== 0) isReferenced(pfn);
  }

  /** Of a folio that has references. Nobody learns how many there are. */
  addRefcount(pfn: number, count: number): void {
    assert(this.refcounts[pfn]! > 0, "pfn % is free and can't be referenced", pfn);
    this.refcounts[pfn] += count;
  }

  /** Unless there is none; answers whether there was one. */
  addRefcountUnlessZero(pfn: number, count: number): boolean {
    if (this.refcounts[pfn] === 0) return false;
    this.refcounts[pfn]! += count;
    return true;
  }

  /** Answers how many are left. */
  dropRefcount(pfn: number, count: number): number {
    const left = this.refcounts[pfn]! - count;
    this.refcounts[pfn] = left;
    return left;
  }

  setRefcount(pfn: number, value: number): void {
    this.refcounts[pfn] = value;
  }

  mapcount(pfn: number): number {
    return this.mapcounts[pfn]!;
  }

  /** Answers the sum. */
  addMapcount(pfn: number, count: number): number {
    const sum = this.mapcounts[pfn]! + count;
    this.mapcounts[pfn] = sum;
    return sum;
  }

  /** As `addMapcount` of `nr` pages in a row; answers the least of the sums. */
  addMapcounts(pfn: number, nr: number, count: number): number {
    const { mapcounts } = this;
    let least = mapcounts[pfn]! + count;
    for (let page = pfn; page < pfn + nr; page++) {
      const sum = mapcounts[page]! + count;
      mapcounts[page] = sum;
      if (sum < least) least = sum;
    }
    return least;
  }

  setMapcount(pfn: number, value: number): void {
    this.mapcounts[pfn] = value;
  }

  entireMapcount(pfn: number): number {
    return this.entireMapcounts[pfn]!;
  }

  /** Answers the sum. */
  addEntireMapcount(pfn: number, count: number): number {
    const sum = this.entireMapcounts[pfn]! + count;
    this.entireMapcounts[pfn] = sum;
    return sum;
  }

  setEntireMapcount(pfn: number, value: number): void {
    this.entireMapcounts[pfn] = value;
  }

  folioMapcount(pfn: number): number {
    return this.folioMapcounts[pfn]!;
  }

  /** Answers the sum. */
  addFolioMapcount(pfn: number, count: number): number {
    const sum = this.folioMapcounts[pfn]! + count;
    this.folioMapcounts[pfn] = sum;
    return sum;
  }

  setFolioMapcount(pfn: number, value: number): void {
    this.folioMapcounts[pfn] = value;
  }

  /** Pins by GUP (FOLL_PIN); for small folios each also stands for GUP_PIN_COUNTING_BIAS references. */
  pincount(pfn: number): number {
    return this.pincounts[pfn]!;
  }

  /** Answers the sum. */
  addPincount(pfn: number, count: number): number {
    const sum = this.pincounts[pfn]! + count;
    this.pincounts[pfn] = sum;
    return sum;
  }

  setPincount(pfn: number, value: number): void {
    this.pincounts[pfn] = value;
  }

  /** All flags but the lock bit; `hasFlags` depends on less. */
  flags(pfn: number): number {
    return this.flagWords[pfn]! & ~PG.locked;
  }

  /** Any of `mask`? */
  hasFlags(pfn: number, mask: number): boolean {
    return (this.flagWords[pfn]! & mask) !== 0;
  }

  /** The folio of `pfn` is locked. A precondition is no access of the kernel's, so no observer hears of it. */
  assertLocked(pfn: number): void {
    if ((this.flagWords[this.heads[pfn]!]! & PG.locked) === 0) notLocked(pfn);
  }

  assertUnlocked(pfn: number): void {
    if ((this.flagWords[pfn]! & PG.locked) !== 0) isLocked(pfn);
  }

  /** As `assertLocked`: nothing maps the folio of `pfn`. */
  assertUnmapped(pfn: number): void {
    const count = this.folioMapcounts[this.heads[pfn]!]!;
    if (count !== 0) isMapped(pfn, count);
  }

  setFlags(pfn: number, mask: number): void {
    this.flagWords[pfn]! |= mask;
  }

  /** As `setFlags` of `nr` pages in a row. */
  setFlagsOfPages(pfn: number, nr: number, mask: number): void {
    const { flagWords } = this;
    for (let page = pfn; page < pfn + nr; page++) flagWords[page]! |= mask;
  }

  clearFlags(pfn: number, mask: number): void {
    this.flagWords[pfn]! &= ~mask;
  }

  /** All of them, the lock bit too: of a folio that nobody else knows, or whose lock the caller has. */
  writeFlags(pfn: number, flags: number): void {
    this.flagWords[pfn] = flags;
  }

  /** Id of the anon_vma (with PG.anon) or of the file mapping; 0 is none. */
  mapping(pfn: number): number {
    return this.mappings[pfn]!;
  }

  setMapping(pfn: number, value: number): void {
    this.mappings[pfn] = value;
  }

  /** Page offset in the mapping; for anonymous memory the linear page index of its VMA. */
  index(pfn: number): number {
    return this.indexes[pfn]!;
  }

  setIndex(pfn: number, value: number): void {
    this.indexes[pfn] = value;
  }

  head(pfn: number): number {
    return this.heads[pfn]!;
  }

  setHead(pfn: number, value: number): void {
    this.hasTails[Math.floor(pfn / HPAGE_PMD_NR)] = 0;
    this.heads[pfn] = value;
  }

  order(pfn: number): number {
    return this.orders[pfn]!;
  }

  setOrder(pfn: number, value: number): void {
    this.orders[pfn] = value;
  }

  /** Task id of the holder of the lock bit. */
  lockOwner(pfn: number): number {
    return this.lockOwners[pfn]!;
  }

  setLockOwner(pfn: number, value: number): void {
    this.lockOwners[pfn] = value;
  }

  /** Swap slot of a folio in the swap cache, -1 without. */
  swapSlot(pfn: number): number {
    return this.swapSlots[pfn]!;
  }

  setSwapSlot(pfn: number, value: number): void {
    this.swapSlots[pfn] = value;
  }

  /**
   * `zone_device_data`, on the head of a folio: of a device page the pfn of its backing page, of a backing page the id of the open
   * device file.
   */
  zoneDeviceData(pfn: number): number {
    return this.deviceData[pfn]!;
  }

  setZoneDeviceData(pfn: number, value: number): void {
    this.deviceData[pfn] = value;
  }

  /** Fresh `struct page` values for one frame that is about to be handed out; the refcount becomes 1. */
  prepare(pfn: number, zone: ZoneId, pagemap: number): void {
    this.hasTails[Math.floor(pfn / HPAGE_PMD_NR)] = 0;
    assert(this.refcounts[pfn] === 0, 'pfn % is handed out while it has % references', pfn, this.refcounts[pfn]);
    this.refcounts[pfn] = 1;
    this.mapcounts[pfn] = 0;
    this.entireMapcounts[pfn] = 0;
    this.folioMapcounts[pfn] = 0;
    this.pincounts[pfn] = 0;
    this.flagWords[pfn] = 0;
    this.mappings[pfn] = 0;
    this.indexes[pfn] = 0;
    this.heads[pfn] = pfn;
    this.orders[pfn] = 0;
    this.zone[pfn] = zone;
    this.lockOwners[pfn] = 0;
    this.swapSlots[pfn] = -1;
    this.deviceData[pfn] = 0;
    this.pagemap[pfn] = pagemap;
  }

  /** As `prepare` for a large folio; the frames behind its head are tails without references of their own. */
  prepareFolio(head: number, order: number, { zone, pagemap }: { zone: ZoneId; pagemap: number }): void {
    const end = head + (1 << order);
    let references = 0;
    for (let pfn = head + 1; pfn < end; pfn++) references |= this.refcounts[pfn]!;
    assert(references === 0, 'the folio % is handed out while there are references to a page of it', head);
    const at = Math.floor(head / HPAGE_PMD_NR);
    const isHuge = order === HPAGE_PMD_ORDER;
    const hasTails =
      isHuge && this.hasTails[at] === 1 && this.zone[end - 1] === zone && this.pagemap[end - 1] === pagemap;
    this.prepare(head, zone, pagemap);
    if (!hasTails) {
      for (const field of this.fields) field.fill(field[head]!, head + 1, end);
      this.heads.fill(head, head + 1, end);
      this.refcounts.fill(0, head + 1, end);
    }
    // Nobody else writes to all of this, which is more than the host's caches hold.
    if (isHuge) this.hasTails[at] = 1;
    this.mapcounts.fill(0, head + 1, end);
    this.flagWords.fill(PG.tail, head + 1, end);
    this.flagWords[head] = PG.head;
    this.orders[head] = order;
  }

  /** The folio is freed: its tails are tails of nothing. */
  forgetTails(head: number): void {
    const end = head + this.folioNrPages(head);
    for (let pfn = head + 1; pfn < end; pfn++) this.heads[pfn] = pfn;
    this.flagWords.fill(0, head + 1, end);
  }

  /** A folio that nothing maps becomes single pages, each with a reference of its own. Linux: mm/page_alloc.c:split_page() */
  splitPage(head: number): void {
    const nr = this.folioNrPages(head);
    this.hasTails[Math.floor(head / HPAGE_PMD_NR)] = 0;
    for (let pfn = head; pfn < head + nr; pfn++) {
      this.heads[pfn] = pfn;
      this.orders[pfn] = 0;
      this.flagWords[pfn]! &= ~(PG.head | PG.tail);
      this.refcounts[pfn] = 1;
    }
  }

  isAnon(pfn: number): boolean {
    return this.hasFlags(this.head(pfn), PG.anon);
  }

  isZoneDevice(pfn: number): boolean {
    return this.zone[pfn] !== Zone.system;
  }

  isAnonExclusive(pfn: number): boolean {
    return this.hasFlags(pfn, PG.anonExclusive);
  }

  folioNrPages(head: number): number {
    return 1 << this.order(head);
  }

  /** Linux: include/linux/mm.h:folio_maybe_dma_pinned() */
  folioMaybeDmaPinned(head: number): boolean {
    return this.pincount(head) > 0;
  }
}

// Apart from what asks, so that this is small enough to be compiled into its callers.

function notLocked(pfn: number): never {
  throw new AssertionError(`pfn ${pfn} is not locked`);
}

function isReferenced(pfn: number): never {
  throw new AssertionError(`pfn ${pfn} has references`);
}

function isLocked(pfn: number): never {
  throw new AssertionError(`pfn ${pfn} is locked`);
}

function isMapped(pfn: number, count: number): never {
  throw new AssertionError(`pfn ${pfn} is mapped ${count} times`);
}
