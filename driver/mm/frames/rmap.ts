import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { Access, Shared } from '../../core/observer.js';
import type { AddressSpace } from '../files/address-space.js';
import type { Memory } from '../memory.js';
import type { Vma } from '../vmas/vma.js';
import type { AnonVma } from './anon-vma.js';
import { PAGE_SIZE, PG } from './frames.js';

/** A new anonymous folio gets its first mapping, one a page, exclusive to `vma`'s process. Linux: mm/rmap.c:folio_add_new_anon_rmap() */
export function folioAddNewAnonRmap(memory: Memory, head: number, vma: Vma, addr: number): void {
  const { frames } = memory;
  const nr = frames.folioNrPages(head);
  assert(addr >= vma.start && addr + nr * PAGE_SIZE <= vma.end, 'the address is not of this vma');
  setAnon(memory, head, vma, addr);
  frames.setFlags(head, PG.swapbacked | PG.anonExclusive);
  frames.setFlagsOfPages(head + 1, nr - 1, PG.anonExclusive);
  frames.addMapcounts(head, nr, 1);
  frames.setFolioMapcount(head, nr);
}

/** As `folioAddNewAnonRmap` for a 2 MiB folio mapped by one PMD. Linux: part of mm/rmap.c:hugetlb_add_new_anon_rmap(), of a folio that is never swapped */
export function folioAddNewAnonRmapPmd(memory: Memory, head: number, vma: Vma, addr: number): void {
  const { frames } = memory;
  setAnon(memory, head, vma, addr);
  frames.setFlags(head, frames.hasFlags(head, PG.hugetlb) ? PG.anonExclusive : PG.swapbacked | PG.anonExclusive);
  frames.setEntireMapcount(head, 1);
  frames.setFolioMapcount(head, 1);
}

function setAnon(memory: Memory, head: number, vma: Vma, addr: number): void {
  const { frames } = memory;
  assert(vma.anonVma !== null, 'a page is mapped in a vma without anon_vma');
  frames.setFlags(head, PG.anon);
  frames.setMapping(head, vma.anonVma.id);
  frames.setIndex(head, vma.linearPageIndex(addr));
}

/** One more PTE mapping of an anonymous page. Linux: include/linux/rmap.h:folio_add_anon_rmap_pte() */
export function folioAddAnonRmapPte(memory: Memory, pfn: number, exclusive: boolean): void {
  addMapping(memory, pfn);
  if (exclusive) memory.frames.setFlags(pfn, PG.anonExclusive);
}

/**
 * Makes a folio that is not anonymous yet (a page read from swap) anonymous; when others may share it, it goes under
 * the oldest anon_vma, which all of them reach. The folio is locked.
 * Linux: mm/rmap.c:__folio_set_anon()
 */
export function folioSetAnon(
  memory: Memory,
  pfn: number,
  vma: Vma,
  { addr, exclusive }: { addr: number; exclusive: boolean },
): void {
  memory.frames.assertLocked(pfn);
  setAnon(memory, pfn, vma, addr);
  if (!exclusive) memory.frames.setMapping(pfn, vma.anonVma!.root.id);
}

/** One more PTE mapping of a file page. Linux: include/linux/rmap.h:folio_add_file_rmap_pte() */
export function folioAddFileRmapPte(memory: Memory, pfn: number): void {
  addMapping(memory, pfn);
}

/** As `folioAddFileRmapPte` of `nr` pages of a folio, from `pfn` on. Linux: mm/rmap.c:folio_add_file_rmap_ptes() */
export function folioAddFileRmapPtes({ frames }: Memory, pfn: number, nr: number): void {
  frames.addMapcounts(pfn, nr, 1);
  frames.addFolioMapcount(frames.head(pfn), nr);
}

/** One more PMD mapping of a file's folio, hugetlb or not. Linux: mm/rmap.c:folio_add_file_rmap_pmd(), include/linux/rmap.h:hugetlb_add_file_rmap() */
export function folioAddFileRmapPmd({ frames }: Memory, head: number): void {
  frames.addEntireMapcount(head, 1);
  frames.addFolioMapcount(head, 1);
}

function addMapping(memory: Memory, pfn: number): void {
  memory.frames.addMapcount(pfn, 1);
  memory.frames.addFolioMapcount(memory.frames.head(pfn), 1);
}

/** One PTE mapping less of each of `count` pages of a folio; references are not touched. Linux: mm/rmap.c:folio_remove_rmap_ptes() */
export function folioRemoveRmapPtes(memory: Memory, pfn: number, count = 1): void {
  const { frames } = memory;
  const least = frames.addMapcounts(pfn, count, -1);
  assert(least >= 0, 'of the pages from pfn % on one has % mappings', pfn, least);
  const head = frames.head(pfn);
  const left = frames.addFolioMapcount(head, -count);
  if (least === 0 && left > 0 && frames.entireMapcount(head) === 0) deferredSplitFolio(memory, head);
}

/**
 * Some pages of a large folio lost their last mapping, others have one. Deviates: no memory pressure comes that would split it; who reclaims
 * it splits it anyway. Linux: mm/huge_memory.c:deferred_split_folio()
 */
function deferredSplitFolio({ frames, mthpStats }: Memory, head: number): void {
  if (!frames.isAnon(head) || frames.isZoneDevice(head) || frames.hasFlags(head, PG.partiallyMapped)) return;
  frames.setFlags(head, PG.partiallyMapped);
  mthpStats.countMthpStat(frames.order(head), 'split_deferred');
}

/** One PMD mapping less. Linux: mm/rmap.c:folio_remove_rmap_pmd() */
export function folioRemoveRmapPmd(memory: Memory, head: number): void {
  const { frames } = memory;
  const left = frames.addEntireMapcount(head, -1);
  const mapcount = frames.addFolioMapcount(head, -1);
  assert(left >= 0, 'folio % has % PMD mappings', head, left);
  if (left > 0 || mapcount === 0) return;
  if (frames.raw.mapcount.subarray(head, head + frames.folioNrPages(head)).includes(0))
    deferredSplitFolio(memory, head);
}

/**
 * Gives up the exclusive mark before the entry becomes a migration, swap or device-exclusive one; the entry is already
 * cleared. False when the page may be pinned: its pin relies on exclusivity. Linux: include/linux/rmap.h:folio_try_share_anon_rmap_pte()
 */
export function folioTryShareAnonRmapPte(memory: Memory, pfn: number): boolean {
  const { frames } = memory;
  assert(frames.hasFlags(pfn, PG.anonExclusive), 'pfn % is not exclusive', pfn);
  if (frames.folioMaybeDmaPinned(frames.head(pfn))) return false;
  frames.clearFlags(pfn, PG.anonExclusive);
  return true;
}

/**
 * A child is going to map the page too: exclusive pages become shared. False when the page may be pinned, so that the
 * child needs a copy. On success the child's mapping is counted. Linux: include/linux/rmap.h:folio_try_dup_anon_rmap_pte()
 */
export function folioTryDupAnonRmapPte(memory: Memory, pfn: number): boolean {
  const { frames } = memory;
  if (frames.hasFlags(pfn, PG.anonExclusive)) {
    if (frames.folioMaybeDmaPinned(frames.head(pfn))) return false;
    frames.clearFlags(pfn, PG.anonExclusive);
  }
  addMapping(memory, pfn);
  return true;
}

/**
 * The page belongs to `vma`'s process alone from now on, so its rmap needs no ancestors. The folio is locked.
 * Linux: mm/rmap.c:folio_move_anon_rmap()
 */
export function folioMoveAnonRmap(memory: Memory, pfn: number, vma: Vma): void {
  memory.frames.assertLocked(pfn);
  memory.frames.setMapping(memory.frames.head(pfn), vma.anonVma!.id);
}

/** Called by an rmap walk for each vma that may map the folio, with the address of its first page there. False ends the walk. */
export type RmapVisit = (vma: Vma, addr: number) => Coroutine<boolean>;

/**
 * Who may map the folio of `head`: its anon_vma or its file, null when it has neither. An unmapped page may outlive its
 * anon_vma (its last process exited while the page was on its way off the device): then nobody maps it. The walk over
 * `vmas`, in order of linking, needs the lock for read. Linux: part of mm/rmap.c:folio_lock_anon_vma_read()
 */
export function rmapObject(memory: Memory, head: number): AnonVma | AddressSpace | null {
  const { frames } = memory;
  const id = frames.mapping(head);
  if (id === 0) return null;
  const object = frames.hasFlags(head, PG.anon) ? memory.anonVmas.get(id) : memory.mappings.get(id);
  assert(
    object !== undefined || frames.folioMapcount(head) === 0,
    'pfn % is mapped, but its rmap object % is gone',
    head,
    id,
  );
  return object ?? null;
}

/**
 * Visits every vma that may map the folio of `head`, under the rmap lock. The visitor looks at the entry itself; for a
 * large folio it is given the address of the first page inside the vma. Nobody is looked for who maps an anonymous folio that nobody
 * maps, unless `ifMapped` is false: migration entries are no mappings. Linux: mm/rmap.c:rmap_walk(), folio_lock_anon_vma_read()
 */
export function* rmapWalk(memory: Memory, head: number, visit: RmapVisit, { ifMapped = true } = {}): Coroutine<void> {
  const { frames, kernel } = memory;
  frames.assertLocked(head);
  const isLookedFor = (): boolean => !ifMapped || !frames.isAnon(head) || frames.folioMapcount(head) > 0;
  if (kernel.scheduler.isFine) yield FINE.refcount;
  if (!isLookedFor()) return;
  const object = rmapObject(memory, head);
  if (object === null) return;
  yield* object.lock.readLock();
  if (!isLookedFor()) {
    object.lock.readUnlock();
    return;
  }
  kernel.observer?.touch(Shared.rmap, object.id, Access.read, 1);
  for (const vma of object.vmas.slice()) {
    const addr = vmaAddress(memory, head, vma);
    if (addr >= 0 && !(yield* visit(vma, addr))) break;
  }
  object.lock.readUnlock();
}

/** Where `vma` has the first of the folio's pages that it covers, or -1. Linux: mm/internal.h:vma_address() */
export function vmaAddress(memory: Memory, head: number, vma: Vma): number {
  const { frames } = memory;
  const first = frames.index(head);
  if (first >= vma.pgoff) return vma.addressOf(first);
  return first + frames.folioNrPages(head) > vma.pgoff ? vma.start : -1;
}
