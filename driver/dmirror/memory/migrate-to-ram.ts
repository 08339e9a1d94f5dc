import type { Coroutine } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import {
  MigrateSelect,
  type MigrateVma,
  migrateVmaFinalize,
  migrateVmaPages,
  migrateVmaSetup,
} from '../../hmm/index.js';
import { VM_FAULT } from '../../mm/faults/fault-code.js';
import { HPAGE_PMD_NR, PAGE_SIZE } from '../../mm/frames/frames.js';
import type { DeviceFault } from '../../mm/frames/pagemap.js';
import { dmirrorSelectDevice, giveUp } from '../commands/migrate-to-sys.js';
import type { DmirrorContext } from '../context.js';
import type { DmirrorFile } from '../file.js';
import { copyDone, dmirrorDevmemFaultAllocAndCopy } from '../mirror/copy.js';

/**
 * The CPU touched private memory: it moves to system memory, for all who map it; a page, or the folio of a 2 MiB entry. The open file is
 * the one that brought it to the device, maybe of another address space. 0 = look again (also when it could not move), or VM_FAULT.sigbus
 * and VM_FAULT.oom. Linux: lib/test_hmm.c:dmirror_devmem_fault()
 */
export function* dmirrorDevmemFault(
  context: DmirrorContext,
  { vma, addr, pfn, isHuge }: DeviceFault,
): Coroutine<number> {
  const { memory } = context;
  const { frames, kernel } = memory;
  kernel.assertHeld(LockClass.mmapLock);
  kernel.mightSleep();
  if (memory.profile.faultLocksPage) frames.assertLocked(pfn);
  const backing = frames.zoneDeviceData(frames.head(pfn));
  const file = context.files.get(frames.zoneDeviceData(backing))!;
  const npages = isHuge ? HPAGE_PMD_NR : 1;
  const start = Math.floor(addr / PAGE_SIZE) * PAGE_SIZE;
  const migrate = context.takeMigration(npages);
  migrate.request({
    vma,
    start,
    end: start + npages * PAGE_SIZE,
    flags: dmirrorSelectDevice(file.device) | (isHuge ? MigrateSelect.compound : 0),
    pgmapOwner: file.device,
    faultPfn: pfn,
  });
  const restore = kernel.inject.armed ? kernel.inject.serveCpu(file.id, file.device.minor, start) : null;
  let ret: number = VM_FAULT.sigbus;
  if ((yield* migrateVmaSetup(migrate)) === 0) ret = yield* bringBack(context, file, migrate);
  restore?.();
  context.giveMigration(migrate);
  return ret;
}

function* bringBack(context: DmirrorContext, file: DmirrorFile, migrate: MigrateVma): Coroutine<number> {
  const failed = yield* dmirrorDevmemFaultAllocAndCopy(context, file, migrate);
  if (failed & VM_FAULT.oom && context.memory.profile.toSystemFails) {
    yield* giveUp(migrate);
    return VM_FAULT.oom;
  }
  yield* copyDone(context, migrate);
  yield* migrateVmaPages(migrate);
  yield* migrateVmaFinalize(migrate);
  // Deviates: 6.12 answers 0 and so faults for ever (Q18).
  return failed & VM_FAULT.oom && context.quirks.q18EndlessRefault ? 0 : failed;
}
