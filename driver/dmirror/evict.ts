import type { Coroutine } from '../core/effect.js';
import { Phase } from '../core/fault-points.js';
import {
  type MigrateArrays,
  MigratePfn,
  migrateDeviceFinalize,
  migrateDevicePages,
  migrateDeviceRange,
} from '../hmm/index.js';
import { backingPfn, copyPage, folioLockNew } from '../mm/folio.js';
import { Zone } from '../mm/frames.js';
import type { Memory } from '../mm/memory.js';
import type { DmirrorChunk } from './chunk.js';

/**
 * Brings every page of a chunk back to system memory, whoever maps it (Q8). Pages that somebody else has locked or refers
 * to stay. Mirrors hear of it through the CLEAR events of the unmapping.
 * Linux: lib/test_hmm.c:dmirror_device_evict_chunk()
 */
export function* dmirrorDeviceEvictChunk(memory: Memory, chunk: DmirrorChunk): Coroutine<void> {
  if (chunk.inUse === 0) return;
  // Pages below were never handed out, and free pages are skipped anyway.
  const first = chunk.freshEnd;
  const npages = chunk.endPfn - first;
  const migrate: MigrateArrays = {
    src: new Uint32Array(npages),
    srcPfn: new Uint32Array(npages),
    dst: new Uint32Array(npages),
    dstPfn: new Uint32Array(npages),
    npages,
  };
  const { faults } = memory.kernel;
  if (faults.armed) faults.enter(Phase.evict);
  yield* migrateDeviceRange(memory, migrate, first);
  if (faults.armed) faults.enter(Phase.evict);
  for (let i = 0; i < npages; i++) {
    const from = migrate.srcPfn[i]!;
    if (from === 0 || !(migrate.src[i]! & MigratePfn.migrate) || memory.frames.zone[from] === Zone.system) continue;
    const to = memory.allocator.allocateNofail();
    // Deviates: Linux's allocation here waits for memory for ever; a page without a place stays on the device.
    if (to === 0) continue;
    folioLockNew(memory, to);
    copyPage(memory, to, backingPfn(memory, from));
    migrate.dst[i] = MigratePfn.valid | (migrate.src[i]! & MigratePfn.write);
    migrate.dstPfn[i] = to;
  }
  yield* migrateDevicePages(memory, migrate);
  yield* migrateDeviceFinalize(memory, migrate);
}
