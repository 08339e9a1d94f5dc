import { EBUSY, EFAULT, EINTR, EINVAL } from '../../../uapi/errno.js';
import { TICKS_PER_MS } from '../../core/clock.js';
import type { Coroutine } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import {
  HmmPfn,
  type HmmRange,
  hmmRangeFault,
  injectInvalidate,
  isUnmigratableVma,
  MigratePfn,
  MigrateSelect,
  type MigrateVma,
  migrateHmmRangeSetup,
  migrateVmaSetup,
  mmuIntervalReadBegin,
  mmuIntervalReadRetry,
} from '../../hmm/index.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { ZERO_PFN } from '../../mm/frames/frame-allocator.js';
import { HPAGE_PMD_NR, PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import { mmgetNotZero } from '../../mm/vmas/mm.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import { CHUNK_POINT, RANGE_FAULT_TIMEOUT_MS, RETRY_POINT } from '../context.js';
import type { DmirrorFile } from '../file.js';
import { movesByOthers, storeReported } from '../mirror/dmirror-range-fault.js';
import { returnMirroredData } from '../mirror/mirror-copy.js';
import type { Command } from './command.js';
import { moveChunkToDevice } from './migrate-to-dev.js';

/** Says what an attempt at a chunk found out. */
const DONE = 0;
/** The chunk has changed before anything was moved. */
const AGAIN = 1;
/** What can move has moved; some of the rest is not mirrored. */
const MIRROR = 2;

/**
 * MIGRATE_ON_FAULT_TO_DEV: faults in what is missing and moves all that can move; pages that can't (already on this
 * device, of a file, pinned) are mirrored where they are. Works chunk by chunk like MIGRATE_TO_DEV and answers as it
 * does, but -EFAULT for a dead address space, a gap and an unreadable vma, and -EBUSY for a chunk that does not hold still
 * for a second. Where the range fault collects there is one walk, otherwise there are two.
 * Linux: lib/test_hmm.c:dmirror_migrate_on_fault_to_device() of the migrate-on-fault series
 */
export function* dmirrorMigrateOnFaultToDevice(command: Command): Coroutine<number> {
  const { context, file } = command;
  const { mm } = file;
  const { kernel } = context.memory;
  if (!mmgetNotZero(mm)) return -EFAULT;
  const migrate = context.takeMigration(context.memory.profile.migrateChunkPages);
  let ret = 0;
  for (let addr = command.addr; ret === 0 && addr < command.end; addr = migrate.end) {
    if (kernel.scheduler.contended) yield CHUNK_POINT;
    // Deviates: as the other commands do when who serves the machine gives the call up.
    if (kernel.current.isAbandoned) {
      ret = -EINTR;
      break;
    }
    if (kernel.inject.armed) yield* kernel.inject.betweenChunks(addr, true);
    yield* mm.mmapLock.readLock();
    ret = yield* migrateChunkLocked(command, migrate, addr);
    mm.mmapLock.readUnlock();
  }
  context.giveMigration(migrate);
  yield* mmput(mm);
  return ret !== 0 ? ret : yield* returnMirroredData(command);
}

/** The chunk at `addr`, under one read hold of mmap_lock from the look at its vma to finalize. */
function* migrateChunkLocked(command: Command, migrate: MigrateVma, addr: number): Coroutine<number> {
  const { kernel, profile } = command.context.memory;
  const { scheduler, inject } = kernel;
  kernel.assertHeld(LockClass.mmapLock);
  kernel.mightSleep();
  const { clock } = scheduler;
  const vma = command.file.mm.vmaLookup(addr);
  if (vma === null || !(vma.flags & VM.read)) return -EFAULT;
  if (isUnmigratableVma(vma)) return -EINVAL;
  const end = Math.min(command.end, addr + profile.migrateChunkPages * PAGE_SIZE, vma.end);
  const flags = MigrateSelect.system | (profile.deviceThp ? MigrateSelect.compound : 0);
  const deadline = clock.nowTicks + RANGE_FAULT_TIMEOUT_MS * TICKS_PER_MS;
  let range = rangeOf(command, migrate, { start: addr, end });
  let ret = AGAIN;
  for (; clock.nowTicks <= deadline; yield RETRY_POINT) {
    if (inject.armed && inject.hit(InjectPoint.rangeTimeout, addr) !== 0) break;
    if (ret === MIRROR) {
      ret = yield* mirrorOnce(command, range);
    } else {
      migrate.request({ vma, start: addr, end, flags, pgmapOwner: command.file.device });
      ret = yield* chunkOnce(command, migrate, range);
      migrate.end = end;
      if (ret === MIRROR) range = { ...range, defaultFlags: HmmPfn.reqFault, migrate: null };
    }
    if (ret <= 0) return ret;
  }
  return -EBUSY;
}

/**
 * One attempt. What hmm reported is mirrored before the migration goes on, so that the invalidations of its unmap step
 * still reach those entries; what then migrates is mirrored again at its new place.
 */
function* chunkOnce(command: Command, migrate: MigrateVma, range: HmmRange): Coroutine<number> {
  const { context, file } = command;
  const { collectsBy, mirrorsReports } = context.path;
  const isCollected = collectsBy === 'range-fault';
  range.notifierSeq = yield* mmuIntervalReadBegin(file.notifier!);
  const moves = movesByOthers(file);
  let ret = yield* hmmRangeFault(range);
  if (ret !== 0) return ret === -EBUSY ? AGAIN : ret;
  const { inject } = context.memory.kernel;
  if (inject.armed) yield* injectInvalidate(file.mm, range.start);
  const isStable = mirrorsReports
    ? yield* storeReports(command, range, { moves, onlyMissing: false })
    : isUnchanged(file, range, moves);
  // Collected pages can't be given back here: they are finished with before anybody looks again.
  if (!isStable && !isCollected) return AGAIN;
  if (isCollected) yield* migrateHmmRangeSetup(range);
  else ret = yield* migrateVmaSetup(migrate);
  if (ret !== 0) return ret;
  yield* moveChunkToDevice(command, migrate);
  const isMirrored = isStable && isUnchanged(file, range, moves);
  return !mirrorsReports || isMirrored || hasAllMoved(command, range, migrate) ? DONE : MIRROR;
}

/**
 * Mirrors the pages of a chunk that could not move, where the move itself has unmapped them for a moment: a folio was split, or they
 * are mapped elsewhere too.
 */
function* mirrorOnce(command: Command, range: HmmRange): Coroutine<number> {
  const { file } = command;
  range.notifierSeq = yield* mmuIntervalReadBegin(file.notifier!);
  const moves = movesByOthers(file);
  const ret = yield* hmmRangeFault(range);
  if (ret !== 0) return ret === -EBUSY ? MIRROR : ret;
  return (yield* storeReports(command, range, { moves, onlyMissing: true })) ? DONE : MIRROR;
}

/** Whether neither an invalidation nor another task's migration has reached the range since. */
function isUnchanged(file: DmirrorFile, range: HmmRange, moves: number): boolean {
  return !mmuIntervalReadRetry(range.notifier!, range.notifierSeq) && movesByOthers(file) === moves;
}

function rangeOf(
  { context, file }: Command,
  migrate: MigrateVma,
  { start, end }: { start: number; end: number },
): HmmRange {
  const isCollected = context.path.collectsBy === 'range-fault';
  return {
    notifier: file.notifier,
    notifierSeq: 0,
    start,
    end,
    flags: new Uint32Array(migrate.src.length),
    pfns: new Uint32Array(migrate.src.length),
    defaultFlags: HmmPfn.reqFault | (isCollected ? HmmPfn.reqMigrate : 0),
    pfnFlagsMask: 0,
    devPrivateOwner: file.device,
    migrate: isCollected ? migrate : null,
  };
}

/** Whether every page that was reported is on the device now, so that no report is worth looking at again. */
function hasAllMoved({ context }: Command, range: HmmRange, migrate: MigrateVma): boolean {
  const whole = MigratePfn.migrate | MigratePfn.compound;
  for (let i = 0; i < migrate.npages; i++) {
    if ((migrate.src[i]! & whole) === whole) {
      i += HPAGE_PMD_NR - 1;
      continue;
    }
    const isReported = (range.flags[i]! & HmmPfn.valid) !== 0 && !isZeroPage(context.memory, range.pfns[i]!);
    if (isReported && !(migrate.src[i]! & MigratePfn.migrate)) return false;
  }
  return true;
}

function isZeroPage(memory: Memory, pfn: number): boolean {
  return pfn === ZERO_PFN || memory.frames.head(pfn) === memory.hugeZeroPfn;
}

/**
 * Mirrors what was reported, unless the range has changed since: then false. Zero pages are holes, on both paths. With `onlyMissing`
 * pages stay as they are mirrored.
 */
function* storeReports(
  { context, file }: Command,
  range: HmmRange,
  { moves, onlyMissing }: { moves: number; onlyMissing: boolean },
): Coroutine<boolean> {
  const { memory } = context;
  const { inject } = memory.kernel;
  const first = range.start / PAGE_SIZE;
  const npages = range.end / PAGE_SIZE - first;
  yield* file.mutex.lock();
  memory.kernel.assertHeld(LockClass.dmirrorMutex);
  const isStable = isUnchanged(file, range, moves);
  for (let i = 0; isStable && i < npages; i++) {
    const flags = range.flags[i]!;
    const pfn = range.pfns[i]!;
    if (!(flags & HmmPfn.valid) || isZeroPage(memory, pfn)) continue;
    if (onlyMissing && file.mirror.get(first + i) !== 0) continue;
    if (inject.armed && inject.hit(InjectPoint.mirrorStore, (first + i) * PAGE_SIZE) !== 0) break;
    storeReported(context, file, { vpn: first + i, pfn, isWritable: (flags & HmmPfn.write) !== 0 });
  }
  file.mutex.unlock();
  return isStable;
}
