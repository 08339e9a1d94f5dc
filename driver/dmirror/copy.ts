import type { Coroutine } from '../core/effect.js';
import { FaultPoint, Phase } from '../core/fault-points.js';
import { injectInvalidate, MigratePfn, type MigrateVma } from '../hmm/index.js';
import { VM_FAULT } from '../mm/fault-code.js';
import { backingPfn, clearPage, copyPage, folioLockNew, folioPut, folioUnlock } from '../mm/folio.js';
import { PAGE_SIZE, Zone } from '../mm/frames.js';
import type { Memory } from '../mm/memory.js';
import { pfnAt } from '../mm/page-table-text.js';
import { VM } from '../mm/vm-flags.js';
import { COPY_POINT, type DmirrorContext } from './context.js';
import type { DmirrorFile } from './file.js';
import { MirrorTag } from './mirror.js';

/**
 * Gives each collected page a place on the device and its data, zeroes for what was a hole. A page without a place stays
 * where it is. Linux: lib/test_hmm.c:dmirror_migrate_alloc_and_copy()
 */
export function* allocAndCopyToDevice(
  { memory }: DmirrorContext,
  file: DmirrorFile,
  migrate: MigrateVma,
): Coroutine<void> {
  const { frames, kernel } = memory;
  const { faults } = kernel;
  const { src, srcPfn, dst, dstPfn, npages } = migrate;
  if (faults.armed) faults.enter(Phase.copy);
  // Q17: a hole in a writable vma is writable on the device at once, as the entry that is inserted will be.
  const isHoleWritable = (migrate.vma!.flags & VM.write) !== 0;
  for (let i = 0; i < npages; i++) {
    if (!(src[i]! & MigratePfn.migrate)) continue;
    const from = srcPfn[i]!;
    if (from !== 0 && frames.isZoneDevice(from)) continue;
    if (faults.armed) yield* injectInvalidate(migrate.vma!.mm, migrate.start + i * PAGE_SIZE);
    const to = file.takeFailAlloc() ? 0 : yield* file.device.allocPage();
    if (to === 0) continue;
    const backing = backingPfn(memory, to);
    if (from === 0) clearPage(memory, backing);
    else copyPage(memory, backing, from);
    if (faults.armed && (yield* injectBadCopy(memory, to, backing))) continue;
    frames.zoneDeviceData[backing] = file.id;
    const isWritable = from === 0 ? isHoleWritable : (src[i]! & MigratePfn.write) !== 0;
    dst[i] = MigratePfn.valid | (isWritable ? MigratePfn.write : 0);
    dstPfn[i] = to;
  }
}

/**
 * A copy by the device that went wrong: the page has lost its place and stays where it is. True then. Linux's driver
 * copies with the CPU, which can't fail; a device can, and a driver must see that it was short.
 */
export function* injectBadCopy(memory: Memory, to: number, bytesPfn: number): Coroutine<boolean> {
  const { faults, defects } = memory.kernel;
  if (faults.isQuiet(FaultPoint.deviceCopy) || (yield* faults.reach(FaultPoint.deviceCopy)) === 0) return false;
  memory.bytes.fill(0xdb, bytesPfn * PAGE_SIZE + faults.bytes, (bytesPfn + 1) * PAGE_SIZE);
  if (defects.copyUnchecked) return false;
  folioUnlock(memory, to);
  folioPut(memory, to);
  return true;
}

/**
 * The way back: each collected device page gets a locked system page with its data, and leaves the mirror of `file`.
 * 0, or VM_FAULT.oom and VM_FAULT.sigbus when pages found no memory or could not be copied; they stay on the device.
 * Linux: dmirror_devmem_fault_alloc_and_copy()
 */
export function* allocAndCopyToSystem(
  context: DmirrorContext,
  file: DmirrorFile,
  migrate: MigrateVma,
): Coroutine<number> {
  const { memory } = context;
  const { faults } = memory.kernel;
  if (faults.armed) faults.enter(Phase.copy);
  const { src, srcPfn, npages } = migrate;
  const firstVpn = migrate.start / PAGE_SIZE;
  file.device.moves.note(memory.kernel.current.id);
  let failed = 0;
  for (let i = 0; i < npages; i++) {
    const from = srcPfn[i]!;
    if (from === 0 || !(src[i]! & MigratePfn.migrate) || memory.frames.zone[from] === Zone.system) continue;
    if (faults.armed) faults.at(migrate.start + i * PAGE_SIZE);
    const to = file.takeFailAlloc() ? 0 : memory.allocator.allocate();
    if (to === 0) {
      failed |= VM_FAULT.oom;
      continue;
    }
    folioLockNew(memory, to);
    file.mirror.erase(firstVpn + i, firstVpn + i);
    copyPage(memory, to, backingPfn(memory, from));
    if (faults.armed && (yield* injectBadCopy(memory, to, to))) {
      failed |= VM_FAULT.sigbus;
      continue;
    }
    migrate.dst[i] = MigratePfn.valid | (src[i]! & MigratePfn.write);
    migrate.dstPfn[i] = to;
  }
  return failed;
}

/** Mirrors the pages that did migrate, as their backing pages. Linux: dmirror_migrate_finalize_and_map() */
export function* finalizeAndMap({ memory }: DmirrorContext, file: DmirrorFile, migrate: MigrateVma): Coroutine<void> {
  const { src, dst, dstPfn, npages } = migrate;
  const firstVpn = migrate.start / PAGE_SIZE;
  const { faults } = memory.kernel;
  if (faults.armed) faults.enter(Phase.map);
  yield* file.mutex.lock();
  file.device.moves.note(memory.kernel.current.id);
  for (let i = 0; i < npages; i++) {
    if (!(src[i]! & MigratePfn.migrate) || dstPfn[i] === 0) continue;
    // Deviates: Linux does not look whether the entry was zapped during the copy, and mirrors a page that is about to be
    // freed. An invalidation from here on waits for the mutex.
    const named = pfnAt(file.mm, firstVpn + i);
    if (named !== migrate.srcPfn[i] && named !== dstPfn[i]) continue;
    // A page that can't be mirrored must not stay mirrored at the place that it has left.
    if (faults.armed && faults.hit(FaultPoint.mirrorStore, (firstVpn + i) * PAGE_SIZE) !== 0) {
      file.mirror.erase(firstVpn + i, firstVpn + i);
      continue;
    }
    const tag = dst[i]! & MigratePfn.write ? MirrorTag.write : MirrorTag.read;
    file.mirror.store(firstVpn + i, backingPfn(memory, dstPfn[i]!), tag);
  }
  file.mutex.unlock();
}

/** Marks in the trace that the data is where it shall go, and lets others run. The other stages are marked in hmm. */
export function* copyDone({ memory }: DmirrorContext, migrate: MigrateVma): Coroutine<void> {
  const { kernel } = memory;
  kernel.emit('stage', 'copy', migrate.start, migrate.end);
  if (kernel.scheduler.contended) yield COPY_POINT;
}
