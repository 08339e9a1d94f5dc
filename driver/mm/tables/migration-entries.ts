import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { folioGet, folioPut, migrationEntryWaitOnLocked } from '../frames/folio.js';
import { PAGE_SIZE, PG, Zone } from '../frames/frames.js';
import {
  folioAddAnonRmapPte,
  folioAddFileRmapPte,
  folioRemoveRmapPtes,
  folioTryShareAnonRmapPte,
  rmapObject,
  rmapWalk,
  vmaAddress,
} from '../frames/rmap.js';
import { removeMigrationPmd, setPmdMigrationEntry } from '../huge/thp-migration.js';
import type { Memory } from '../memory.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import type { KernelProfile } from '../profile.js';
import type { Mm } from '../vmas/mm.js';
import type { Vma } from '../vmas/vma.js';
import { KIND_MASK, Kind, kindOf, migrationEntryFor, Pte } from './entry.js';
import type { Table } from './page-table.js';
import { pteIndex } from './page-table.js';
import { folioMarkDirty, mkPte, pteMkuffdWp } from './pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from './ptl.js';
import { flushTlbPage, type TlbBatch } from './tlb.js';

/**
 * Replaces every mapping of a locked folio by a migration entry, as far as pins allow; each vma that the walk visits
 * gets a CLEAR event, mapped there or not. The caller compares the mapcount afterwards. Linux: mm/rmap.c:try_to_migrate()
 */
export function* tryToMigrate(memory: Memory, pfn: number): Coroutine<void> {
  memory.frames.assertLocked(pfn);
  const { frames } = memory;
  const head = frames.head(pfn);
  memory.stats.tryToMigrate++;
  yield* rmapWalk(memory, head, function* (vma, addr) {
    const unmapped = yield* tryToMigrateOne(memory, head, { vma, addr });
    return unmapped && frames.folioMapcount(head) > 0;
  });
}

/** For one vma. With `batch` the flush of small entries is left to whoever has it. Linux: mm/rmap.c:try_to_migrate_one() */
export function* tryToMigrateOne(
  memory: Memory,
  head: number,
  at: { vma: Vma; addr: number; batch?: TlbBatch },
): Coroutine<boolean> {
  const { vma, addr, batch = null } = at;
  const { mm } = vma;
  const npages = pagesInVma(memory, head, at);
  const range: NotifierRange = {
    mm,
    start: addr,
    end: addr + npages * PAGE_SIZE,
    event: 'CLEAR',
    owner: memory.clearOwner(),
  };
  yield* mmuNotifierInvalidateRangeStart(range);
  ptlLock(mm);
  const unmapped = pageVmaMappedWalk(mm, head, { addr, npages, kind: 'mapped' }, (table, i, vpn) => {
    if (!table.isLeaf) return setPmdMigrationEntry(vma, head, { table, index: i, vpn });
    return tryToMigrateEntry(mm, { table, index: i, vpn }, batch);
  });
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
  return unmapped;
}

/**
 * For one entry that maps a page; false when the page may be pinned. Under the ptl.
 * Linux: part of mm/rmap.c:try_to_migrate_one()
 */
function tryToMigrateEntry(
  mm: Mm,
  { table, index: i, vpn }: { table: Table; index: number; vpn: number },
  batch: TlbBatch | null,
): boolean {
  ptlAssertHeld(mm);
  const { memory } = mm;
  const { frames } = memory;
  const lo = table.lo(i);
  const pfn = table.hi(i);
  if (lo & Pte.dirty) folioMarkDirty(memory, pfn);
  const exclusive = frames.hasFlags(pfn, PG.anonExclusive);
  const { inject } = memory.kernel;
  if (exclusive && inject.armed && inject.hit(InjectPoint.anonShare) !== 0) return false;
  if (exclusive && !folioTryShareAnonRmapPte(memory, pfn)) return false;
  table.setLo(i, migrationEntryFor(lo, exclusive));
  if (kindOf(lo) === Kind.present) {
    if (batch === null) flushTlbPage(mm, vpn);
    else batch.setTlbUbcFlushPending(mm);
  }
  folioRemoveRmapPtes(memory, pfn);
  folioPut(memory, pfn);
  return true;
}

/**
 * Every migration entry of `oldPfn`'s folio becomes a mapping of `newPfn`'s (the same one to restore it). Both are
 * locked by the caller. Linux: mm/migrate.c:remove_migration_ptes()
 */
export function* removeMigrationPtes(memory: Memory, oldPfn: number, newPfn: number): Coroutine<void> {
  memory.frames.assertLocked(oldPfn);
  memory.frames.assertLocked(newPfn);
  const { frames } = memory;
  const folios = { oldHead: frames.head(oldPfn), newHead: frames.head(newPfn) };
  memory.stats.removeMigrationPtes++;
  const object = rmapObject(memory, folios.newHead);
  if (object === null) return;
  yield* object.lock.readLock();
  for (const vma of object.vmas) {
    const addr = vmaAddress(memory, folios.newHead, vma);
    if (addr < 0) continue;
    if (memory.kernel.scheduler.isFine) yield FINE.ptl;
    removeMigrationPtesIn(vma, addr, folios);
  }
  object.lock.readUnlock();
}

/** The part of one vma; a small folio, by far the most frequent case, has one entry to look at. */
function removeMigrationPtesIn(
  vma: Vma,
  addr: number,
  { oldHead, newHead }: { oldHead: number; newHead: number },
): void {
  const { mm } = vma;
  const { memory } = mm;
  ptlLock(mm);
  if (memory.frames.order(newHead) === 0) {
    const vpn = addr / PAGE_SIZE;
    const table = mm.pageTable.pteTable(vpn);
    const i = pteIndex(vpn);
    if (table !== null && kindOf(table.lo(i)) === Kind.migration && table.hi(i) === oldHead) {
      removeMigrationPte(vma, { table, index: i, newPfn: newHead });
    }
  } else {
    const npages = pagesInVma(memory, newHead, { vma, addr });
    pageVmaMappedWalk(mm, oldHead, { addr, npages, kind: 'migration' }, (table, i) => {
      const newPfn = newHead + (table.hi(i) - oldHead);
      if (table.isLeaf) removeMigrationPte(vma, { table, index: i, newPfn });
      else removeMigrationPmd(vma, newHead, { table, index: i });
      return true;
    });
  }
  ptlUnlock(mm);
}

/** Under the ptl. Linux: mm/migrate.c:remove_migration_pte() */
export function removeMigrationPte(vma: Vma, at: { table: Table; index: number; newPfn: number }): void {
  ptlAssertHeld(vma.mm);
  const { memory } = vma.mm;
  const { frames } = memory;
  const { table } = at;
  const old = table.lo(at.index);
  assert((old & KIND_MASK) === Kind.migration, 'a migration entry is expected');
  folioGet(memory, at.newPfn);
  let lo = mkPte(vma);
  if (!(old & Pte.young)) lo &= ~Pte.young;
  const head = frames.head(at.newPfn);
  if (old & Pte.dirty && frames.hasFlags(head, PG.dirty)) lo |= Pte.dirtied;
  lo |= old & Pte.softDirty;
  if (old & Pte.write && !(memory.kernel.defects.writeLost && at.newPfn === table.hi(at.index))) lo |= Pte.write;
  else if (old & Pte.uffdWp) lo = pteMkuffdWp(lo);
  if (frames.zone[at.newPfn] === Zone.private)
    lo = Kind.devicePrivate | (lo & Pte.write) | (old & (Pte.softDirty | Pte.uffdWp));
  if (frames.hasFlags(head, PG.anon)) {
    folioAddAnonRmapPte(memory, at.newPfn, (old & (Pte.write | Pte.exclusive)) !== 0);
  } else {
    folioAddFileRmapPte(memory, at.newPfn);
  }
  table.set(at.index, lo, at.newPfn);
}

/**
 * Calls `visit` for each entry of [addr, addr + npages) that maps a page of the folio (`mapped`: present,
 * device-private, or device-exclusive where that is a mapping), or is its migration entry. A PMD leaf is visited once,
 * with its PMD table. False ends it. Under the ptl.
 * Linux: mm/page_vma_mapped.c:page_vma_mapped_walk()
 */
function pageVmaMappedWalk(
  mm: Mm,
  head: number,
  range: { addr: number; npages: number; kind: 'mapped' | 'migration' },
  visit: (table: Table, index: number, vpn: number) => boolean,
): boolean {
  ptlAssertHeld(mm);
  const { frames, profile } = mm.memory;
  const last = head + frames.folioNrPages(head);
  const wantMigration = range.kind === 'migration';
  const firstVpn = range.addr / PAGE_SIZE;
  for (let vpn = firstVpn; vpn < firstVpn + range.npages; vpn++) {
    const pmd = mm.pageTable.pmdTable(vpn);
    if (pmd === null) continue;
    const pmdIndex = Math.floor(vpn / 512) % 512;
    const leaf = pmd.child(pmdIndex);
    const table = leaf ?? pmd;
    const i = leaf === null ? pmdIndex : pteIndex(vpn);
    const lo = table.lo(i);
    const pfn = table.hi(i);
    if (pfn >= head && pfn < last && (wantMigration ? kindOf(lo) === Kind.migration : isMapping(lo, profile))) {
      if (!visit(table, i, vpn)) return false;
    }
    if (leaf === null) vpn = Math.floor(vpn / 512) * 512 + 511;
  }
  return true;
}

function isMapping(lo: number, { exclusiveIsMapping }: KernelProfile): boolean {
  const kind = lo & KIND_MASK;
  if (kind === Kind.present) return (lo & Pte.special) === 0;
  return kind === Kind.devicePrivate || (kind === Kind.deviceExclusive && exclusiveIsMapping);
}

/** How many pages of the folio `vma` covers from `addr` on. */
export function pagesInVma(memory: Memory, head: number, { vma, addr }: { vma: Vma; addr: number }): number {
  const { frames } = memory;
  const end = frames.index(head) + frames.folioNrPages(head);
  return Math.min(end - vma.linearPageIndex(addr), (vma.end - addr) / PAGE_SIZE);
}

/** Waits until the migration entry at `vpn` is gone, if it still is one. Linux: mm/migrate.c:migration_entry_wait() */
export function* migrationEntryWait(mm: Mm, vpn: number): Coroutine<void> {
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return;
  const pmdIndex = Math.floor(vpn / 512) % 512;
  const leaf = pmd.child(pmdIndex);
  const table = leaf ?? pmd;
  const i = leaf === null ? pmdIndex : pteIndex(vpn);
  ptlLock(mm);
  const pfn = kindOf(table.lo(i)) === Kind.migration ? table.hi(i) : 0;
  ptlUnlock(mm);
  if (pfn !== 0) yield* migrationEntryWaitOnLocked(mm.memory, pfn);
}
