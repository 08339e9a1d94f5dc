import { EBUSY, EFAULT, EINTR } from '../../../uapi/errno.js';
import { TICKS_PER_MS } from '../../core/clock.js';
import type { Coroutine } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import {
  HmmPfn,
  type HmmRange,
  hmmRangeFault,
  injectInvalidate,
  isUnmigratableVma,
  MigrateSelect,
  type MigrateVma,
  migrateHmmRangeSetup,
  migrateVmaSetup,
  mmuIntervalReadBegin,
  mmuIntervalReadRetry,
} from '../../hmm/index.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { backingPfn } from '../../mm/frames/folio.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import { mmgetNotZero } from '../../mm/vmas/mm.js';
import { CHUNK_POINT, type DmirrorContext, RANGE_FAULT_TIMEOUT_MS, RETRY_POINT } from '../context.js';
import type { DmirrorFile } from '../file.js';
import { movesByOthers } from '../mirror/dmirror-range-fault.js';
import { MirrorTag } from '../mirror/mirror.js';
import { returnMirroredData } from '../mirror/mirror-copy.js';
import { type Command, traceChunk } from './command.js';
import { moveChunkToDevice } from './migrate-to-dev.js';

const SMALL_CHUNK_PAGES = 64;

/**
 * MIGRATE_ON_FAULT_TO_DEV: faults in what is missing and moves all that can move; then the whole range must be readable through the
 * mirror, as for MIGRATE_TO_DEV. Chunks go by pages only: one that ends in another vma is -ERANGE, one that comes to a gap or to what
 * can't be had -EFAULT, with the part before that moved. -EFAULT for a dead address space, -EBUSY for a chunk that does not hold still
 * for a second. Where the range fault collects there is one walk, otherwise there are two.
 * Linux: lib/test_hmm.c:dmirror_migrate_on_fault_to_device() of the migrate-on-fault series
 */
export function* dmirrorMigrateOnFaultToDevice(command: Command): Coroutine<number> {
  const { context, file, end } = command;
  const { mm } = file;
  const { kernel, profile } = context.memory;
  if (!mmgetNotZero(mm)) return -EFAULT;
  const chunkPages = context.path.onFaultTakesFolios ? profile.migrateChunkPages : SMALL_CHUNK_PAGES;
  const chunkBytes = chunkPages * PAGE_SIZE;
  const migrate = context.takeMigration(chunkPages);
  let ret = 0;
  for (let addr = command.addr; ret === 0 && addr < end; addr += chunkBytes) {
    if (kernel.scheduler.contended) yield CHUNK_POINT;
    // Deviates: as the other commands do when who serves the machine gives the call up.
    if (kernel.current.isAbandoned) {
      ret = -EINTR;
      break;
    }
    if (kernel.inject.armed) yield* kernel.inject.betweenChunks(addr, true);
    yield* mm.mmapLock.readLock();
    traceChunk(kernel, addr, 'begin');
    ret = yield* migrateChunkLocked(
      command,
      migrate,
      rangeOf(command, migrate, Math.min(end, addr + chunkBytes), addr),
    );
    traceChunk(kernel, addr, 'end', ret);
    mm.mmapLock.readUnlock();
  }
  context.giveMigration(migrate);
  yield* mmput(mm);
  return ret !== 0 ? ret : yield* returnMirroredData(command);
}

/** One chunk, under one read hold of mmap_lock until finalize. */
function* migrateChunkLocked(command: Command, migrate: MigrateVma, range: HmmRange): Coroutine<number> {
  const { path } = command.context;
  const error = yield* faultChunk(command, migrate, range);
  const isCollected = path.collectsBy === 'range-fault' && (error === 0 || !path.undoesOnError);
  if (isCollected && migrate.vma !== null) {
    yield* migrateHmmRangeSetup(range);
    yield* moveChunkToDevice(command, migrate);
  } else if (isCollected) {
    return error;
  } else if (error !== -EBUSY) {
    yield* moveFaulted(command, migrate, error === 0 ? range.end : range.failedAt!);
  }
  return error;
}

/** The range fault, until nothing has changed meanwhile. */
function* faultChunk({ context, file }: Command, migrate: MigrateVma, range: HmmRange): Coroutine<number> {
  const { path, memory } = context;
  const { scheduler, inject } = memory.kernel;
  memory.kernel.assertHeld(LockClass.mmapLock);
  memory.kernel.mightSleep();
  const isWhole = memory.profile.deviceThp && path.onFaultTakesFolios;
  const flags = MigrateSelect.system | (isWhole ? MigrateSelect.compound : 0);
  const deadline = scheduler.now() + RANGE_FAULT_TIMEOUT_MS * TICKS_PER_MS;
  for (; scheduler.now() <= deadline; yield RETRY_POINT) {
    if (inject.armed && inject.hit(InjectPoint.rangeTimeout, range.start) !== 0) break;
    migrate.request({ vma: null, start: range.start, end: range.end, flags, pgmapOwner: file.device });
    range.notifierSeq = yield* mmuIntervalReadBegin(file.notifier!);
    const moves = movesByOthers(file);
    if (path.locksMmapTwice) yield* file.mm.mmapLock.readLock({ again: true });
    const error = yield* hmmRangeFault(range);
    if (path.locksMmapTwice) file.mm.mmapLock.readUnlock();
    if (error === -EBUSY) continue;
    if (error !== 0) return error;
    if (inject.armed) yield* injectInvalidate(file.mm, range.start);
    // Prepared pages are ours, whatever changes around them, and nobody uses what is only reported.
    if (!path.checksAfterFault) return 0;
    if (yield* isStill(context, file, { range, moves })) return 0;
  }
  return -EBUSY;
}

/**
 * Has nothing changed since? Then what hmm reported is mirrored, on a path that does so. Which pages of the device others have moved
 * only the path of the kernel asks, see `dmirrorRangeFaultLocked`.
 */
function* isStill(
  context: DmirrorContext,
  file: DmirrorFile,
  { range, moves }: { range: HmmRange; moves: number },
): Coroutine<boolean> {
  const { mirrorsReports, collectsBy } = context.path;
  yield* file.mutex.lock();
  const hasMoved = collectsBy === 'own-walk' && movesByOthers(file) !== moves;
  const isSame = !hasMoved && !mmuIntervalReadRetry(range.notifier!, range.notifierSeq);
  if (isSame && mirrorsReports) dmirrorDoFault(context, file, range);
  file.mutex.unlock();
  return isSame;
}

/**
 * What the words become. A word without a page names frame 0, and an own device page is named by its struct page, where the path says so.
 * Linux: lib/test_hmm.c:dmirror_do_fault() of the first posting
 */
function dmirrorDoFault({ memory, path }: DmirrorContext, { mirror }: DmirrorFile, range: HmmRange): void {
  const first = range.start / PAGE_SIZE;
  memory.kernel.assertHeld(LockClass.dmirrorMutex);
  for (let i = 0; i < (range.end - range.start) / PAGE_SIZE; i++) {
    const flags = range.flags[i]!;
    const pfn = range.pfns[i]!;
    const isPage = (flags & HmmPfn.valid) !== 0;
    if (!isPage && !path.mirrorsFrame0) continue;
    if (!isPage && (flags & HmmPfn.migrate) === 0)
      memory.kernel.warnOn('dmirror_do_fault: a word of hmm_range_fault is no page');
    const named = path.mirrorsStructPages || !isPage ? pfn : backingPfn(memory, pfn);
    mirror.store(first + i, named, flags & HmmPfn.write ? MirrorTag.write : MirrorTag.read);
  }
}

/** What the range fault has faulted in below `end` and not collected. */
function* moveFaulted(command: Command, migrate: MigrateVma, end: number): Coroutine<void> {
  const { vma, start, flags, pgmapOwner } = migrate;
  if (vma === null || isUnmigratableVma(vma) || end <= start) return;
  migrate.request({ vma, start, end, flags, pgmapOwner });
  if ((yield* migrateVmaSetup(migrate)) === 0) yield* moveChunkToDevice(command, migrate);
}

function rangeOf({ file }: Command, migrate: MigrateVma, end: number, start: number): HmmRange {
  return {
    notifier: file.notifier,
    notifierSeq: 0,
    start,
    end,
    flags: new Uint32Array(migrate.src.length),
    pfns: new Uint32Array(migrate.src.length),
    defaultFlags: HmmPfn.reqFault | HmmPfn.reqMigrate,
    pfnFlagsMask: 0,
    devPrivateOwner: file.device,
    migrate,
  };
}
