import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { Access, lastDrop, Shared } from '../../core/observer.js';
import { unlinkAnonVmas } from '../frames/anon-rmap.js';
import { khugepagedExit } from '../huge/khugepaged-enter.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { flushTlbMm } from '../tables/tlb.js';
import { TlbGather } from '../tables/tlb-gather.js';
import { unmapSingleVma } from '../tables/zap.js';
import { type Mm, mmdrop } from './mm.js';
import type { Vma } from './vma.js';
import { lockRmap, unlockRmap } from './vma-list.js';

/** Drops one user; the last one tears the address space down. Linux: kernel/fork.c:mmput() */
export function* mmput(mm: Mm): Coroutine<void> {
  mm.touch(Shared.mmUsers, Access.drop);
  assert(mm.users > 0, 'mm % has no user', mm.id);
  mm.users--;
  mm.touch(Shared.mmUsers, lastDrop(mm.users));
  if (mm.users > 0) return;
  yield* khugepagedExit(mm);
  yield* exitMmap(mm);
  mmdrop(mm);
}

/** Subscribers are told first, then all entries, tables and vmas go. Linux: mm/mmap.c:exit_mmap() */
function* exitMmap(mm: Mm): Coroutine<void> {
  if (mm.notifier !== null) yield* mm.notifier.release(mm);
  yield* mm.mmapLock.readLock();
  const gather = new TlbGather(mm);
  for (const vma of mm.vmas) yield* unmapSingleVma(gather, vma);
  mm.mmapLock.readUnlock();
  yield* mm.mmapLock.writeLock();
  const vmas = mm.vmas.splice(0);
  mm.memory.kernelMemory.give('object', vmas.length);
  const { scheduler } = mm.memory.kernel;
  for (const vma of vmas) {
    const locks = yield* lockRmap(vma);
    unlinkDeadVma(vma);
    unlockRmap(locks);
  }
  if (scheduler.isFine) yield FINE.ptl;
  ptlLock(mm);
  mm.pageTable.destroy();
  flushTlbMm(mm);
  ptlUnlock(mm);
  yield* gather.tlbFinishMmu();
  mm.mmapLock.writeUnlock();
  mm.memory.mms.delete(mm);
  for (const vma of vmas) yield* dropFile(vma);
}

function unlinkDeadVma(vma: Vma): void {
  unlinkAnonVmas(vma);
  const mappers = vma.file?.mapping?.vmas;
  mappers?.splice(mappers.indexOf(vma), 1);
}

function* dropFile(vma: Vma): Coroutine<void> {
  vma.ops?.close?.(vma);
  if (vma.file !== null) yield* vma.file.put();
}
