import type { Memory } from '../memory.js';
import { Kind, kindOf } from '../tables/entry.js';
import type { Table } from '../tables/page-table.js';
import type { Mm } from '../vmas/mm.js';
import { type Vma, vmaHasAnonVma, vmaIsAnonymous } from '../vmas/vma.js';
import { hugeVpn, mmFindPmd, type PmdSlot, TVA, thpVmaAllowableOrder, thpVmaSuitableOrder } from './thp-policy.js';

/** What came of 2 MiB. Linux: mm/khugepaged.c:enum scan_result */
export type ScanResult =
  | 'succeed'
  | 'fail'
  | 'pmd_null'
  | 'pmd_none'
  | 'pmd_mapped'
  | 'exceed_none_pte'
  | 'exceed_swap_pte'
  | 'exceed_shared_pte'
  | 'pte_non_present'
  | 'pte_uffd_wp'
  | 'page_ro'
  | 'lack_referenced_page'
  | 'page_null'
  | 'page_count'
  | 'page_lru'
  | 'page_lock'
  | 'page_anon'
  | 'any_process'
  | 'vma_null'
  | 'vma_check'
  | 'address_range'
  | 'del_page_lru'
  | 'pte_mapped_hugepage'
  | 'page_compound'
  | 'page_filled'
  | 'truncated'
  | 'alloc_huge_page_fail';

/** Up to how many small entries may be what. Linux: khugepaged_max_ptes_none, _swap and _shared */
interface ScanLimits {
  readonly none: number;
  readonly swap: number;
  readonly shared: number;
}

const NO_LIMITS: ScanLimits = { none: Infinity, swap: Infinity, shared: Infinity };

/** On whose behalf pages are collapsed: khugepaged's, or that of madvise(2), which asks for it whatever it costs. Linux: struct collapse_control */
export interface CollapseControl {
  readonly isKhugepaged: boolean;
  readonly limits: ScanLimits;
}

export const MADVISE_CONTROL: CollapseControl = { isKhugepaged: false, limits: NO_LIMITS };

/** With the limits that are set now. */
export function khugepagedControl({ khugepaged }: Memory): CollapseControl {
  const { maxPtesNone: none, maxPtesSwap: swap, maxPtesShared: shared } = khugepaged.knobs;
  return { isKhugepaged: true, limits: { none, swap, shared } };
}

/** Nobody collapses there. Linux: mm/khugepaged.c:hpage_collapse_test_exit_or_disable() */
export function hpageCollapseTestExitOrDisable(mm: Mm): boolean {
  return mm.users === 0 || mm.isThpDisabled;
}

/** The vma of `addr` if it may still be collapsed. Linux: mm/khugepaged.c:hugepage_vma_revalidate() */
export function hugepageVmaRevalidate(
  mm: Mm,
  addr: number,
  { expectsAnon, cc }: { expectsAnon: boolean; cc: CollapseControl },
): Vma | ScanResult {
  if (hpageCollapseTestExitOrDisable(mm)) return 'any_process';
  const vma = mm.findVma(addr);
  if (vma === null) return 'vma_null';
  if (!thpVmaSuitableOrder(vma, addr)) return 'address_range';
  if (!thpVmaAllowableOrder(vma, cc.isKhugepaged ? TVA.enforceSysfs : 0)) return 'vma_check';
  return expectsAnon && (!vmaHasAnonVma(vma) || !vmaIsAnonymous(vma)) ? 'page_anon' : vma;
}

/**
 * The page table of the part, or why there is none to collapse: 2 MiB that migrate will be a huge page again. 6.12 takes them for
 * nothing, but has none here. Linux: mm/khugepaged.c:find_pmd_or_thp_or_none(), check_pmd_state() of 6.19
 */
export function findPmdOrThpOrNone(mm: Mm, addr: number): { slot: PmdSlot; table: Table } | ScanResult {
  const slot = mmFindPmd(mm, hugeVpn(addr));
  if (slot === null) return 'pmd_null';
  const lo = slot.table.lo(slot.index);
  if (kindOf(lo) === Kind.none) return 'pmd_none';
  if (kindOf(lo) === Kind.present || kindOf(lo) === Kind.migration) return 'pmd_mapped';
  const table = slot.table.child(slot.index);
  return table === null ? 'pmd_null' : { slot, table };
}
