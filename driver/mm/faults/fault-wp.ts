import { type Coroutine, FINE } from '../../core/effect.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import { backingPfn, copyPage, folioAddLru, folioGet, folioPut, folioTrylock, folioUnlock } from '../frames/folio.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddNewAnonRmap, folioMoveAnonRmap, folioRemoveRmapPtes } from '../frames/rmap.js';
import type { Memory } from '../memory.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { folioFreeSwap, freeSwapCache } from '../swap/swap-cache.js';
import { Pte } from '../tables/entry.js';
import { pteIndex, type Table } from '../tables/page-table.js';
import { addMmCounter, folioMarkDirty, maybeMkwrite, mkPte, userfaultfdPteWp } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlUnlock } from '../tables/ptl.js';
import { flushTlbPage } from '../tables/tlb.js';
import { userfaultfdWpAsync } from '../userfault/ctx.js';
import { handleUserfault } from '../userfault/handle-userfault.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { allocZeroedPage } from './fault-anon.js';
import { FAULT, VM_FAULT } from './fault-code.js';
import { pteOffsetMapLock, type VmFault } from './vm-fault.js';

/** A write (or an unshare for a pin) meets a present read-only entry. Linux: mm/memory.c:do_wp_page() */
export function* doWpPage(fault: VmFault): Coroutine<number> {
  const { vma } = fault;
  const { memory } = vma.mm;
  if (memory.kernel.scheduler.isFine) yield FINE.ptl;
  const table = pteOffsetMapLock(fault);
  if (table === null) return 0;
  if (!(fault.flags & FAULT.unshare) && userfaultfdPteWp(vma, fault.lo)) {
    if (!userfaultfdWpAsync(vma)) {
      ptlUnlock(vma.mm);
      return yield* handleUserfault(fault, VM.uffdWp);
    }
    fault.lo &= ~Pte.uffdWp;
    table.setLo(pteIndex(fault.vpn), fault.lo);
  }
  const pfn = fault.lo & Pte.special ? 0 : fault.hi;
  if (vma.flags & VM.shared) return wpPageShared(fault, table, pfn);
  if (pfn !== 0 && memory.frames.isAnon(pfn) && wpCanReuseAnonFolio(memory, pfn, vma)) {
    memory.frames.setFlags(pfn, PG.anonExclusive);
    if (!(fault.flags & FAULT.unshare)) wpPageReuse(fault, table);
    ptlUnlock(vma.mm);
    return 0;
  }
  if (pfn !== 0) folioGet(memory, pfn);
  ptlUnlock(vma.mm);
  return yield* wpPageCopy(fault, pfn);
}

/** tmpfs and device pages need no permission of their file: the entry becomes writable. Linux: mm/memory.c:wp_page_shared() */
function wpPageShared(fault: VmFault, table: Table, pfn: number): number {
  if (pfn !== 0) folioMarkDirty(fault.vma.mm.memory, pfn);
  wpPageReuse(fault, table);
  ptlUnlock(fault.vma.mm);
  return 0;
}

/** Under the ptl. Linux: mm/memory.c:wp_page_reuse() */
function wpPageReuse(fault: VmFault, table: Table): void {
  ptlAssertHeld(fault.vma.mm);
  const i = pteIndex(fault.vpn);
  table.setLo(i, maybeMkwrite(table.lo(i) | Pte.young | Pte.dirtied, fault.vma));
}

/** Is this mapping the page's only reference, so that it needs no copy? Linux: mm/memory.c:wp_can_reuse_anon_folio() */
function wpCanReuseAnonFolio(memory: Memory, pfn: number, vma: Vma): boolean {
  const { frames } = memory;
  if (frames.isAnonExclusive(pfn)) return true;
  if (frames.hasFlags(pfn, PG.head | PG.tail)) return false;
  const inSwapCache = frames.hasFlags(pfn, PG.swapcache) ? 1 : 0;
  if (!frames.hasRefcountAtMost(pfn, 1 + inSwapCache) || !folioTrylock(memory, pfn)) return false;
  if (inSwapCache) folioFreeSwap(memory, pfn);
  const sole = frames.hasRefcountAtMost(pfn, 1);
  if (sole) folioMoveAnonRmap(memory, pfn, vma);
  folioUnlock(memory, pfn);
  return sole;
}

/** Gives the vma its own copy of `oldPfn` (0: of the zero page), which the caller has referenced. Linux: mm/memory.c:wp_page_copy() */
function* wpPageCopy(fault: VmFault, oldPfn: number): Coroutine<number> {
  const { vma } = fault;
  const { mm } = vma;
  const { memory } = mm;
  yield* anonVmaPrepare(vma);
  const newPfn = oldPfn === 0 ? allocZeroedPage(memory) : memory.allocator.allocate();
  if (newPfn === 0) {
    if (oldPfn !== 0) folioPut(memory, oldPfn);
    return VM_FAULT.oom;
  }
  const { scheduler } = memory.kernel;
  if (oldPfn !== 0 && scheduler.isFine) yield FINE.content;
  if (oldPfn !== 0) copyPage(memory, newPfn, backingPfn(memory, oldPfn));
  const range: NotifierRange = { mm, start: fault.addr, end: fault.addr + PAGE_SIZE, event: 'CLEAR', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  const table = pteOffsetMapLock(fault);
  if (table !== null) replaceByCopy(fault, table, { oldPfn, newPfn });
  yield* mmuNotifierInvalidateRangeEnd(range);
  if (table === null) folioPut(memory, newPfn);
  if (oldPfn !== 0) {
    if (scheduler.isFine) yield FINE.refcount;
    if (table !== null) freeSwapCache(memory, oldPfn);
    folioPut(memory, oldPfn);
  }
  return 0;
}

/** Puts the copy in place of the old page; called with the ptl, which it releases. */
function replaceByCopy(fault: VmFault, table: Table, { oldPfn, newPfn }: { oldPfn: number; newPfn: number }): void {
  ptlAssertHeld(fault.vma.mm);
  const { vma } = fault;
  const { mm } = vma;
  const { memory } = mm;
  if (oldPfn !== 0) addMmCounter(mm, oldPfn, -1);
  mm.rss.anon++;
  memory.frames.setFlags(newPfn, PG.uptodate);
  folioAddNewAnonRmap(memory, newPfn, vma, fault.addr);
  folioAddLru(memory, newPfn);
  const i = pteIndex(fault.vpn);
  const lo = mkPte(vma);
  const unshared = lo | (fault.lo & (Pte.softDirty | Pte.uffdWp));
  flushTlbPage(mm, fault.vpn);
  table.set(i, fault.flags & FAULT.unshare ? unshared : maybeMkwrite(lo | Pte.dirtied, vma), newPfn);
  if (oldPfn !== 0) {
    folioRemoveRmapPtes(memory, oldPfn);
    folioPut(memory, oldPfn);
  }
  ptlUnlock(mm);
}
