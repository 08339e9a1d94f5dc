import { EINVAL, ENOMEM } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { Access, Shared } from '../../core/observer.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { freePgtables } from '../tables/free-pgtables.js';
import { isPageAligned, pageAlign } from '../tables/page-align.js';
import { TASK_SIZE } from '../tables/page-table.js';
import { TlbGather } from '../tables/tlb-gather.js';
import { unmapSingleVma } from '../tables/zap.js';
import { completeEvents, type PendingEvents, userfaultfdUnmapPrep } from '../userfault/userfault-events.js';
import { type Mm, mmapAssertLocked, mmapAssertWriteLocked } from './mm.js';
import type { MappedFile, Vma } from './vma.js';
import { vmaBefore } from './vma-list.js';
import { splitVmaUnlimited } from './vma-split.js';

/** What is done once mmap_lock is free. */
export class AfterUnlock {
  /** Files whose vma is gone: Linux puts them at the return to user mode, as the last put of a device file waits for the device. */
  readonly files: MappedFile[] = [];
  /** What userfaultfds are told. */
  readonly events: PendingEvents = [];

  *run(): Coroutine<void> {
    yield* completeEvents(this.events);
    for (const file of this.files) yield* file.put();
  }
}

/** The system call: 0, -EINVAL or -ENOMEM. Linux: mm/mmap.c:__vm_munmap() */
export function* vmMunmap(mm: Mm, addr: number, len: number): Coroutine<number> {
  const after = new AfterUnlock();
  yield* mm.mmapLock.writeLock();
  const result = yield* doVmiMunmap(mm, { addr, len, after, downgrades: true });
  if (mm.mmapLock.isWriteLocked) mm.mmapLock.writeUnlock();
  else mm.mmapLock.readUnlock();
  yield* after.run();
  return result;
}

/**
 * munmap under mmap_lock held for write; with `downgrades` it is held for read from where the vmas are out of the list.
 * Linux: mm/vma.c:do_vmi_munmap()
 */
export function* doVmiMunmap(
  mm: Mm,
  { addr, len, after, downgrades = false }: { addr: number; len: number; after: AfterUnlock; downgrades?: boolean },
): Coroutine<number> {
  mmapAssertWriteLocked(mm);
  if (!isPageAligned(addr) || addr > TASK_SIZE || len > TASK_SIZE - addr) return -EINVAL;
  const end = addr + pageAlign(len);
  if (end === addr) return -EINVAL;
  const gathered = yield* vmsGatherMunmapVmas(mm, addr, end, after.events);
  if (typeof gathered === 'number') return gathered;
  if (downgrades) mm.mmapLock.downgradeWrite();
  yield* vmsCleanUpArea(gathered);
  vmsCompleteMunmapVmas(gathered, after);
  return 0;
}

/** Vmas on their way out. Linux: struct vma_munmap_struct */
export interface GatheredVmas {
  readonly mm: Mm;
  /** What the caller unmaps; the vmas may begin later and end sooner. */
  readonly start: number;
  readonly end: number;
  readonly vmas: readonly Vma[];
  /** Where the neighbours end and begin. */
  readonly floor: number;
  readonly ceiling: number;
}

/**
 * Takes the vmas of [start, end) out of the list, after cutting those at its borders. On -EINVAL or -ENOMEM the list
 * is as before, but for the first cut. mmap_lock is held for write.
 * Linux: mm/vma.c:vms_gather_munmap_vmas()
 */
export function* vmsGatherMunmapVmas(
  mm: Mm,
  start: number,
  end: number,
  events: PendingEvents,
): Coroutine<GatheredVmas | number> {
  mmapAssertWriteLocked(mm);
  const first = mm.findVma(start);
  if (first !== null && first.start < start && start < first.end) {
    if (end < first.end && mm.vmas.length >= mm.memory.maxMapCount) return -ENOMEM;
    const error = yield* splitVmaUnlimited(first, start, { newBelow: true });
    if (error !== 0) return error;
  }
  const last = mm.findVma(end - 1);
  if (last !== null && last.start < end && last.end > end) {
    const error = yield* splitVmaUnlimited(last, end, { newBelow: false });
    if (error !== 0) return error;
  }
  const floor = vmaBefore(mm, start)?.end ?? 0;
  const from = mm.findVmaIndex(start);
  let to = from;
  while (to < mm.vmas.length && mm.vmas[to]!.start < end) to++;
  mm.touch(Shared.vmaList, Access.write);
  const vmas = mm.vmas.splice(from, to - from);
  mm.memory.kernelMemory.give('object', vmas.length);
  for (const vma of vmas) userfaultfdUnmapPrep(vma, start, end, events);
  return { mm, start, end, vmas, floor, ceiling: mm.vmas[from]?.start ?? Infinity };
}

/**
 * Removes the entries and the tables that became free, and closes the vmas. mmap_lock is held.
 * Linux: mm/vma.c:vms_clean_up_area(), vms_clear_ptes(), mm/memory.c:unmap_vmas()
 */
export function* vmsCleanUpArea({ mm, start, end, vmas, floor, ceiling }: GatheredVmas): Coroutine<void> {
  mmapAssertLocked(mm);
  if (vmas.length === 0) return;
  const range: NotifierRange = { mm, start, end, event: 'UNMAP', owner: null };
  const gather = new TlbGather(mm);
  yield* mmuNotifierInvalidateRangeStart(range);
  for (const vma of vmas) yield* unmapSingleVma(gather, vma);
  yield* mmuNotifierInvalidateRangeEnd(range);
  yield* freePgtables(mm, vmas, { floor, ceiling });
  yield* gather.tlbFinishMmu();
  for (const vma of vmas) vma.ops?.close?.(vma);
}

/**
 * The files of vmas that are gone are dropped once mmap_lock is free. The entries went before, in `vmsCleanUpArea`.
 * Linux: mm/vma.c:vms_complete_munmap_vmas()
 */
export function vmsCompleteMunmapVmas({ vmas }: GatheredVmas, { files }: AfterUnlock): void {
  for (const vma of vmas) {
    assert(vma.anonVma === null && vma.avcs.length === 0, 'an unmapped vma is still linked');
    if (vma.file !== null) files.push(vma.file);
  }
}
