import { HPAGE_PMD_ORDER, HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import type { Table } from '../tables/page-table.js';
import { pmdIndex } from '../tables/page-table.js';
import type { Mm } from '../vmas/mm.js';
import { VM, VM_SPECIAL } from '../vmas/vm-flags.js';
import { mapsShmem, type Vma, vmaHasAnonVma, vmaIsAnonymous } from '../vmas/vma.js';

const PMD_ORDERS = 1 << HPAGE_PMD_ORDER;

/** What anonymous memory can have: order 1 has no room for what Linux keeps of a folio. Linux: include/linux/huge_mm.h:THP_ORDERS_ALL_ANON */
export const THP_ORDERS_ALL_ANON = (PMD_ORDERS << 1) - 4;

/** Of each size whose word is not `never`, which it is. Linux: huge_anon_orders_always and its like */
export type ThpOrders = Readonly<Record<'always' | 'madvise' | 'inherit', number>>;

/** 2 MiB go by the word for all, and no other size is used. */
export const DEFAULT_THP_ORDERS: ThpOrders = { always: 0, madvise: 0, inherit: PMD_ORDERS };

/** The start of the 2 MiB part that holds `addr`. */
export function hugeStart(addr: number): number {
  return Math.floor(addr / HPAGE_PMD_SIZE) * HPAGE_PMD_SIZE;
}

/** Where the PMD entry of a vpn is kept. */
export interface PmdSlot {
  readonly table: Table;
  readonly index: number;
}

/** The slot of `vpn`'s PMD entry, or null when no PMD table is there. Linux: mm/rmap.c:mm_find_pmd() */
export function mmFindPmd(mm: Mm, vpn: number): PmdSlot | null {
  const table = mm.pageTable.pmdTable(vpn);
  return table === null ? null : { table, index: pmdIndex(vpn) };
}

/**
 * Does the aligned part of 2^`order` pages around `addr` lie inside the vma, and of a file at an index that is aligned too?
 * Linux: include/linux/huge_mm.h:thp_vma_suitable_order()
 */
export function thpVmaSuitableOrder(vma: Vma, addr: number, order = HPAGE_PMD_ORDER): boolean {
  if (!vmaIsAnonymous(vma) && (vma.start / PAGE_SIZE - vma.pgoff) % (1 << order) !== 0) return false;
  const size = PAGE_SIZE << order;
  const start = addr - (addr % size);
  return start >= vma.start && start + size <= vma.end;
}

/** Those of `orders` that are suitable. Linux: include/linux/huge_mm.h:thp_vma_suitable_orders() */
export function thpVmaSuitableOrders(vma: Vma, addr: number, orders: number): number {
  let suitable = orders;
  while (suitable !== 0 && !thpVmaSuitableOrder(vma, addr, highestOrder(suitable))) suitable = nextOrder(suitable);
  return suitable;
}

/** Linux: include/linux/huge_mm.h:highest_order() */
export function highestOrder(orders: number): number {
  return 31 - Math.clz32(orders);
}

/** Linux: include/linux/huge_mm.h:next_order() */
export function nextOrder(orders: number): number {
  return orders & ~(1 << highestOrder(orders));
}

/** Who asks whether a vma may have huge pages. Linux: include/linux/huge_mm.h */
export const TVA = { smaps: 1, inPf: 2, enforceSysfs: 4 } as const;

/** By madvise(2) or prctl(2). Linux: include/linux/huge_mm.h:vma_thp_disabled() */
export function vmaThpDisabled(vma: Vma, flags = vma.flags): boolean {
  return (flags & VM.nohugepage) !== 0 || vma.mm.isThpDisabled;
}

/** For 2 MiB. Linux: include/linux/huge_mm.h:thp_vma_allowable_order() */
export function thpVmaAllowableOrder(vma: Vma, tva: number, flags = vma.flags): boolean {
  return thpVmaAllowableOrders(vma, tva, { orders: PMD_ORDERS, flags }) !== 0;
}

/**
 * Those of `orders`, one bit each, that a vma may have; `flags` are those that it is about to get. But for a fault they are only told to
 * fit somewhere. Linux: include/linux/huge_mm.h:thp_vma_allowable_orders(), part of mm/huge_memory.c:__thp_vma_allowable_orders()
 */
export function thpVmaAllowableOrders(
  vma: Vma,
  tva: number,
  { orders, flags = vma.flags }: { orders: number; flags?: number },
): number {
  const inPf = (tva & TVA.inPf) !== 0;
  if (vmaThpDisabled(vma, flags)) return 0;
  if (!vmaIsAnonymous(vma)) return shmemAllowableHugeOrders(vma, tva, { orders, flags });
  const allowed = tva & TVA.enforceSysfs ? orders & enabledOrders(vma.mm.memory, flags) : orders;
  if (inPf || allowed === 0) return allowed;
  if (!(tva & TVA.smaps) && (flags & (VM_SPECIAL | VM.hugetlb) || !vmaHasAnonVma(vma))) return 0;
  let fitting = allowed;
  while (
    fitting !== 0 &&
    !thpVmaSuitableOrder(vma, vma.end - (PAGE_SIZE << highestOrder(fitting)), highestOrder(fitting))
  )
    fitting = nextOrder(fitting);
  return fitting;
}

/**
 * Of tmpfs 2 MiB, for MADV_COLLAPSE, which needs no leave of /sys. Deviates: nobody else makes large pages there, neither a fault nor
 * khugepaged, as if `never` stood in shmem_enabled, with which 6.12 begins. Linux: mm/shmem.c:shmem_allowable_huge_orders()
 */
function shmemAllowableHugeOrders(vma: Vma, tva: number, { orders, flags }: { orders: number; flags: number }): number {
  if (!mapsShmem(vma) || tva !== 0 || flags & (VM_SPECIAL | VM.hugetlb)) return 0;
  return thpVmaSuitableOrder(vma, vma.end - HPAGE_PMD_SIZE) ? orders & PMD_ORDERS : 0;
}

/** What /sys allows in a vma with these flags. */
export function enabledOrders({ thpEnabled, thpOrders }: Memory, flags: number): number {
  const isAdvised = (flags & VM.hugepage) !== 0;
  const inherits = thpEnabled === 'always' || (isAdvised && thpEnabled === 'madvise');
  return thpOrders.always | (isAdvised ? thpOrders.madvise : 0) | (inherits ? thpOrders.inherit : 0);
}

/** Linux: mm/khugepaged.c:hugepage_pmd_enabled() */
export function hugepagePmdEnabled({ thpEnabled, thpOrders }: Memory): boolean {
  const { always, madvise, inherit } = thpOrders;
  return ((always | madvise | (thpEnabled === 'never' ? 0 : inherit)) & PMD_ORDERS) !== 0;
}

/** The vpn of the first page of the 2 MiB part that holds `addr`. */
export function hugeVpn(addr: number): number {
  return hugeStart(addr) / PAGE_SIZE;
}
