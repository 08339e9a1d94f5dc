import { EBUSY } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { InjectPoint, Phase } from '../../inject/inject-points.js';
import { copyPage, folioLock, folioPut, folioSetLocked, folioTrylock } from '../../mm/frames/folio.js';
import { Zone } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import { migrateDeviceFinalize } from './migrate-finalize.js';
import { migrateDevicePages } from './migrate-pages.js';
import { migrateStageDone } from './migrate-trace.js';
import { type MigrateArrays, migrateDeviceUnmap } from './migrate-unmap.js';
import { MigratePfn } from './migrate-vma.js';

const DEVICE_RANGE_POINT = preemptPoint('migrate_device_range');

/**
 * Takes device pages for migration by pfn, whoever maps them: all of `[firstPfn, firstPfn + npages)` that are in use and
 * not locked by somebody. The caller copies, then calls `migrateDevicePages` and `migrateDeviceFinalize`.
 * Linux: mm/migrate_device.c:migrate_device_range()
 */
export function* migrateDeviceRange(memory: Memory, arrays: MigrateArrays, firstPfn: number): Coroutine<void> {
  memory.kernel.mightSleep();
  if (memory.kernel.scheduler.contended) yield DEVICE_RANGE_POINT;
  const { refcount } = memory.frames.raw;
  for (let i = 0; i < arrays.npages; i++) {
    if (memory.kernel.scheduler.isFine && refcount[firstPfn + i]! > 0) yield FINE.folioLock;
    takeDevicePage(memory, arrays, { i, pfn: firstPfn + i });
  }
  migrateStageDone(memory, 'collect', arrays);
  yield* migrateDeviceUnmap(memory, arrays);
}

/** A page in use that nobody has locked is referenced and locked. Linux: part of mm/migrate_device.c:migrate_device_range() */
function takeDevicePage(memory: Memory, arrays: MigrateArrays, { i, pfn }: { i: number; pfn: number }): void {
  const { frames } = memory;
  arrays.src[i] = 0;
  arrays.srcPfn[i] = 0;
  arrays.dst[i] = 0;
  arrays.dstPfn[i] = 0;
  if (!frames.addRefcountUnlessZero(pfn, 1)) return;
  const { inject } = memory.kernel;
  if ((inject.armed && inject.hit(InjectPoint.folioTrylock) !== 0) || !folioTrylock(memory, pfn)) {
    folioPut(memory, pfn);
    return;
  }
  const compound = memory.frames.order(pfn) > 0 ? MigratePfn.compound : 0;
  arrays.src[i] = MigratePfn.valid | MigratePfn.migrate | compound;
  arrays.srcPfn[i] = pfn;
}

/**
 * Moves one coherent page to system memory, for a long-term pin. The caller's reference is consumed. 0, or -EBUSY when
 * somebody else uses the page or no memory is left. Linux: mm/migrate_device.c:migrate_device_coherent_folio()
 */
export function* migrateDeviceCoherentFolio(memory: Memory, pfn: number): Coroutine<number> {
  const { inject } = memory.kernel;
  const phase = inject.armed ? inject.enter(Phase.unmap) : 0;
  const ret = yield* moveCoherentFolio(memory, pfn);
  // What the pin does next is no step of the migration.
  if (inject.armed) inject.enter(phase);
  return ret;
}

function* moveCoherentFolio(memory: Memory, pfn: number): Coroutine<number> {
  memory.kernel.mightSleep();
  assert(memory.frames.zone[pfn] === Zone.coherent, 'a page that is not coherent is moved for a pin');
  yield* folioLock(memory, pfn);
  const arrays: MigrateArrays = {
    src: Uint32Array.of(MigratePfn.valid | MigratePfn.migrate),
    srcPfn: Uint32Array.of(pfn),
    dst: new Uint32Array(1),
    dstPfn: new Uint32Array(1),
    npages: 1,
  };
  const isMigrating = (): boolean => (arrays.src[0]! & MigratePfn.migrate) !== 0;
  yield* migrateDeviceUnmap(memory, arrays);
  if (!isMigrating()) return -EBUSY;
  const newPfn = memory.allocator.allocate();
  if (newPfn !== 0) {
    folioSetLocked(memory, newPfn);
    arrays.dst[0] = MigratePfn.valid;
    arrays.dstPfn[0] = newPfn;
  }
  yield* migrateDevicePages(memory, arrays);
  if (isMigrating()) copyPage(memory, newPfn, pfn);
  yield* migrateDeviceFinalize(memory, arrays);
  return isMigrating() ? 0 : -EBUSY;
}

/** Lets mm reach this layer. Called once for each machine. */
export function registerHmmHooks(memory: Memory): void {
  memory.hooks = { migrateDeviceCoherentFolio: (pfn) => migrateDeviceCoherentFolio(memory, pfn) };
}
