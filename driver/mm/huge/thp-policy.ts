import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import type { Table } from '../tables/page-table.js';
import { pmdIndex } from '../tables/page-table.js';
import type { Mm } from '../vmas/mm.js';
import { VM, VM_SPECIAL } from '../vmas/vm-flags.js';
import { type Vma, vmaIsAnonymous } from '../vmas/vma.js';

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

/** Does the aligned 2 MiB around `addr` lie inside the vma? Linux: include/linux/huge_mm.h:thp_vma_suitable_order() */
export function thpVmaSuitableOrder(vma: Vma, addr: number): boolean {
  const start = hugeStart(addr);
  return start >= vma.start && start + HPAGE_PMD_SIZE <= vma.end;
}

/**
 * May a page fault at `addr` be served with a huge page? Shared memory gets none here: tmpfs is mounted without huge
 * pages. Linux: include/linux/huge_mm.h:thp_vma_allowable_order() with TVA_IN_PF | TVA_ENFORCE_SYSFS
 */
export function thpVmaAllowableOrder(vma: Vma, addr: number): boolean {
  if (!vmaIsAnonymous(vma) || vma.flags & VM.nohugepage) return false;
  const { thpEnabled, thpPmdEnabled } = vma.mm.memory;
  const enabled = thpPmdEnabled === 'inherit' ? thpEnabled : thpPmdEnabled;
  if (enabled === 'never' || (enabled === 'madvise' && !(vma.flags & VM.hugepage))) return false;
  return thpVmaSuitableOrder(vma, addr);
}

/**
 * May MADV_COLLAPSE work on this vma? It ignores the `enabled` setting.
 * Deviates: only anonymous memory is collapsed; Linux collapses shmem and read-only files too.
 * Linux: part of mm/huge_memory.c:__thp_vma_allowable_orders(), without flags
 */
export function thpVmaCollapsible(vma: Vma): boolean {
  if (!vmaIsAnonymous(vma) || vma.flags & (VM.nohugepage | VM_SPECIAL | VM.hugetlb)) return false;
  return thpVmaSuitableOrder(vma, vma.end - HPAGE_PMD_SIZE) && vma.anonVma !== null;
}

/** The vpn of the first page of the 2 MiB part that holds `addr`. */
export function hugeVpn(addr: number): number {
  return hugeStart(addr) / PAGE_SIZE;
}
