import { type Coroutine, FINE } from '../../core/effect.js';
import { MigratePfn, type MigrateVma } from '../../hmm/index.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { VM_FAULT } from '../../mm/faults/fault-code.js';
import { backingPfn, clearPage, copyPage, folioPut, folioSetLocked, folioUnlock } from '../../mm/frames/folio.js';
import { HPAGE_PMD_NR, PAGE_SIZE } from '../../mm/frames/frames.js';
import { clearHugePage, copyHugePage } from '../../mm/huge/huge-zero.js';
import type { Memory } from '../../mm/memory.js';
import type { DmirrorFile } from '../file.js';

// How one page or one folio of a migration gets its destination and its data. Linux: the bodies of
// lib/test_hmm.c:dmirror_migrate_alloc_and_copy() and dmirror_devmem_fault_alloc_and_copy()

/** Entry `i` of a migration, and what stands there: 0 for a hole. */
interface Source {
  readonly i: number;
  readonly from: number;
  /** MigratePfn.write where the device may write. */
  readonly rights: number;
}

/** The destination `to`, which the device has handed out, gets its data. Linux: part of lib/test_hmm.c:dmirror_migrate_alloc_and_copy() */
export function fillDevicePage(memory: Memory, to: number, from: number): void {
  memory.frames.assertLocked(to);
  const backing = backingPfn(memory, to);
  if (from === 0) clearPage(memory, backing);
  else copyPage(memory, backing, from);
}

/** `to` is where entry `i` goes; its backing page names the file that brings it there. */
export function settleOnDevice(
  memory: Memory,
  file: DmirrorFile,
  { dst, dstPfn }: MigrateVma,
  { i, to, flags }: { i: number; to: number; flags: number },
): void {
  memory.frames.assertLocked(to);
  memory.frames.setZoneDeviceData(backingPfn(memory, to), file.id);
  dst[i] = MigratePfn.valid | flags;
  dstPfn[i] = to;
}

/** Without a free page on the device the entry keeps no destination and stays where it is. */
function* pageToDevice(
  memory: Memory,
  file: DmirrorFile,
  migrate: MigrateVma,
  { i, from, rights }: Source,
): Coroutine<void> {
  const to = yield* file.device.dmirrorDevmemAllocPage();
  if (to === 0) return;
  if (memory.kernel.scheduler.isFine) yield FINE.content;
  fillDevicePage(memory, to, from);
  if (memory.kernel.inject.armed && (yield* injectBadCopy(memory, to, backingPfn(memory, to)))) return;
  settleOnDevice(memory, file, migrate, { i, to, flags: rights });
}

/** A folio of 2 MiB as one, or into 512 pages when the device has no such folio. Answers how many entries that are. */
export function* folioToDevice(
  memory: Memory,
  file: DmirrorFile,
  migrate: MigrateVma,
  { i, from, rights }: Source,
): Coroutine<number> {
  const to = file.takeFailAlloc() ? 0 : yield* file.device.allocFolio();
  if (to === 0) {
    for (let j = 0; j < HPAGE_PMD_NR; j++) {
      yield* pageToDevice(memory, file, migrate, { i: i + j, from: from === 0 ? 0 : from + j, rights });
    }
    return HPAGE_PMD_NR;
  }
  const backing = backingPfn(memory, to);
  if (memory.kernel.scheduler.isFine) yield FINE.content;
  if (from === 0) clearHugePage(memory, backing);
  else copyHugePage(memory, backing, from);
  if (memory.kernel.inject.armed && (yield* injectBadCopy(memory, to, backing))) return HPAGE_PMD_NR;
  settleOnDevice(memory, file, migrate, { i, to, flags: MigratePfn.compound | rights });
  return HPAGE_PMD_NR;
}

/** 0, or VM_FAULT.oom or VM_FAULT.sigbus; the page stays on the device then. It has left the mirror of `file` before. */
export function* pageToSystem(
  memory: Memory,
  file: DmirrorFile,
  migrate: MigrateVma,
  { i, from }: { i: number; from: number },
): Coroutine<number> {
  const to = file.takeFailAlloc() ? 0 : memory.allocator.allocate();
  if (to === 0) return VM_FAULT.oom;
  const vpn = migrate.start / PAGE_SIZE + i;
  const { scheduler } = memory.kernel;
  folioSetLocked(memory, to);
  // The erasure takes no lock of the device, in Linux neither.
  if (scheduler.isFine) yield FINE.content;
  file.mirror.erase(vpn, vpn);
  if (scheduler.isFine) yield FINE.content;
  copyPage(memory, to, backingPfn(memory, from));
  if (memory.kernel.inject.armed && (yield* injectBadCopy(memory, to, to))) return VM_FAULT.sigbus;
  migrate.dst[i] = MigratePfn.valid | (migrate.src[i]! & MigratePfn.write);
  migrate.dstPfn[i] = to;
  return 0;
}

/** The folio of entry `i` as one, or into 512 pages when no huge page is free; results as of `pageToSystem`. */
export function* folioToSystem(memory: Memory, file: DmirrorFile, migrate: MigrateVma, i: number): Coroutine<number> {
  const from = migrate.srcPfn[i]!;
  const to = file.takeFailAlloc() ? 0 : memory.allocator.allocateHuge();
  if (to === 0) {
    let failed = 0;
    for (let j = 0; j < HPAGE_PMD_NR && !(failed & VM_FAULT.oom); j++) {
      failed |= yield* pageToSystem(memory, file, migrate, { i: i + j, from: from + j });
    }
    return failed;
  }
  const vpn = migrate.start / PAGE_SIZE + i;
  const { scheduler } = memory.kernel;
  folioSetLocked(memory, to);
  if (scheduler.isFine) yield FINE.content;
  file.mirror.erase(vpn, vpn + HPAGE_PMD_NR - 1);
  if (scheduler.isFine) yield FINE.content;
  copyHugePage(memory, to, backingPfn(memory, from));
  if (memory.kernel.inject.armed && (yield* injectBadCopy(memory, to, to))) return VM_FAULT.sigbus;
  migrate.dst[i] = MigratePfn.valid | MigratePfn.compound | (migrate.src[i]! & MigratePfn.write);
  migrate.dstPfn[i] = to;
  return 0;
}

/**
 * A copy by the device that went wrong: the page has lost its place and stays where it is. True then. Linux's driver
 * copies with the CPU, which can't fail; a device can, and a driver must see that it was short.
 */
export function* injectBadCopy(memory: Memory, to: number, bytesPfn: number): Coroutine<boolean> {
  const { inject, defects } = memory.kernel;
  if (inject.isQuiet(InjectPoint.deviceCopy) || (yield* inject.reach(InjectPoint.deviceCopy)) === 0) return false;
  memory.contentChanges(bytesPfn);
  memory.bytes.fill(0xdb, bytesPfn * PAGE_SIZE + inject.bytes, (bytesPfn + 1) * PAGE_SIZE);
  if (defects.copyUnchecked) return false;
  folioUnlock(memory, to);
  folioPut(memory, to);
  return true;
}
