import { EFAULT, EINTR, EINVAL } from '../../../uapi/errno.js';
import {
  HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL,
  HMM_DMIRROR_PROT_DEV_COHERENT_REMOTE,
  HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL,
  HMM_DMIRROR_PROT_DEV_PRIVATE_REMOTE,
  HMM_DMIRROR_PROT_ERROR,
  HMM_DMIRROR_PROT_NONE,
  HMM_DMIRROR_PROT_PMD,
  HMM_DMIRROR_PROT_PUD,
  HMM_DMIRROR_PROT_READ,
  HMM_DMIRROR_PROT_WRITE,
  HMM_DMIRROR_PROT_ZERO,
} from '../../../uapi/hmm-dmirror.js';
import type { Coroutine } from '../../core/effect.js';
import {
  HmmPfn,
  hmmPfnToMapOrder,
  type IntervalNotifier,
  type IntervalNotifierOps,
  mmuIntervalNotifierInsert,
  mmuIntervalNotifierRemove,
  mmuIntervalSetSeq,
} from '../../hmm/index.js';
import { copyToUser } from '../../mm/faults/access.js';
import { ZERO_PFN } from '../../mm/frames/frame-allocator.js';
import { HPAGE_PMD_ORDER, PAGE_SIZE, Zone } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import type { NotifierRange } from '../../mm/notifier.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import { mmgetNotZero } from '../../mm/vmas/mm.js';
import { CHUNK_POINT } from '../context.js';
import { type DmirrorFile, lockForInvalidate } from '../file.js';
import type { DmirrorDevice } from '../memory/device.js';
import { dmirrorRangeFaultLocked } from '../mirror/dmirror-range-fault.js';
import type { Command } from './command.js';

const HPAGE_PUD_ORDER = 18;

/** What `snapshotChunk` works with, one for a whole command. */
interface Arrays {
  readonly flags: Uint32Array;
  readonly pfns: Uint32Array;
  /** One byte a page: HMM_DMIRROR_PROT_*. */
  readonly perm: Uint8Array;
}

/**
 * SNAPSHOT: one byte a page that says how the CPU maps it, without faulting anything in; `ptr` gets the bytes chunk by
 * chunk, so that those of chunks before a failing one are there (Q12). Linux: lib/test_hmm.c:dmirror_snapshot()
 */
export function* dmirrorSnapshot(command: Command): Coroutine<number> {
  const { mm } = command.file;
  const { kernel, profile } = command.context.memory;
  const { faultChunkPages } = profile;
  if (!mmgetNotZero(mm)) return -EINVAL;
  const arrays: Arrays = {
    flags: new Uint32Array(faultChunkPages),
    pfns: new Uint32Array(faultChunkPages),
    perm: new Uint8Array(faultChunkPages),
  };
  let ret = 0;
  for (let start = command.addr; ret === 0 && start < command.end; start += faultChunkPages * PAGE_SIZE) {
    if (kernel.scheduler.contended) yield CHUNK_POINT;
    if (kernel.inject.armed) yield* kernel.inject.betweenChunks(start);
    // Deviates: Linux goes on to the end, for hours if need be. Only who serves the machine can ask for this.
    if (kernel.current.isAbandoned) {
      ret = -EINTR;
      break;
    }
    const end = Math.min(start + faultChunkPages * PAGE_SIZE, command.end);
    ret = yield* dmirrorRangeSnapshot(command, { start, end }, arrays);
    if (ret !== 0) break;
    const bytes = arrays.perm.subarray(0, (end - start) / PAGE_SIZE);
    if ((yield* copyToUser(command.callerMm, command.ptr + command.cpages, bytes)) !== 0) ret = -EFAULT;
    else command.cpages += bytes.length;
  }
  yield* mmput(mm);
  return ret;
}

/** A notifier on exactly this chunk sees invalidations that the file's own one skips. Linux: lib/test_hmm.c:dmirror_range_snapshot() */
function* dmirrorRangeSnapshot(
  { file, context }: Command,
  { start, end }: { start: number; end: number },
  { flags, pfns, perm }: Arrays,
): Coroutine<number> {
  const ops = new SnapshotInterval(file);
  const notifier = yield* mmuIntervalNotifierInsert(file.mm, { start, length: end - start, ops });
  if (typeof notifier === 'number') return notifier;
  const ret = yield* dmirrorRangeFaultLocked(file, {
    notifier,
    notifierSeq: 0,
    start,
    end,
    flags,
    pfns,
    defaultFlags: 0,
    pfnFlagsMask: 0,
    devPrivateOwner: file.device,
    migrate: null,
  });
  if (ret === 0) {
    const npages = (end - start) / PAGE_SIZE;
    for (let i = 0; i < npages; i++)
      perm[i] = dmirrorMkentry(context.memory, file.device, { flags: flags[i]!, pfn: pfns[i]! });
    file.mutex.unlock();
  }
  yield* mmuIntervalNotifierRemove(notifier);
  return ret;
}

/** Any change of the chunk makes the whole snapshot worthless, so only the sequence moves. */
class SnapshotInterval implements IntervalNotifierOps {
  constructor(private readonly file: DmirrorFile) {}

  invalidate(interval: IntervalNotifier, range: NotifierRange, curSeq: number): Coroutine<boolean> {
    return this.dmirrorSnapshotInvalidate(interval, range, curSeq);
  }

  /** Linux: lib/test_hmm.c:dmirror_snapshot_invalidate() */
  private *dmirrorSnapshotInvalidate(
    interval: IntervalNotifier,
    range: NotifierRange,
    curSeq: number,
  ): Coroutine<boolean> {
    const { mutex } = this.file;
    if (!(yield* lockForInvalidate(mutex, range))) return false;
    mmuIntervalSetSeq(interval, curSeq);
    mutex.unlock();
    return true;
  }
}

/** One byte of a snapshot. Linux: lib/test_hmm.c:dmirror_mkentry() */
function dmirrorMkentry(memory: Memory, device: DmirrorDevice, { flags, pfn }: { flags: number; pfn: number }): number {
  if (flags & HmmPfn.error) return HMM_DMIRROR_PROT_ERROR;
  if (!(flags & HmmPfn.valid)) return HMM_DMIRROR_PROT_NONE;
  let prot = baseProtOf(memory, device, pfn);
  prot |= flags & HmmPfn.write ? HMM_DMIRROR_PROT_WRITE : HMM_DMIRROR_PROT_READ;
  const order = hmmPfnToMapOrder(flags);
  if (order === HPAGE_PMD_ORDER) prot |= HMM_DMIRROR_PROT_PMD;
  else if (order === HPAGE_PUD_ORDER) prot |= HMM_DMIRROR_PROT_PUD;
  return prot;
}

/** Where the page lives. Only the small zero page counts as such: the huge one looks like any other page. */
function baseProtOf({ frames, pagemaps }: Memory, device: DmirrorDevice, pfn: number): number {
  if (frames.zone[pfn] === Zone.system) return pfn === ZERO_PFN ? HMM_DMIRROR_PROT_ZERO : HMM_DMIRROR_PROT_NONE;
  const isLocal = pagemaps[frames.pagemap[pfn]!]?.owner === device;
  if (frames.zone[pfn] === Zone.private) {
    return isLocal ? HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL : HMM_DMIRROR_PROT_DEV_PRIVATE_REMOTE;
  }
  return isLocal ? HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL : HMM_DMIRROR_PROT_DEV_COHERENT_REMOTE;
}
