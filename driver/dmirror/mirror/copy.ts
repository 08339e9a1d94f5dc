import { type Coroutine, FINE } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { injectInvalidate, MigratePfn, type MigrateVma, migrateStageDone } from '../../hmm/index.js';
import { InjectPoint, Phase } from '../../inject/inject-points.js';
import { VM_FAULT } from '../../mm/faults/fault-code.js';
import { backingPfn } from '../../mm/frames/folio.js';
import { HPAGE_PMD_NR, PAGE_SIZE, Zone } from '../../mm/frames/frames.js';
import { pfnAt } from '../../mm/tables/page-table-text.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import { COPY_POINT, type DmirrorContext } from '../context.js';
import type { DmirrorFile } from '../file.js';
import {
  fillDevicePage,
  folioToDevice,
  folioToSystem,
  injectBadCopy,
  pageToSystem,
  settleOnDevice,
} from '../memory/copy-page.js';
import { MirrorTag } from './mirror.js';

/**
 * Gives each collected page a place on the device and its data, zeroes for what was a hole. A page without a place stays
 * where it is. Linux: lib/test_hmm.c:dmirror_migrate_alloc_and_copy()
 */
export function* dmirrorMigrateAllocAndCopy(
  { memory }: DmirrorContext,
  file: DmirrorFile,
  migrate: MigrateVma,
): Coroutine<void> {
  const { frames, kernel, profile } = memory;
  const { inject } = kernel;
  const { src, srcPfn, npages } = migrate;
  kernel.assertHeld(LockClass.mmapLock);
  kernel.mightSleep();
  if (inject.armed) inject.enter(Phase.copy);
  // Q17: a hole in a writable vma is writable on the device at once, as the entry that is inserted will be.
  const holeRights = profile.holeIsDeviceWritable && migrate.vma!.flags & VM.write ? MigratePfn.write : 0;
  for (let i = 0, nr = 1; i < npages; i += nr) {
    nr = 1;
    if (!(src[i]! & MigratePfn.migrate)) continue;
    const from = srcPfn[i]!;
    if (from !== 0 && frames.isZoneDevice(from)) continue;
    if (inject.armed) yield* injectInvalidate(migrate.vma!.mm, migrate.start + i * PAGE_SIZE);
    const rights = from === 0 ? holeRights : src[i]! & MigratePfn.write;
    if (src[i]! & MigratePfn.compound) {
      nr = yield* folioToDevice(memory, file, migrate, { i, from, rights });
      continue;
    }
    const to = file.takeFailAlloc() ? 0 : yield* file.device.dmirrorDevmemAllocPage();
    if (to === 0) continue;
    if (kernel.scheduler.isFine) yield FINE.content;
    fillDevicePage(memory, to, from);
    if (inject.armed && (yield* injectBadCopy(memory, to, backingPfn(memory, to)))) continue;
    settleOnDevice(memory, file, migrate, { i, to, flags: rights });
  }
}

/**
 * The way back: each collected device page gets a locked system page with its data, and leaves the mirror of `file`.
 * 0, or VM_FAULT.oom and VM_FAULT.sigbus when pages found no memory or could not be copied; they stay on the device.
 * Linux: lib/test_hmm.c:dmirror_devmem_fault_alloc_and_copy()
 */
export function* dmirrorDevmemFaultAllocAndCopy(
  context: DmirrorContext,
  file: DmirrorFile,
  migrate: MigrateVma,
): Coroutine<number> {
  const { memory } = context;
  const { inject } = memory.kernel;
  memory.kernel.assertHeld(LockClass.mmapLock);
  memory.kernel.mightSleep();
  if (inject.armed) inject.enter(Phase.copy);
  const { src, srcPfn, npages } = migrate;
  file.device.noteMove();
  let failed = 0;
  for (let i = 0, nr = 1; i < npages; i += nr) {
    const from = srcPfn[i]!;
    nr = 1;
    if (from === 0 || !(src[i]! & MigratePfn.migrate)) continue;
    if (memory.frames.zone[from] === Zone.system) {
      memory.kernel.warnOn(
        'dmirror_devmem_fault_alloc_and_copy: a page of system memory is to be brought to system memory',
      );
      continue;
    }
    if (inject.armed) inject.at(migrate.start + i * PAGE_SIZE);
    if (src[i]! & MigratePfn.compound) nr = HPAGE_PMD_NR;
    failed |=
      nr > 1 ? yield* folioToSystem(memory, file, migrate, i) : yield* pageToSystem(memory, file, migrate, { i, from });
    if (failed & VM_FAULT.oom && memory.profile.toSystemFails) break;
  }
  return failed;
}

/** Mirrors the pages that did migrate, as their backing pages. Linux: lib/test_hmm.c:dmirror_migrate_finalize_and_map() */
export function* dmirrorMigrateFinalizeAndMap(
  { memory, quirks }: DmirrorContext,
  file: DmirrorFile,
  migrate: MigrateVma,
): Coroutine<void> {
  const { src, srcPfn, dst, dstPfn, npages } = migrate;
  const firstVpn = migrate.start / PAGE_SIZE;
  const { inject } = memory.kernel;
  memory.kernel.assertHeld(LockClass.mmapLock);
  if (inject.armed) inject.enter(Phase.map);
  yield* file.mutex.lock();
  file.device.noteMove();
  for (let i = 0; i < npages; i++) {
    if (!(src[i]! & MigratePfn.migrate) || dstPfn[i] === 0) continue;
    const tag = dst[i]! & MigratePfn.write ? MirrorTag.write : MirrorTag.read;
    const nr = dst[i]! & MigratePfn.compound ? HPAGE_PMD_NR : 1;
    for (let j = 0; j < nr; j++) {
      const vpn = firstVpn + i + j;
      // Deviates: Linux does not look whether the entry was zapped during the copy, and mirrors a page that is about to be
      // freed (Q20). An invalidation from here on waits for the mutex.
      const named = quirks.q20StaleMirror ? 0 : pfnAt(file.mm, vpn);
      const isThere = named !== 0 && (named === srcPfn[i]! + j || named === dstPfn[i]! + j);
      if (!isThere && !quirks.q20StaleMirror) continue;
      // A page that can't be mirrored must not stay mirrored at the place that it has left.
      if (inject.armed && inject.hit(InjectPoint.mirrorStore, vpn * PAGE_SIZE) !== 0) file.mirror.erase(vpn, vpn);
      else file.mirror.store(vpn, backingPfn(memory, dstPfn[i]! + j), tag);
    }
  }
  file.mutex.unlock();
}

/** Reports that the data is where it shall go, and lets others run. */
export function* copyDone({ memory }: DmirrorContext, migrate: MigrateVma): Coroutine<void> {
  migrateStageDone(memory, 'copy', migrate);
  if (memory.kernel.scheduler.contended) yield COPY_POINT;
}
