import { InjectPoint } from '../../inject/inject-points.js';
import { folioGet, folioPut, folioTrylock, folioUnlock } from '../../mm/frames/folio.js';
import { ZERO_PFN } from '../../mm/frames/frame-allocator.js';
import { PG, Zone } from '../../mm/frames/frames.js';
import { folioRemoveRmapPtes, folioTryShareAnonRmapPte } from '../../mm/frames/rmap.js';
import type { Memory } from '../../mm/memory.js';
import { KIND_MASK, Kind, migrationEntryFor, Pte } from '../../mm/tables/entry.js';
import { folioMarkDirty } from '../../mm/tables/pte-build.js';
import type { Table } from '../../mm/tables/table.js';
import { injectPin } from '../inject.js';
import type { MigrationPath } from '../paths.js';
import { isLockedByFault, MigratePfn, MigrateSelect } from './migrate-vma.js';

/** Which entries a collector takes. */
export interface CollectFilter {
  /** Bits of `MigrateSelect`. */
  readonly select: number;
  readonly owner: object | null;
  /** Is the vma private anonymous memory? Only there holes may be filled. */
  readonly isAnonymousVma: boolean;
  /** See `MigrateVma.faultPfn`. */
  readonly faultPfn: number;
  readonly path: MigrationPath;
}

/** `collectEntry` met a large folio, which must be split first. */
export const COLLECT_SPLIT = -1;

/**
 * Takes entry `i` of a PTE table for migration if `filter` wants it and nobody stands in the way: its page is locked,
 * gets a reference, and the entry becomes a migration entry. Returns the flags of the `src` word: 0 = left alone,
 * MIGRATE alone = a hole. The page's pfn is then the entry's second half. Never waits: two migrations that take the
 * same pages in different orders can't deadlock. The caller holds the ptl. COLLECT_SPLIT for a page of a large folio, in profiles that
 * split such. Linux: part of mm/migrate_device.c:migrate_vma_collect_pmd()
 */
export function collectEntry(memory: Memory, table: Table, i: number, filter: CollectFilter): number {
  const lo = table.lo(i);
  const kind = lo & KIND_MASK;
  if (kind === Kind.none) return filter.isAnonymousVma ? MigratePfn.migrate : 0;
  const pfn = table.hi(i);
  if (kind === Kind.present && lo & Pte.special) {
    return pfn === ZERO_PFN && filter.select & MigrateSelect.system ? MigratePfn.migrate : 0;
  }
  if (!isSelected(memory, kind, pfn, filter)) return 0;
  const { frames, profile } = memory;
  const head = frames.head(pfn);
  if (frames.order(head) > 0)
    return profile.deviceThp && filter.path.splitsMappedByPages !== 'never' ? COLLECT_SPLIT : 0;
  if (frames.mapping(head) === 0) return 0;
  if (memory.kernel.inject.armed) injectPin(memory, pfn);
  return freezeEntry(memory, table, i, filter);
}

/** Is a page that an entry of `kind` maps wanted? */
export function isSelected(memory: Memory, kind: number, pfn: number, { select, owner }: CollectFilter): boolean {
  if (kind !== Kind.present && kind !== Kind.devicePrivate) return false;
  const zone = memory.frames.zone[pfn]!;
  if (zone === Zone.system) return (select & MigrateSelect.system) !== 0;
  const wanted = zone === Zone.private ? MigrateSelect.devicePrivate : MigrateSelect.deviceCoherent;
  return (select & wanted) !== 0 && pageOwner(memory, pfn) === owner;
}

/** Whose device page this is. Linux: page->pgmap->owner */
export function pageOwner(memory: Memory, pfn: number): object | null {
  return memory.pagemaps[memory.frames.pagemap[pfn]!]?.owner ?? null;
}

/** Reference, lock, migration entry. 0 when the lock is taken or the page may be pinned; then nothing has changed. */
function freezeEntry(memory: Memory, table: Table, i: number, { faultPfn, path }: CollectFilter): number {
  const { frames } = memory;
  const lo = table.lo(i);
  const pfn = table.hi(i);
  const isLocked = isLockedByFault(memory, faultPfn, pfn);
  const { inject, defects } = memory.kernel;
  folioGet(memory, pfn);
  if ((inject.armed && inject.hit(InjectPoint.folioTrylock) !== 0) || !(isLocked || folioTrylock(memory, pfn))) {
    if (!defects.trylockLeak) folioPut(memory, pfn);
    return 0;
  }
  const exclusive = frames.hasFlags(pfn, PG.anon) && frames.hasFlags(pfn, PG.anonExclusive);
  const isShareFailed = exclusive && inject.armed && inject.hit(InjectPoint.anonShare) !== 0;
  if (isShareFailed || (exclusive && !folioTryShareAnonRmapPte(memory, pfn))) {
    if (!isLocked || path.unlocksFaultFolio) folioUnlock(memory, pfn);
    if (defects.shareUnlocksFaultPage && frames.zone[pfn] === Zone.private) folioUnlock(memory, pfn);
    folioPut(memory, pfn);
    return 0;
  }
  const kept = path.dropsYoungDirty ? lo & ~(Pte.young | Pte.dirty) : lo;
  if ((lo & KIND_MASK) === Kind.present && kept & Pte.dirty) folioMarkDirty(memory, pfn);
  table.setLo(i, migrationEntryFor(kept, exclusive));
  folioRemoveRmapPtes(memory, pfn);
  folioPut(memory, pfn);
  return MigratePfn.valid | MigratePfn.migrate | (lo & Pte.write ? MigratePfn.write : 0);
}
