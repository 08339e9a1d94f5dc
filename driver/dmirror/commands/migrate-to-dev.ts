import type { Coroutine } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { MigrateSelect, type MigrateVma, migrateVmaFinalize, migrateVmaPages } from '../../hmm/index.js';
import { copyDone, dmirrorMigrateAllocAndCopy, dmirrorMigrateFinalizeAndMap } from '../mirror/copy.js';
import { returnMirroredData } from '../mirror/mirror-copy.js';
import type { Command } from './command.js';
import { migrateChunks } from './migrate-chunks.js';

/**
 * MIGRATE_TO_DEV: moves what is in system memory and anonymous to the device; then the whole range must be readable
 * through the mirror (-ENOENT otherwise, with nothing undone). Linux: lib/test_hmm.c:dmirror_migrate_to_device()
 */
export function* dmirrorMigrateToDevice(command: Command): Coroutine<number> {
  const ret = yield* migrateChunks(command, MigrateSelect.system, moveChunkToDevice);
  return ret !== 0 ? ret : yield* returnMirroredData(command);
}

/** From a finished setup to finalize. 0: a page that finds no place on the device is no error. */
export function* moveChunkToDevice({ context, file }: Command, migrate: MigrateVma): Coroutine<number> {
  context.memory.kernel.assertHeld(LockClass.mmapLock);
  yield* dmirrorMigrateAllocAndCopy(context, file, migrate);
  yield* copyDone(context, migrate);
  yield* migrateVmaPages(migrate);
  yield* dmirrorMigrateFinalizeAndMap(context, file, migrate);
  yield* migrateVmaFinalize(migrate);
  return 0;
}
