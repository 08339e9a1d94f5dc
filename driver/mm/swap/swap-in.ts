import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { FAULT, VM_FAULT } from '../faults/fault-code.js';
import { doWpPage } from '../faults/fault-wp.js';
import { pteOffsetMapLock, type VmFault } from '../faults/vm-fault.js';
import {
  folioAddLru,
  folioGet,
  folioLock,
  folioPut,
  folioSetLocked,
  folioUnlock,
  folioUnlockAndPut,
} from '../frames/folio.js';
import { PG } from '../frames/frames.js';
import { folioAddAnonRmapPte, folioSetAnon } from '../frames/rmap.js';
import type { Memory } from '../memory.js';
import { Pte } from '../tables/entry.js';
import { pteIndex, type Table } from '../tables/page-table.js';
import { mkPte, pteMkuffdWp, pteNeedsSoftDirtyWp, userfaultfdPteWp } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlUnlock } from '../tables/ptl.js';
import { VM } from '../vmas/vm-flags.js';
import { addToSwapCache, folioFreeSwap } from './swap-cache.js';

const READ_POINT = preemptPoint('swap_read');

/**
 * A fault on a SWAP entry: the page is mapped again, writable if it is this process's alone. VM_FAULT.* bits.
 * Linux: part of mm/memory.c:do_swap_page()
 */
export function* swapInPage(fault: VmFault): Coroutine<number> {
  const { vma } = fault;
  const { memory } = vma.mm;
  const slot = fault.hi;
  const pfn = yield* swapCacheFolioLocked(memory, slot);
  const { scheduler } = memory.kernel;
  if (scheduler.isFine) yield FINE.ptl;
  if (pfn === 0) {
    const table = pteOffsetMapLock(fault);
    if (table !== null) ptlUnlock(vma.mm);
    return table === null ? 0 : VM_FAULT.oom;
  }
  if (!memory.frames.hasFlags(pfn, PG.uptodate)) {
    folioUnlock(memory, pfn);
    folioPut(memory, pfn);
    return VM_FAULT.sigbus;
  }
  const isOurs = memory.frames.hasFlags(pfn, PG.swapcache) && memory.frames.swapSlot(pfn) === slot;
  const table = isOurs ? pteOffsetMapLock(fault) : null;
  if (table === null) {
    // Deviates: Linux leaves a slot that lost its last entry meanwhile to a later reclaim.
    folioFreeSwap(memory, pfn);
    yield* folioUnlockAndPut(memory, pfn);
    return 0;
  }
  const isWritten = mapSwappedPage(fault, table, pfn);
  folioUnlock(memory, pfn);
  ptlUnlock(vma.mm);
  if (!(fault.flags & FAULT.write) || isWritten) return 0;
  return (yield* doWpPage(fault)) & ~VM_FAULT.major;
}

/**
 * The folio that caches `slot`, read from the device when there is none; locked and with one reference for the caller.
 * It may have lost the slot while the caller waited for the lock. 0 without memory, or when the slot is free by now.
 * Linux: part of mm/memory.c:do_swap_page(), with page-cluster 0
 */
export function* swapCacheFolioLocked(memory: Memory, slot: number): Coroutine<number> {
  const { frames, swap, kernel } = memory;
  if (kernel.scheduler.isFine) yield FINE.cache;
  // Nobody names it any more. Linux: mm/swapfile.c:swapcache_prepare()
  if (!swap.isUsed(slot)) return 0;
  const cached = swap.cachedPfn(slot);
  if (cached !== 0) {
    folioGet(memory, cached);
    yield* folioLock(memory, cached);
    return cached;
  }
  const pfn = memory.allocator.allocate();
  if (pfn === 0) return 0;
  folioSetLocked(memory, pfn);
  swap.setCached(slot, pfn);
  addToSwapCache(memory, pfn, slot);
  if (kernel.scheduler.contended) yield READ_POINT;
  const injected = kernel.inject.armed ? yield* kernel.inject.reach(InjectPoint.swapRead) : 0;
  memory.contentChanges(pfn);
  swap.read(slot, memory.bytes, pfn);
  // A page whose read failed stays in the cache without the mark, and nobody reads it again.
  frames.setFlags(pfn, injected === 0 ? PG.swapbacked | PG.uptodate : PG.swapbacked);
  folioAddLru(memory, pfn);
  return pfn;
}

/**
 * Replaces the SWAP entry, under the ptl; the caller's reference becomes the mapping's. True when the write is done
 * with. The folio is locked.
 */
function mapSwappedPage(fault: VmFault, table: Table, pfn: number): boolean {
  ptlAssertHeld(fault.vma.mm);
  fault.vma.mm.memory.frames.assertLocked(pfn);
  const { vma, addr, flags } = fault;
  const { memory } = vma.mm;
  const { frames } = memory;
  const isWrite = (flags & FAULT.write) !== 0;
  assert(!frames.isAnonExclusive(pfn), 'pfn % is exclusive and in swap', pfn);
  const wasExclusive = (fault.lo & Pte.exclusive) !== 0;
  memory.swap.swapFree(fault.hi);
  // A reader keeps the slot: a page that stays clean can be dropped again without writing it.
  if (memory.swap.vmSwapFull || (isWrite && frames.refcount(pfn) === 2)) folioFreeSwap(memory, pfn);
  vma.mm.rss.anon++;
  vma.mm.rss.swap--;
  let lo = mkPte(vma) | (fault.lo & Pte.softDirty);
  if (fault.lo & Pte.uffdWp) lo = pteMkuffdWp(lo);
  const exclusive = wasExclusive || frames.refcount(pfn) === 1;
  const isTracked = pteNeedsSoftDirtyWp(vma, lo) || userfaultfdPteWp(vma, lo);
  const isWritable = exclusive && (vma.flags & VM.write) !== 0 && !isTracked;
  if (isWritable) lo |= isWrite ? Pte.write | Pte.dirtied : Pte.write;
  if (!frames.hasFlags(pfn, PG.anon)) folioSetAnon(memory, pfn, vma, { addr, exclusive });
  folioAddAnonRmapPte(memory, pfn, exclusive);
  fault.lo = lo;
  fault.hi = pfn;
  table.set(pteIndex(fault.vpn), lo, pfn);
  return isWrite && isWritable;
}
