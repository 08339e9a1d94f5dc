import { ENOMEM } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { MigratePfn, MigrateSelect, type MigrateVma, migrateVmaFinalize, migrateVmaPages } from '../../hmm/index.js';
import { VM_FAULT } from '../../mm/faults/fault-code.js';
import type { DmirrorDevice } from '../memory/device.js';
import { copyDone, dmirrorDevmemFaultAllocAndCopy } from '../mirror/copy.js';
import type { Command } from './command.js';
import { migrateChunks } from './migrate-chunks.js';

/**
 * MIGRATE_TO_SYS: brings this device's pages of a range back; cpages counts those that really moved, and is lost when a
 * later chunk fails. Linux: lib/test_hmm.c:dmirror_migrate_to_system()
 */
export function* dmirrorMigrateToSystem(command: Command): Coroutine<number> {
  return yield* migrateChunks(command, dmirrorSelectDevice(command.file.device), moveChunkToSystem);
}

/** Linux: lib/test_hmm.c:dmirror_select_device() */
export function dmirrorSelectDevice(device: DmirrorDevice): number {
  return device.isPrivate ? MigrateSelect.devicePrivate : MigrateSelect.deviceCoherent;
}

/** -ENOMEM, with the whole chunk back where it was, when no page is to be had, or the file was told to fail its next allocation. */
function* moveChunkToSystem(command: Command, migrate: MigrateVma): Coroutine<number> {
  const { context, file } = command;
  const { profile, kernel } = context.memory;
  kernel.assertHeld(LockClass.mmapLock);
  if (!profile.toSystemFails && file.failAlloc && dmirrorSuccessfulMigratedPages(migrate) > 0) {
    file.failAlloc = false;
    yield* giveUp(migrate);
    return -ENOMEM;
  }
  const failed = yield* dmirrorDevmemFaultAllocAndCopy(context, file, migrate);
  if (failed & VM_FAULT.oom && profile.toSystemFails) {
    yield* giveUp(migrate);
    return -ENOMEM;
  }
  yield* copyDone(context, migrate);
  if (failed === 0 || !context.memory.kernel.defects.finalizeWithoutPages) yield* migrateVmaPages(migrate);
  command.cpages += dmirrorSuccessfulMigratedPages(migrate);
  yield* migrateVmaFinalize(migrate);
  return 0;
}

/**
 * The whole chunk goes back to where it was. Deviates: Linux goes to finalize with what has its copy already, which maps copies whose
 * struct pages know nothing of what they hold (Q19).
 */
export function* giveUp(migrate: MigrateVma): Coroutine<void> {
  for (let i = 0; i < migrate.npages; i++) migrate.src[i]! &= ~MigratePfn.migrate;
  yield* migrateVmaFinalize(migrate);
}

/** Linux: lib/test_hmm.c:dmirror_successful_migrated_pages() */
function dmirrorSuccessfulMigratedPages({ src, npages }: MigrateVma): number {
  const both = MigratePfn.valid | MigratePfn.migrate;
  let count = 0;
  for (let i = 0; i < npages; i++) if ((src[i]! & both) === both) count++;
  return count;
}
