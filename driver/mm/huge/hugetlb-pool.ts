import { ENOMEM } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { LockClass } from '../../core/lock-class.js';
import { Mutex } from '../../core/locks.js';
import { Access, Shared } from '../../core/observer.js';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER, HPAGE_PMD_SIZE, PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma, VmaOps } from '../vmas/vma.js';
import type { HugetlbFileReservation } from './hugetlb-file-reservation.js';

/**
 * The machine's 2 MiB hugetlb pages. A page is free or in use; of the free ones `reserved` are promised to mappings
 * that have not touched them yet. Linux: struct hstate, protected by hugetlb_lock (no holder sleeps under it).
 *
 * Deviates: Linux takes the pages from the allocator at boot. Here each is taken at its first use, so that a machine
 * that maps none pays nothing; the two differ only when RAM is used up.
 */
export class HugetlbPool {
  /** Pages that were in use before. */
  private readonly freeHeads: number[] = [];
  /** Free pages that were not yet taken from the allocator. */
  private unbacked: number;
  /** Pages in use that go back to their owner's promise when they are freed. Linux: HPG_restore_reserve */
  private readonly restoring = new Set<number>();
  reserved = 0;
  /** HugePages_Total. */
  count: number;
  /** Pages in use that leave the pool when they are freed, since it was made smaller. */
  surplus = 0;
  /** Serializes faults. Deviates: one for the machine; Linux hashes over several. */
  readonly faultMutex: Mutex;

  constructor(
    private readonly memory: Memory,
    private readonly initialCount: number,
  ) {
    this.count = initialCount;
    this.unbacked = initialCount;
    this.faultMutex = new Mutex(memory.kernel, LockClass.hugetlbLock, 'hugetlb_fault_mutex');
  }

  /** HugePages_Free. */
  get freeCount(): number {
    return this.freeHeads.length + this.unbacked;
  }

  /** Frames that idle pages keep from the allocator: they have no references, but are not free either. */
  get idleFrames(): number {
    return this.freeHeads.length * HPAGE_PMD_NR;
  }

  /** Promises `pages` more free pages. 0 or -ENOMEM. Linux: mm/hugetlb.c:hugetlb_acct_memory() */
  hugetlbAcctMemory(pages: number): number {
    this.touch();
    if (this.freeCount - this.reserved < pages) return -ENOMEM;
    this.reserved += pages;
    return 0;
  }

  unreserve(pages: number): void {
    this.touch();
    this.reserved -= pages;
    // What is promised again with the last reference to a page is missing until then, in Linux too.
    assert(this.reserved + this.restoring.size >= 0, 'hugetlb reservations go below zero');
  }

  /**
   * The head of a page with refcount 1, contents not cleared, or 0. `fromReserve` uses up one reservation of the caller;
   * without it only pages that nobody was promised are given. Linux: part of mm/hugetlb.c:alloc_hugetlb_folio()
   */
  allocate({ fromReserve }: { fromReserve: boolean }): number {
    this.touch();
    if (!fromReserve && this.freeCount - this.reserved <= 0) return 0;
    const head = this.takeFree();
    if (head !== 0 && fromReserve) this.unreserve(1);
    return head;
  }

  /** Takes back a page whose last reference was put. Linux: mm/hugetlb.c:free_huge_folio() */
  freeHugeFolio(head: number): void {
    this.touch();
    const { frames } = this.memory;
    assert(frames.refcount(head) === 0, 'hugetlb pfn % is freed while it has references', head);
    frames.assertUnmapped(head);
    if (this.restoring.delete(head)) this.reserved++;
    if (this.surplus > 0) {
      this.surplus--;
      this.count--;
      this.giveBack(head);
      return;
    }
    frames.writeFlags(head, PG.head | PG.hugetlb);
    this.freeHeads.push(head);
  }

  /**
   * Makes the pool larger, as far as memory goes, or smaller: free pages that nobody was promised go at once, pages in
   * use when they are freed. Linux: mm/hugetlb.c:set_max_huge_pages()
   */
  setMaxHugePages(count: number): void {
    this.touch();
    this.surplus = Math.max(0, this.surplus - Math.max(0, count - (this.count - this.surplus)));
    const room = Math.floor(this.memory.allocator.freeFrames / HPAGE_PMD_NR) - this.unbacked;
    const more = Math.min(count - (this.count - this.surplus), room);
    if (more > 0) {
      this.count += more;
      this.unbacked += more;
    }
    while (this.count - this.surplus > count && this.freeCount > this.reserved) this.removeFree();
    if (this.count - this.surplus > count) this.surplus = this.count - count;
  }

  private touch(): void {
    this.memory.kernel.observer?.touch(Shared.hugetlbPool, 0, Access.write, 1);
  }

  private removeFree(): void {
    this.count--;
    if (this.unbacked > 0) this.unbacked--;
    else this.giveBack(this.freeHeads.pop()!);
  }

  private giveBack(head: number): void {
    const { frames, allocator } = this.memory;
    frames.writeFlags(head, PG.head);
    allocator.freeFolio(head, HPAGE_PMD_ORDER);
  }

  /** The page, unmapped by its owner, is promised to the owner again once it is free. */
  restoreReserve(head: number): void {
    this.touch();
    this.restoring.add(head);
  }

  /** After `FrameAllocator.reset()`: every page is free and unbacked again. */
  reset(): void {
    this.faultMutex.reset();
    this.freeHeads.length = 0;
    this.count = this.initialCount;
    this.unbacked = this.initialCount;
    this.surplus = 0;
    this.restoring.clear();
    this.reserved = 0;
  }

  private takeFree(): number {
    const { frames, allocator } = this.memory;
    const used = this.freeHeads.pop();
    if (used !== undefined) {
      frames.setRefcount(used, 1);
      frames.setOrder(used, HPAGE_PMD_ORDER);
      return used;
    }
    const head = this.unbacked > 0 ? allocator.allocateHuge() : 0;
    if (head === 0) return 0;
    this.unbacked--;
    frames.setFlags(head, PG.hugetlb);
    return head;
  }
}

/**
 * What a private hugetlb mapping was promised at mmap time; shared by the parts of a split vma, like vm_private_data in
 * Linux. It hangs on `Vma.ops`, so that the copies of a vma find it. Linux: struct resv_map with HPAGE_RESV_OWNER
 */
export class HugetlbReservation implements VmaOps {
  /** Huge page indices of the mapping whose promise was used. */
  private readonly used = new Set<number>();
  /** A page was taken from this child for its owner, so it must not go on as if nothing was lost. Linux: HPAGE_RESV_UNMAPPED */
  isUnmapped = false;

  constructor(
    private readonly pool: HugetlbPool,
    private readonly owner: Vma['mm'],
    readonly isOwner: boolean,
  ) {}

  /** A fork's child has no promise. Linux: part of mm/hugetlb.c:hugetlb_dup_vma_private() and hugetlb_vm_op_open() */
  open(vma: Vma): void {
    if (vma.mm !== this.owner) vma.ops = new HugetlbReservation(this.pool, vma.mm, false);
  }

  /** What was never touched is promised no longer. Linux: part of mm/hugetlb.c:hugetlb_vm_op_close() */
  close(vma: Vma): void {
    if (!this.isOwner) return;
    let unused = 0;
    for (let addr = vma.start; addr < vma.end; addr += HPAGE_PMD_SIZE) if (this.isPromised(vma, addr)) unused++;
    this.pool.unreserve(unused);
  }

  isPromised(vma: Vma, addr: number): boolean {
    return this.isOwner && !this.used.has(vma.linearPageIndex(addr));
  }

  /**
   * Takes a page for `addr`, with the promise if there is one; an owner's copy-on-write must do without. 0 when there is
   * no page. Linux: part of mm/hugetlb.c:alloc_hugetlb_folio()
   */
  allocate(vma: Vma, addr: number, { cowFromOwner = false } = {}): number {
    const fromReserve = !cowFromOwner && this.isPromised(vma, addr);
    const head = this.pool.allocate({ fromReserve });
    if (head !== 0 && this.isOwner) this.used.add(vma.linearPageIndex(addr));
    return head;
  }

  /**
   * The owner has unmapped `head` at `addr` and nobody else maps it: the promise is renewed, so that no other process
   * takes the page. Linux: part of mm/hugetlb.c:__unmap_hugepage_range()
   */
  restore(vma: Vma, addr: number, head: number): void {
    if (!this.isOwner || !this.used.delete(vma.linearPageIndex(addr))) return;
    this.pool.restoreReserve(head);
  }

  /** mremap has moved everything of `vma` away: the copy has the promise now. Linux: mm/hugetlb.c:clear_vma_resv_huge_pages() */
  clearVmaResvHugePages(vma: Vma): void {
    vma.ops = new HugetlbReservation(this.pool, vma.mm, false);
  }
}

/**
 * Promises every page of a new hugetlb mapping: of a shared one, what the file has not yet. 0, or -ENOMEM when the pool
 * has not enough. Linux: mm/hugetlb.c:hugetlb_reserve_pages()
 */
export function hugetlbReservePages(vma: Vma, file: HugetlbFileReservation | null): number {
  const { hugetlb } = vma.mm.memory;
  const isReserved = !(vma.flags & VM.noreserve);
  if (vma.flags & VM.mayshare) {
    assert(file !== null, 'shared hugetlb memory needs a file');
    const [first, end] = [vma.start, vma.end].map((addr) => vma.linearPageIndex(addr) / HPAGE_PMD_NR);
    return isReserved ? file.reserve(first!, end!) : 0;
  }
  const error = isReserved ? hugetlb.hugetlbAcctMemory((vma.end - vma.start) / HPAGE_PMD_SIZE) : 0;
  if (error === 0) vma.ops = new HugetlbReservation(hugetlb, vma.mm, isReserved);
  return error;
}

/** The reservation state of a private hugetlb vma. */
export function hugetlbReservation(vma: Vma): HugetlbReservation {
  const { ops } = vma;
  assert(ops instanceof HugetlbReservation, 'a hugetlb vma has no reservation state');
  return ops;
}
