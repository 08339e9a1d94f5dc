import { EINVAL } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, preemptPoint } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { ZERO_PFN } from '../../mm/frames/frame-allocator.js';
import type { Memory } from '../../mm/memory.js';
import type { Vma } from '../../mm/vmas/vma.js';
import { HmmPfn, type HmmRange } from '../range/hmm-range.js';
import { hmmRangeFault } from '../range/range-fault.js';
import { migrateVmaCollect } from './migrate-collect.js';
import { migrateVmaFinalize } from './migrate-finalize.js';
import { migrateVmaPages } from './migrate-pages.js';
import { migrateStageDone } from './migrate-trace.js';
import { migrateDeviceUnmap } from './migrate-unmap.js';
import {
  checkMigrateRequest,
  MIGRATE_PFN_MASK,
  MigratePfn,
  MigrateSelect,
  type MigrateVma,
  pagesOf,
} from './migrate-vma.js';

const SETUP_POINT = preemptPoint('migrate_vma_setup');

/**
 * Begins a migration: afterwards each page that can migrate is locked, unmapped everywhere and named in `src`. The
 * caller holds the mmap_lock for read until `migrateVmaFinalize`. 0 also when nothing was found; -EINVAL for arguments
 * that make no sense; with MIGRATE_VMA_FAULT, on paths that have it, also what `hmmRangeFault` returns. After an error
 * nothing is held. Linux: mm/migrate_device.c:migrate_vma_setup()
 */
export function* migrateVmaSetup(migrate: MigrateVma): Coroutine<number> {
  const { vma, path } = migrate;
  if (vma === null) return -EINVAL;
  const { memory } = vma.mm;
  const { kernel } = memory;
  if (kernel.scheduler.contended) yield SETUP_POINT;
  const invalid = checkMigrateRequest(memory, migrate, vma);
  if (invalid !== 0) return invalid;
  kernel.assertHeld(LockClass.mmapLock);
  kernel.mightSleep();
  assert(path.setupFaults || (migrate.flags & MigrateSelect.fault) === 0, 'the % path does not fault', path.name);
  const npages = pagesOf(migrate);
  migrate.npages = 0;
  migrate.cpages = 0;
  migrate.src.fill(0, 0, npages);
  migrate.srcPfn.fill(0, 0, npages);
  const isOwnWalk = path.collectsBy === 'own-walk';
  const error = isOwnWalk ? yield* setupByOwnWalk(migrate, vma) : yield* setupByRangeFault(migrate);
  migrateStageDone(memory, 'setup', migrate);
  return error;
}

function* setupByOwnWalk(migrate: MigrateVma, vma: Vma): Coroutine<number> {
  yield* migrateVmaCollect(migrate, vma);
  yield* migrateVmaUnmap(vma.mm.memory, migrate);
  return 0;
}

/** A thin caller of `hmmRangeFault`, whose answers become the `src` words where they stand. */
function* setupByRangeFault(migrate: MigrateVma): Coroutine<number> {
  const { path } = migrate;
  const range: HmmRange = {
    notifier: null,
    notifierSeq: 0,
    start: migrate.start,
    end: migrate.end,
    flags: migrate.src,
    pfns: migrate.srcPfn,
    defaultFlags:
      (migrate.flags & MigrateSelect.fault ? HmmPfn.reqFault : 0) | (path.setupRequestsMigrate ? HmmPfn.reqMigrate : 0),
    pfnFlagsMask: 0,
    devPrivateOwner: migrate.pgmapOwner,
    migrate,
  };
  const error = yield* hmmRangeFault(range);
  if (error !== 0 && path.undoesOnError) return error;
  yield* migrateHmmRangeSetup(range);
  if (error === 0 || !path.setupRestores) return error;
  yield* migrateVmaPages(migrate);
  yield* migrateVmaFinalize(migrate);
  return error;
}

/**
 * The step between a successful `hmmRangeFault` that prepared pages and the driver's copy: the answers of
 * what was prepared become `src` words, and the pages are unmapped everywhere else. The answers in `range` stay as they are, unless the arrays are the same.
 * Linux: migrate_hmm_range_setup() of the migrate-on-fault series
 */
export function* migrateHmmRangeSetup(range: HmmRange): Coroutine<void> {
  const { migrate } = range;
  assert(migrate !== null, 'the range was not walked for a migration');
  const npages = pagesOf(range);
  const isHoleTaken = migrate.vma?.mm.memory.kernel.defects.holeAsPage;
  assert(npages <= migrate.src.length, 'the migration has no room for the range');
  migrate.vma?.mm.memory.kernel.assertHeld(LockClass.mmapLock);
  migrate.npages = npages;
  migrate.cpages = 0;
  for (let i = 0; i < npages; i++) {
    const flags = range.flags[i]!;
    const pfn = range.pfns[i]!;
    const word = flags & HmmPfn.migrate ? flags & MIGRATE_PFN_MASK : 0;
    migrate.src[i] = word;
    migrate.srcPfn[i] = word & MigratePfn.valid ? pfn : 0;
    if (isHoleTaken && word === MigratePfn.migrate) migrate.srcPfn[i] = ZERO_PFN;
    if (word !== 0) migrate.cpages++;
    if (word !== 0 && !migrate.path.clearsDst) continue;
    migrate.dst[i] = 0;
    migrate.dstPfn[i] = 0;
  }
  if (migrate.vma !== null) yield* migrateVmaUnmap(migrate.vma.mm.memory, migrate);
}

/** Linux: mm/migrate_device.c:migrate_vma_unmap() */
function* migrateVmaUnmap(memory: Memory, migrate: MigrateVma): Coroutine<void> {
  migrateStageDone(memory, 'collect', migrate);
  if (migrate.cpages > 0) migrate.cpages = yield* migrateDeviceUnmap(memory, migrate);
}
