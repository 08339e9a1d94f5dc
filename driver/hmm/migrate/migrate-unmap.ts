import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { InjectPoint, Phase } from '../../inject/inject-points.js';
import { folioGet, folioIsolateLru, folioPut, folioPutbackLru, folioUnlock } from '../../mm/frames/folio.js';
import { PAGE_SIZE, PG, Zone } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import { removeMigrationPtes, tryToMigrate } from '../../mm/tables/migration-entries.js';
import { injectReference } from '../inject.js';
import { migrateStageDone } from './migrate-trace.js';
import { isLockedByFault, MigratePfn } from './migrate-vma.js';

const UNMAP_POINT = preemptPoint('migrate_device_unmap');

/** Entries of a migration without its vma: what `migrateDeviceRange` works on. */
export interface MigrateArrays {
  readonly src: Uint32Array;
  readonly srcPfn: Uint32Array;
  readonly dst: Uint32Array;
  readonly dstPfn: Uint32Array;
  readonly npages: number;
  /** Address of the first page, where there is a vma. */
  readonly start?: number;
  /** See `MigrateVma.faultPfn`. */
  readonly faultPfn?: number;
}

/**
 * Takes the collected, locked pages off the LRU and out of every other page table, and gives back those that somebody
 * else still refers to: their entries become 0. Returns how many entries are left, holes included. A page that is left
 * is locked and has exactly one reference of the migration. Linux: mm/migrate_device.c:migrate_device_unmap()
 *
 * Deviates: the LRU has no per-CPU batches, so nothing is drained.
 */
export function* migrateDeviceUnmap(memory: Memory, arrays: MigrateArrays): Coroutine<number> {
  const { src, srcPfn, npages, start = 0, faultPfn = 0 } = arrays;
  const { frames } = memory;
  let restore = 0;
  let unmapped = 0;
  memory.kernel.mightSleep();
  if (memory.kernel.scheduler.contended) yield UNMAP_POINT;
  const { inject, defects, scheduler } = memory.kernel;
  if (inject.armed) inject.enter(Phase.unmap);
  for (let i = 0, nr = 1; i < npages; i += nr) {
    const pfn = srcPfn[i]!;
    nr = 1;
    if (pfn === 0) {
      if (src[i]! & MigratePfn.migrate) unmapped++;
      continue;
    }
    frames.assertLocked(pfn);
    if (memory.profile.deviceThp) nr = frames.folioNrPages(pfn);
    if (nr > 1) src[i]! |= MigratePfn.compound;
    if (inject.armed) {
      if (start > 0) inject.at(start + i * PAGE_SIZE);
      yield* injectReference(memory, pfn);
    }
    if (scheduler.isFine) yield FINE.lru;
    const isIsolated = isolate(memory, pfn);
    if (isIsolated && frames.folioMapcount(pfn) > 0) yield* tryToMigrate(memory, pfn);
    if (scheduler.isFine) yield FINE.refcount;
    if (isIsolated && frames.folioMapcount(pfn) === 0 && migrateVmaCheckPage(memory, pfn, faultPfn)) {
      unmapped++;
      continue;
    }
    if (isIsolated && frames.zone[pfn] === Zone.system) {
      if (scheduler.isFine) yield FINE.lru;
      folioGet(memory, pfn);
      folioPutbackLru(memory, pfn);
    }
    src[i]! &= ~MigratePfn.migrate;
    restore++;
  }
  for (let i = 0; i < npages && restore > 0; i++) {
    const pfn = srcPfn[i]!;
    if (pfn === 0 || src[i]! & MigratePfn.migrate) continue;
    yield* removeMigrationPtes(memory, pfn, pfn);
    src[i] = 0;
    srcPfn[i] = 0;
    if (scheduler.isFine) yield FINE.folioLock;
    if (!isLockedByFault(memory, faultPfn, pfn)) folioUnlock(memory, pfn);
    if (defects.doubleUnlock) folioUnlock(memory, pfn);
    if (scheduler.isFine) yield FINE.refcount;
    folioPut(memory, pfn);
    restore--;
  }
  migrateStageDone(memory, 'unmap', arrays);
  return unmapped;
}

/** Off the LRU, whose reference replaces the one of collect. Device pages were never on it. */
function isolate(memory: Memory, pfn: number): boolean {
  memory.frames.assertLocked(pfn);
  if (memory.frames.zone[pfn] !== Zone.system) return true;
  const { inject } = memory.kernel;
  if (inject.armed && inject.hit(InjectPoint.lruIsolate) !== 0) return false;
  if (!folioIsolateLru(memory, pfn)) return false;
  folioPut(memory, pfn);
  return true;
}

/**
 * Does nobody else refer to the unmapped page? Lenient by one for device pages; `migrateVmaPages` is exact.
 * Linux: mm/migrate_device.c:migrate_vma_check_page()
 */
function migrateVmaCheckPage(memory: Memory, pfn: number, faultPfn: number): boolean {
  const { frames, kernel } = memory;
  if (kernel.inject.armed && kernel.inject.hit(InjectPoint.refcountSetup) !== 0) return false;
  if (!memory.profile.deviceThp && frames.order(frames.head(pfn)) > 0) return false;
  let extra = pfn === faultPfn ? 2 : 1;
  if (frames.zone[pfn] !== Zone.system) extra++;
  if (hasMapping(memory, pfn)) extra++;
  return frames.hasRefcountAtMost(pfn, extra + frames.folioMapcount(pfn));
}

/** Is the page in a page cache or the swap cache, which holds a reference to it? Linux: part of mm/util.c:folio_mapping() */
export function hasMapping(memory: Memory, pfn: number): boolean {
  const { frames } = memory;
  if (frames.hasFlags(pfn, PG.swapcache)) return true;
  return !frames.hasFlags(pfn, PG.anon) && frames.mapping(pfn) !== 0;
}
