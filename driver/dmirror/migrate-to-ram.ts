import type { Coroutine } from '../core/effect.js';
import { migrateVmaFinalize, migrateVmaPages, migrateVmaSetup } from '../hmm/index.js';
import { VM_FAULT } from '../mm/fault-code.js';
import { PAGE_SIZE } from '../mm/frames.js';
import type { DevPagemapOps } from '../mm/pagemap.js';
import type { DmirrorContext } from './context.js';
import { allocAndCopyToSystem, copyDone } from './copy.js';
import { selectDevice } from './migrate-to-sys.js';

type PrivateFault = Parameters<DevPagemapOps['migrateToRam']>[0];

/**
 * The CPU touched a private page: it moves to system memory, for all who map it. The open file is the one that brought
 * the page to the device, maybe of another address space. 0 = look again (also when the page could not move), or
 * VM_FAULT.sigbus. Linux: lib/test_hmm.c:dmirror_devmem_fault()
 */
export function* dmirrorDevmemFault(context: DmirrorContext, { vma, addr, pfn }: PrivateFault): Coroutine<number> {
  const { frames, kernel } = context.memory;
  const file = context.files[frames.zoneDeviceData[frames.zoneDeviceData[pfn]!]!]!;
  const start = Math.floor(addr / PAGE_SIZE) * PAGE_SIZE;
  const migrate = context.takeMigration(1);
  migrate.request({
    vma,
    start,
    end: start + PAGE_SIZE,
    flags: selectDevice(file.device),
    pgmapOwner: file.device,
    faultPfn: pfn,
  });
  const restore = kernel.faults.armed ? kernel.faults.serveCpu(file.id, file.device.minor, start) : null;
  let ret: number = VM_FAULT.sigbus;
  if ((yield* migrateVmaSetup(migrate)) === 0) {
    const failed = yield* allocAndCopyToSystem(context, file, migrate);
    yield* copyDone(context, migrate);
    yield* migrateVmaPages(migrate);
    yield* migrateVmaFinalize(migrate);
    // Deviates: 6.12 answers 0 and so faults for ever (Q18).
    ret = failed & VM_FAULT.oom && context.quirks.q18EndlessRefault ? 0 : failed;
  }
  restore?.();
  context.giveMigration(migrate);
  return ret;
}
