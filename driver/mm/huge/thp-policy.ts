import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import type { Memory } from '../memory.js';
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

/** Who asks whether a vma may have huge pages. Linux: include/linux/huge_mm.h */
export const TVA = { inPf: 2, enforceSysfs: 4 } as const;

/**
 * For an order of 2 MiB; `flags` are those that the vma is about to get.
 * Linux: include/linux/huge_mm.h:thp_vma_allowable_order(), part of mm/huge_memory.c:__thp_vma_allowable_orders()
 */
export function thpVmaAllowableOrder(vma: Vma, tva: number, flags = vma.flags): boolean {
  const inPf = (tva & TVA.inPf) !== 0;
  if (!vmaIsAnonymous(vma) || flags & VM.nohugepage) return false;
  if (tva & TVA.enforceSysfs && !isAnonEnabled(vma.mm.memory, flags)) return false;
  if (inPf) return true;
  if (flags & (VM_SPECIAL | VM.hugetlb) || !thpVmaSuitableOrder(vma, vma.end - HPAGE_PMD_SIZE)) return false;
  return vma.anonVma !== null;
}

function pmdEnabled({ thpEnabled, thpPmdEnabled }: Memory): Memory['thpEnabled'] {
  return thpPmdEnabled === 'inherit' ? thpEnabled : thpPmdEnabled;
}

function isAnonEnabled(memory: Memory, flags: number): boolean {
  const enabled = pmdEnabled(memory);
  return enabled === 'always' || (enabled === 'madvise' && (flags & VM.hugepage) !== 0);
}

/** Linux: mm/khugepaged.c:hugepage_pmd_enabled() */
export function hugepagePmdEnabled(memory: Memory): boolean {
  return pmdEnabled(memory) !== 'never';
}

/** The vpn of the first page of the 2 MiB part that holds `addr`. */
export function hugeVpn(addr: number): number {
  return hugeStart(addr) / PAGE_SIZE;
}
