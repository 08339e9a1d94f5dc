import { type Coroutine, FINE } from '../../core/effect.js';
import {
  type MigrateArrays,
  MigratePfn,
  migrateDeviceFinalize,
  migrateDevicePages,
  migrateDeviceRange,
  migrateStageDone,
  migrateVmaSplitUnmappedFolio,
} from '../../hmm/index.js';
import { Phase } from '../../inject/inject-points.js';
import { backingPfn, copyPage, folioSetLocked } from '../../mm/frames/folio.js';
import { Zone } from '../../mm/frames/frames.js';
import { copyHugePage } from '../../mm/huge/huge-zero.js';
import type { Memory } from '../../mm/memory.js';
import type { DmirrorChunk } from './chunk.js';
import type { DmirrorDevice } from './device.js';

/**
 * Brings every page of a chunk back to system memory, whoever maps it (Q8). Pages that somebody else has locked or refers
 * to stay. Mirrors hear of it through the CLEAR events of the unmapping.
 * Linux: lib/test_hmm.c:dmirror_device_evict_chunk()
 */
export function* dmirrorDeviceEvictChunk(device: DmirrorDevice, chunk: DmirrorChunk): Coroutine<void> {
  const { memory } = device;
  memory.kernel.mightSleep();
  if (memory.kernel.scheduler.isFine) yield FINE.devLock;
  if (device.pagesInUse(chunk) === 0) return;
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
  const { inject } = memory.kernel;
  if (inject.armed) inject.enter(Phase.evict);
  yield* migrateDeviceRange(memory, migrate, first);
  if (inject.armed) inject.enter(Phase.evict);
  for (let i = 0; i < npages; i++) {
    const from = migrate.srcPfn[i]!;
    if (from === 0 || !(migrate.src[i]! & MigratePfn.migrate) || memory.frames.zone[from] === Zone.system) continue;
    if (migrate.src[i]! & MigratePfn.compound && !(yield* folioHome(memory, migrate, i))) continue;
    if (memory.kernel.scheduler.isFine) yield FINE.content;
    if (migrate.dstPfn[i] === 0) pageHome(memory, migrate, i);
  }
  migrateStageDone(memory, 'copy', migrate);
  yield* migrateDevicePages(memory, migrate);
  yield* migrateDeviceFinalize(memory, migrate);
}

/** Deviates: Linux's allocation here waits for memory for ever; a page without a place stays on the device. */
function pageHome(memory: Memory, { src, srcPfn, dst, dstPfn }: MigrateArrays, i: number): void {
  const to = memory.allocator.allocateNofail();
  if (to === 0) return;
  folioSetLocked(memory, to);
  copyPage(memory, to, backingPfn(memory, srcPfn[i]!));
  dst[i] = MigratePfn.valid | (src[i]! & MigratePfn.write);
  dstPfn[i] = to;
}

/**
 * A huge page for a folio; when none is free the folio becomes single pages, which then get places of their own. False when it can't.
 * Deviates: Linux does not look whether it got one.
 */
function* folioHome(memory: Memory, migrate: MigrateArrays, i: number): Coroutine<boolean> {
  const { src, srcPfn, dst, dstPfn } = migrate;
  const head = memory.allocator.allocateHuge();
  if (head === 0) return yield* migrateVmaSplitUnmappedFolio(memory, migrate, i);
  folioSetLocked(memory, head);
  copyHugePage(memory, head, backingPfn(memory, srcPfn[i]!));
  dst[i] = MigratePfn.valid | MigratePfn.compound | (src[i]! & MigratePfn.write);
  dstPfn[i] = head;
  return true;
}
