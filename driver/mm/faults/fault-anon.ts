import { type Coroutine, FINE } from '../../core/effect.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import { clearPage, folioAddLru, folioGet, folioPut } from '../frames/folio.js';
import { ZERO_PFN } from '../frames/frame-allocator.js';
import { HPAGE_PMD_ORDER, PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddNewAnonRmap } from '../frames/rmap.js';
import {
  enabledOrders,
  highestOrder,
  nextOrder,
  THP_ORDERS_ALL_ANON,
  TVA,
  thpVmaAllowableOrders,
  thpVmaSuitableOrders,
} from '../huge/thp-policy.js';
import type { Memory } from '../memory.js';
import { Kind, Pte } from '../tables/entry.js';
import { pteIndex, type Table } from '../tables/page-table.js';
import { mkPte } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlUnlock } from '../tables/ptl.js';
import { userfaultfdArmed } from '../userfault/ctx.js';
import { handleUserfault } from '../userfault/handle-userfault.js';
import { VM } from '../vmas/vm-flags.js';
import { FAULT, VM_FAULT } from './fault-code.js';
import { keepUffdWp, pteOffsetMapLock, type VmFault } from './vm-fault.js';

/** First touch of anonymous memory: the zero page for a read, a cleared page or folio for a write. Linux: mm/memory.c:do_anonymous_page() */
export function* doAnonymousPage(fault: VmFault): Coroutine<number> {
  const { vma } = fault;
  if (vma.flags & VM.shared) return VM_FAULT.sigbus;
  if (!(fault.flags & FAULT.write)) return yield* mapZeroPage(fault);
  yield* anonVmaPrepare(vma);
  const { memory } = vma.mm;
  const head = allocAnonFolio(fault);
  if (head === 0) return VM_FAULT.oom;
  const order = memory.frames.order(head);
  if (memory.kernel.scheduler.isFine) yield FINE.ptl;
  const table = order === 0 ? pteOffsetMapLock(fault) : lockNoneRange(fault, order);
  if (table === null) {
    folioPut(memory, head);
    return 0;
  }
  if (vma.flags & VM.uffdMissing) {
    ptlUnlock(vma.mm);
    folioPut(memory, head);
    return yield* handleUserfault(fault, VM.uffdMissing);
  }
  mapAnonFolio(fault, table, { head, order });
  ptlUnlock(vma.mm);
  return 0;
}

/**
 * The largest folio that the vma may have around the address, that covers nothing but holes, and for which there is memory; else a page.
 * Cleared, with one reference; 0 without memory. Linux: mm/memory.c:alloc_anon_folio()
 */
function allocAnonFolio(fault: VmFault): number {
  const { memory } = fault.vma.mm;
  for (let orders = ordersOfHoles(fault); orders !== 0; orders = nextOrder(orders)) {
    const order = highestOrder(orders);
    const head = memory.allocator.allocateFolio(order);
    if (head !== 0) return zeroedFolio(memory, head, 1 << order);
    memory.mthpStats.countMthpStat(order, 'anon_fault_fallback');
  }
  return allocZeroedPage(memory);
}

/** Nobody has the ptl, so that this is a guess. Linux: part of mm/memory.c:alloc_anon_folio() */
function ordersOfHoles({ vma, addr, vpn }: VmFault): number {
  const enabled = enabledOrders(vma.mm.memory, vma.flags) & SMALLER_ORDERS;
  if (enabled === 0 || userfaultfdArmed(vma)) return 0;
  let orders = thpVmaSuitableOrders(vma, addr, thpVmaAllowableOrders(vma, TVA.inPf, { orders: enabled }));
  const table = orders === 0 ? null : vma.mm.pageTable.pteTable(vpn);
  while (table !== null && orders !== 0 && !pteRangeNone(table, pteIndex(vpn), highestOrder(orders)))
    orders = nextOrder(orders);
  return orders;
}

/** Those below 2 MiB. */
const SMALLER_ORDERS = THP_ORDERS_ALL_ANON & ~(1 << HPAGE_PMD_ORDER);

/** The aligned part of the table around entry `i`. Linux: mm/memory.c:pte_range_none() */
function pteRangeNone(table: Table, i: number, order: number): boolean {
  const first = i & -(1 << order);
  for (let n = first; n < first + (1 << order); n++) if (table.loLockless(n) !== Kind.none) return false;
  return true;
}

/** As `pteOffsetMapLock`, if all entries of the folio's part are holes. */
function lockNoneRange(fault: VmFault, order: number): Table | null {
  const table = pteOffsetMapLock(fault);
  if (table === null || pteRangeNone(table, pteIndex(fault.vpn), order)) return table;
  ptlUnlock(fault.vma.mm);
  return null;
}

/** Under the ptl. */
function mapAnonFolio(fault: VmFault, table: Table, { head, order }: { head: number; order: number }): void {
  const { vma } = fault;
  const { memory } = vma.mm;
  const nr = 1 << order;
  ptlAssertHeld(vma.mm);
  if (order > 0) {
    folioGet(memory, head, nr - 1);
    memory.mthpStats.countMthpStat(order, 'anon_fault_alloc');
  }
  vma.mm.rss.anon += nr;
  folioAddNewAnonRmap(memory, head, vma, fault.addr - (fault.addr % (nr * PAGE_SIZE)));
  folioAddLru(memory, head);
  const lo = keepUffdWp(fault, mkPte(vma) | (vma.flags & VM.write ? Pte.write | Pte.dirtied : 0));
  const first = pteIndex(fault.vpn) & -nr;
  for (let n = 0; n < nr; n++) table.set(first + n, lo, head + n);
}

function* mapZeroPage(fault: VmFault): Coroutine<number> {
  if (fault.vma.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  const table = pteOffsetMapLock(fault);
  if (table === null) return 0;
  if (fault.vma.flags & VM.uffdMissing) {
    ptlUnlock(fault.vma.mm);
    return yield* handleUserfault(fault, VM.uffdMissing);
  }
  const i = pteIndex(fault.vpn);
  table.set(i, keepUffdWp(fault, mkPte(fault.vma) | Pte.special), ZERO_PFN);
  ptlUnlock(fault.vma.mm);
  return 0;
}

/** A frame full of zeroes with one reference, or 0. */
export function allocZeroedPage(memory: Memory): number {
  const pfn = memory.allocator.allocate();
  return pfn === 0 ? 0 : zeroedFolio(memory, pfn, 1);
}

function zeroedFolio(memory: Memory, head: number, nr: number): number {
  clearPage(memory, head, nr);
  memory.frames.setFlags(head, PG.uptodate);
  return head;
}
