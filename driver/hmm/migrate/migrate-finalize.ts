import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { Phase } from '../../inject/inject-points.js';
import { folioAddLru, folioPut, folioUnlock } from '../../mm/frames/folio.js';
import { Zone } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import { removeMigrationPtes } from '../../mm/tables/migration-entries.js';
import { checkDestination } from './migrate-pages.js';
import { migrateStageDone } from './migrate-trace.js';
import type { MigrateArrays } from './migrate-unmap.js';
import { isLockedByFault, MigratePfn, type MigrateVma } from './migrate-vma.js';
import { restoreSoleMapping } from './sole-mapping.js';

const FINALIZE_POINT = preemptPoint('migrate_vma_finalize');

/**
 * Ends a migration: every migration entry becomes a mapping of the destination, or of the source where the page did not
 * migrate; all locks and references of the migration are gone. Linux: mm/migrate_device.c:migrate_vma_finalize()
 */
export function* migrateVmaFinalize(migrate: MigrateVma): Coroutine<void> {
  const { vma } = migrate;
  assert(vma !== null, 'the migration was not set up');
  const { memory } = vma.mm;
  memory.kernel.assertHeld(LockClass.mmapLock);
  yield* migrateDeviceFinalize(memory, migrate);
}

/** Linux: mm/migrate_device.c:migrate_device_finalize() */
export function* migrateDeviceFinalize(memory: Memory, arrays: MigrateArrays): Coroutine<void> {
  const { src, srcPfn, dstPfn, npages, faultPfn = 0 } = arrays;
  const { frames, kernel } = memory;
  kernel.mightSleep();
  if (kernel.scheduler.contended) yield FINALIZE_POINT;
  if (kernel.inject.armed) kernel.inject.enter(Phase.finalize);
  for (let i = 0; i < npages; i++) {
    const from = srcPfn[i]!;
    let to = dstPfn[i]!;
    if (to !== 0) checkDestination(memory, arrays, i);
    if (to !== 0 && (from === 0 || (src[i]! & MigratePfn.migrate) === 0)) {
      // A page that was inserted has a reference of its mapping by now; one that was not goes back to where it came from.
      folioUnlock(memory, to);
      folioPut(memory, to);
      to = 0;
    }
    if (from === 0) continue;
    if (to === 0) to = from;
    frames.assertLocked(from);
    frames.assertLocked(to);
    frames.assertUnmapped(to);
    if (frames.zone[to] === Zone.system) folioAddLru(memory, to);
    if (!restoreSoleMapping(memory, from, to)) yield* removeMigrationPtes(memory, from, to);
    if (kernel.scheduler.isFine) yield FINE.folioLock;
    if (!isLockedByFault(memory, faultPfn, from)) folioUnlock(memory, from);
    if (kernel.scheduler.isFine) yield FINE.refcount;
    folioPut(memory, from);
    if (to !== from) {
      if (kernel.scheduler.isFine) yield FINE.folioLock;
      folioUnlock(memory, to);
      if (kernel.scheduler.isFine) yield FINE.refcount;
      folioPut(memory, to);
    }
  }
  migrateStageDone(memory, 'finalize', arrays);
  if (kernel.inject.armed) {
    kernel.inject.enter(Phase.call);
    kernel.inject.endCall(kernel.current);
  }
}
