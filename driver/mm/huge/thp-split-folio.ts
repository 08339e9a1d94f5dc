import { EAGAIN, EBUSY, EINVAL } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { cacheReferences } from '../files/filemap.js';
import { folioGet, folioIsLocked, folioPut, folioSetLocked, folioTrylock, folioUnlockAndPut } from '../frames/folio.js';
import { folioLikelyMappedShared } from '../frames/folio-sharing.js';
import { ZERO_PFN } from '../frames/frame-allocator.js';
import { type Frames, HPAGE_PMD_ORDER, PAGE_SIZE, PG, Zone } from '../frames/frames.js';
import { rmapObject, rmapWalk, vmaAddress } from '../frames/rmap.js';
import type { Memory } from '../memory.js';
import { tryToUnmapOne } from '../swap/swap-unmap.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pagesInVma, removeMigrationPte, tryToMigrateOne } from '../tables/migration-entries.js';
import type { Table } from '../tables/page-table.js';
import { mkPte } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { TlbBatch } from '../tables/tlb.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { hugeVpn, mmFindPmd, thpVmaSuitableOrder } from './thp-policy.js';
import { splitHugePmd, splitHugePmdAddress } from './thp-split-pmd.js';

const WORDS_IN_PAGE = PAGE_SIZE / 4;

/** Flags of the head that its tails get when they become folios. Linux: mm/huge_memory.c:__split_huge_page_tail() */
const INHERITED = PG.swapbacked | PG.uptodate | PG.workingset | PG.dirty | PG.anon | PG.lru;

/** Of a folio that is not in the swap cache, `pins` of the caller's left out. Linux: mm/huge_memory.c:can_split_folio() */
export function canSplitFolio(memory: Memory, head: number, pins = 1): boolean {
  const { frames } = memory;
  return frames.folioMapcount(head) === frames.refcount(head) - cachePins(frames, head) - pins;
}

/** References of the page cache. */
function cachePins(frames: Frames, head: number): number {
  return frames.hasFlags(head, PG.anon) ? 0 : cacheReferences(frames, head);
}

/** What a split makes. */
export interface SplitFolioOptions {
  /** The order of the folios that it makes; not 1, which anonymous memory can't have, and 0 of a file. */
  readonly newOrder?: number;
  /** Gets the tails, each with a reference, in place of the LRU: the folio is off it. */
  readonly isolated?: number[] | null;
}

/** Locks and references a large folio for `splitAndPut`; false when others map it too, or it is busy. Linux: part of mm/madvise.c:madvise_free_pte_range() */
export function takeForSplit(memory: Memory, head: number): boolean {
  if (folioLikelyMappedShared(memory, head) || !folioTrylock(memory, head)) return false;
  folioGet(memory, head);
  return true;
}

/** Splits the folio of a page, which the caller has locked and referenced, and gives both back. True where it was split. */
export function* splitAndPut(memory: Memory, pfn: number): Coroutine<boolean> {
  const head = memory.frames.head(pfn);
  const error = yield* splitFolio(memory, head);
  yield* folioUnlockAndPut(memory, head);
  return error === 0;
}

/**
 * Splits a large folio into smaller ones, wherever it is mapped. 0, -EINVAL where it is no larger, -EAGAIN when somebody else has
 * a reference (a pin too), or -EBUSY. The caller holds the lock and one reference, and has both on the folio of `head` afterwards. Anonymous pages
 * that hold only zeroes become ZERO entries; those of a file are mapped no longer, and leave it where they lie behind its end.
 * Linux: include/linux/huge_mm.h:split_folio(), mm/huge_memory.c:split_huge_page_to_list_to_order()
 */
export function* splitFolio(memory: Memory, head: number, options: SplitFolioOptions = {}): Coroutine<number> {
  const { frames } = memory;
  const { newOrder = 0, isolated = null } = options;
  const order = frames.order(head);
  assert(folioIsLocked(memory, head) && order > 0, 'pfn % is no locked large folio', head);
  // Deviates: folios of devices have two sizes.
  if (newOrder >= order || newOrder === 1 || (newOrder > 0 && frames.isZoneDevice(head))) return -EINVAL;
  if (head === memory.hugeZeroPfn) return -EBUSY;
  const isAnon = frames.isAnon(head);
  if (!isAnon && frames.mapping(head) === 0) return -EBUSY;
  if (!isAnon && newOrder > 0) return -EINVAL;
  const ret = yield* splitRmapped(memory, head, { newOrder, isolated });
  memory.mthpStats.countMthpStat(order, ret === 0 ? 'split' : 'split_failed');
  return ret;
}

/** Under the lock of whoever may map it: of an anon_vma for write, of a file for read. */
function* splitRmapped(memory: Memory, head: number, options: Required<SplitFolioOptions>): Coroutine<number> {
  const { frames } = memory;
  const { inject } = memory.kernel;
  const injected = inject.armed ? yield* inject.reach(InjectPoint.thpSplit) : 0;
  if (injected !== 0) return injected;
  const isAnon = frames.isAnon(head);
  // Without a mapping its anon_vma may be gone.
  if (isAnon && frames.folioMapcount(head) === 0) return -EBUSY;
  const object = rmapObject(memory, head);
  assert(object !== null, 'nobody can have mapped folio %', head);
  if (isAnon) yield* object.lock.writeLock();
  else yield* object.lock.readLock();
  let ret = -EAGAIN;
  if (canSplitFolio(memory, head)) {
    const vmas = object.vmas.slice();
    yield* unmapFolio(memory, head, vmas);
    ret = yield* splitUnmapped(memory, { head, vmas: isAnon ? vmas : [], ...options });
  }
  if (isAnon) object.lock.writeUnlock();
  else object.lock.readUnlock();
  return ret;
}

/**
 * Replaces all mappings by migration entries, as far as pins allow, or of a file's folio by nothing, locked in memory or not.
 * Linux: mm/huge_memory.c:unmap_folio()
 */
function* unmapFolio(memory: Memory, head: number, vmas: readonly Vma[]): Coroutine<void> {
  assert(memory.frames.order(head) > 0, 'pfn % is no large folio', head);
  const isAnon = memory.frames.isAnon(head);
  if (isAnon) memory.stats.tryToMigrate++;
  else memory.stats.tryToUnmap++;
  const batch = new TlbBatch();
  for (const vma of vmas) {
    const addr = vmaAddress(memory, head, vma);
    if (addr < 0) continue;
    const at = { vma, addr, batch };
    const unmapped = isAnon
      ? yield* unmapFolioOne(memory, head, at)
      : yield* tryToUnmapOne(memory, head, { ...at, ignoresMlock: true });
    if (!unmapped || memory.frames.folioMapcount(head) === 0) break;
  }
  if (memory.kernel.scheduler.isFine) yield FINE.tlb;
  batch.tryToUnmapFlush();
}

/** For 2 MiB, TTU_SPLIT_HUGE_PMD comes first. Linux: part of mm/rmap.c:try_to_migrate_one() */
function* unmapFolioOne(
  memory: Memory,
  head: number,
  at: { vma: Vma; addr: number; batch: TlbBatch },
): Coroutine<boolean> {
  const { vma, addr } = at;
  if (memory.frames.order(head) === HPAGE_PMD_ORDER) {
    // A part that the vma does not cover whole can't be mapped by a PMD, but it gets the event all the same.
    const isWhole = thpVmaSuitableOrder(vma, addr);
    yield* splitHugePmdAddress(vma, addr, isWhole ? { folio: head, freeze: true } : { folio: 0 });
  }
  return yield* tryToMigrateOne(memory, head, at);
}

/** The folio becomes smaller ones at once, if nobody else refers to it; then its pages are mapped again, vma by vma. */
function* splitUnmapped(
  memory: Memory,
  { head, vmas, ...options }: { head: number; vmas: readonly Vma[] } & Required<SplitFolioOptions>,
): Coroutine<number> {
  const { frames } = memory;
  const nr = frames.folioNrPages(head);
  const parts = findMigrationParts(memory, head, vmas);
  const { scheduler } = memory.kernel;
  if (scheduler.isFine) yield FINE.refcount;
  const isAnon = frames.isAnon(head);
  const isFree = frames.refcount(head) === 1 + cachePins(frames, head);
  if (isFree) makeSmallFolios(memory, head, options);
  const usesZeroPage = isFree && isAnon && options.newOrder === 0 && frames.zone[head] !== Zone.private;
  for (const part of parts) {
    if (scheduler.isFine) yield FINE.ptl;
    remapPart(part, { head, nr, usesZeroPage });
  }
  if (isAnon) memory.stats.removeMigrationPtes++;
  if (!isFree) return -EAGAIN;
  const newNr = 1 << options.newOrder;
  for (let pfn = head + newNr; pfn < head + nr; pfn += newNr) {
    if (scheduler.isFine && pfn <= head + TAILS_ONE_BY_ONE) yield FINE.folioLock;
    frames.clearFlags(pfn, PG.locked);
    frames.setLockOwner(pfn, 0);
    memory.pageWaiters.get(pfn)?.wakeAll();
    folioPut(memory, pfn);
  }
  return 0;
}

/** Tails whose locks an explorer sees go one by one: races are of few pages. */
const TAILS_ONE_BY_ONE = 8;

/** The part of a vma in which the folio's migration entries are. */
interface MigrationPart {
  readonly vma: Vma;
  readonly addr: number;
  readonly npages: number;
}

/** To be asked while the folio is still one, for the rmap needs its size. */
function findMigrationParts(memory: Memory, head: number, vmas: readonly Vma[]): MigrationPart[] {
  const parts: MigrationPart[] = [];
  for (const vma of vmas) {
    const addr = vmaAddress(memory, head, vma);
    if (addr >= 0) parts.push({ vma, addr, npages: pagesInVma(memory, head, { vma, addr }) });
  }
  return parts;
}

/** The folio is locked. Linux: part of mm/huge_memory.c:__split_huge_page() and __split_huge_page_tail() */
function makeSmallFolios(memory: Memory, head: number, { newOrder, isolated }: Required<SplitFolioOptions>): void {
  memory.frames.assertLocked(head);
  const { frames } = memory;
  const nr = frames.folioNrPages(head);
  assert(frames.folioMapcount(head) === 0, 'folio % is split while it is mapped', head);
  // What others find of a tail before its reference is dropped: its lock is the head's.
  const isLocked = frames.hasFlags(head, PG.locked);
  const flags = (frames.flags(head) & INHERITED) | (isLocked ? PG.locked : 0) | (newOrder > 0 ? PG.head : 0);
  const owner = frames.lockOwner(head);
  const file = frames.hasFlags(head, PG.anon) ? null : memory.mappings.get(frames.mapping(head))!;
  const fileEnd = file === null ? 0 : Math.max(Math.ceil(file.size / PAGE_SIZE), file.fallocEnd);
  // All but one of its references to the folio go with the tails.
  if (file !== null) frames.dropRefcount(head, nr - 1);
  for (let i = 1; i < nr; i++) {
    const pfn = head + i;
    const newHead = pfn & -(1 << newOrder);
    assert(frames.mapcount(pfn) === 0, 'tail % is mapped', pfn);
    if (newHead !== head) frames.setHead(pfn, newHead);
    if (newHead !== pfn) continue;
    frames.writeFlags(pfn, flags);
    frames.setOrder(pfn, newOrder);
    frames.setLockOwner(pfn, owner);
    frames.setMapping(pfn, frames.mapping(head));
    frames.setIndex(pfn, frames.index(head) + i);
    const isInFile = file !== null && frames.index(pfn) < fileEnd;
    frames.setRefcount(pfn, (isolated === null ? 1 : 2) + (isInFile ? 1 : 0));
    if (file !== null && !isInFile) {
      file.pages.set(frames.index(pfn), 0);
      frames.setMapping(pfn, 0);
    }
    isolated?.push(pfn);
  }
  frames.clearFlags(head, newOrder > 0 ? PG.partiallyMapped : PG.partiallyMapped | PG.head);
  frames.setOrder(head, newOrder);
  if (frames.zone[head] === Zone.private) memory.pagemaps[frames.pagemap[head]!]!.ops.folioSplit(head);
}

/**
 * Splits a locked anonymous folio whose every mapping is a migration entry. Its pages are then locked, each with one reference, and
 * named by small migration entries. 0, or -EAGAIN when somebody else has a reference. Linux: mm/huge_memory.c:folio_split_unmapped() of 6.19
 *
 * Deviates: Linux splits the entry in the migrating vma alone, and so leaves 2 MiB entries of what is no such folio any more in
 * processes that share it.
 */
export function* folioSplitUnmapped(memory: Memory, head: number): Coroutine<number> {
  const { frames } = memory;
  assert(folioIsLocked(memory, head) && frames.folioMapcount(head) === 0, 'pfn % is no locked, unmapped folio', head);
  const { inject } = memory.kernel;
  const injected = inject.armed ? yield* inject.reach(InjectPoint.thpSplit) : 0;
  if (injected !== 0) return injected;
  yield* rmapWalk(
    memory,
    head,
    function* (vma, addr) {
      const slot = mmFindPmd(vma.mm, hugeVpn(addr));
      const isEntry = slot !== null && slot.table.lo(slot.index) & Pte.huge;
      if (isEntry && slot.table.hi(slot.index) === head) yield* splitHugePmd(vma, addr);
      return true;
    },
    { ifMapped: false },
  );
  if (memory.kernel.scheduler.isFine) yield FINE.refcount;
  // Small migration entries of a large folio are restored as well as one of 2 MiB.
  if (frames.refcount(head) !== 1) return -EAGAIN;
  const nr = frames.folioNrPages(head);
  makeSmallFolios(memory, head, { newOrder: 0, isolated: null });
  for (let pfn = head + 1; pfn < head + nr; pfn++) {
    frames.clearFlags(pfn, PG.locked);
    folioSetLocked(memory, pfn);
  }
  return 0;
}

/** Linux: part of mm/migrate.c:try_to_map_unused_to_zeropage() */
function isZeroFilled(memory: Memory, pfn: number): boolean {
  const { words } = memory;
  const end = (pfn + 1) * WORDS_IN_PAGE;
  for (let i = pfn * WORDS_IN_PAGE; i < end; i++) if (words[i] !== 0) return false;
  return true;
}

/** One vma. Linux: part of mm/huge_memory.c:remap_page() */
function remapPart(part: MigrationPart, folio: { head: number; nr: number; usesZeroPage: boolean }): void {
  const { vma } = part;
  const first = part.addr / PAGE_SIZE;
  const usesZeroPage = folio.usesZeroPage && !(vma.flags & VM.locked);
  ptlLock(vma.mm);
  for (let vpn = first; vpn < first + part.npages; vpn++) {
    const table = vma.mm.pageTable.pteTable(vpn);
    if (table === null) continue;
    const index = vpn % 512;
    const pfn = table.hi(index);
    const isOurs = pfn >= folio.head && pfn < folio.head + folio.nr;
    if (!isOurs || kindOf(table.lo(index)) !== Kind.migration) continue;
    if (usesZeroPage && isZeroFilled(vma.mm.memory, pfn)) mapZeroPage(vma, table, index);
    else removeMigrationPte(vma, { table, index, newPfn: pfn });
  }
  ptlUnlock(vma.mm);
}

/** Linux: part of mm/migrate.c:try_to_map_unused_to_zeropage() */
function mapZeroPage(vma: Vma, table: Table, index: number): void {
  const kept = table.lo(index) & (Pte.softDirty | Pte.uffdWp);
  table.set(index, mkPte(vma) | Pte.special | kept, ZERO_PFN);
  vma.mm.rss.anon--;
}
