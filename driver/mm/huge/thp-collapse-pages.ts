import {
  clearPage,
  copyPage,
  folioGet,
  folioIsolateLru,
  folioPut,
  folioPutbackLru,
  folioTrylock,
  folioUnlock,
} from '../frames/folio.js';
import { folioLikelyMappedShared, isRefcountSuitable } from '../frames/folio-sharing.js';
import { HPAGE_PMD_NR } from '../frames/frames.js';
import { folioRemoveRmapPtes } from '../frames/rmap.js';
import type { Memory } from '../memory.js';
import { freeSwapCache } from '../swap/swap-cache.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import type { Table } from '../tables/page-table.js';
import { ptlAssertHeld } from '../tables/ptl.js';
import { userfaultfdArmed } from '../userfault/ctx.js';
import type { Mm } from '../vmas/mm.js';
import type { Vma } from '../vmas/vma.js';
import type { CollapseControl, ScanResult } from './collapse-control.js';

/**
 * Locks and isolates every folio that the table maps, each once, adding its head to `isolated`; what is there already
 * stays when a page is refused. Under the ptl. Linux: mm/khugepaged.c:__collapse_huge_page_isolate()
 */
export function collapseHugePageIsolate(
  vma: Vma,
  table: Table,
  { cc, isolated }: { cc: CollapseControl; isolated: number[] },
): ScanResult {
  ptlAssertHeld(vma.mm);
  const { memory } = vma.mm;
  let [none, shared, isReferenced, isWritable] = [0, 0, false, false];
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    const lo = table.lo(i);
    if (pteNoneOrZero(lo)) {
      if (userfaultfdArmed(vma) || ++none > cc.limits.none) return 'exceed_none_pte';
      continue;
    }
    if (kindOf(lo) !== Kind.present) return 'pte_non_present';
    if (lo & Pte.uffdWp) return 'pte_uffd_wp';
    const pfn = table.hi(i);
    if (memory.frames.isZoneDevice(pfn)) return 'page_null';
    if (folioLikelyMappedShared(memory, pfn) && ++shared > cc.limits.shared) return 'exceed_shared_pte';
    const result = isolateOnce(memory, memory.frames.head(pfn), isolated);
    if (result !== 'succeed') return result;
    if (lo & Pte.young) isReferenced = true;
    if (lo & Pte.write) isWritable = true;
  }
  if (!isWritable) return 'page_ro';
  return cc.isKhugepaged && !isReferenced ? 'lack_referenced_page' : 'succeed';
}

function isolateOnce(memory: Memory, head: number, isolated: number[]): ScanResult {
  const isLarge = memory.frames.order(head) > 0;
  if (isLarge && (isolated.at(-1) === head || isolated.includes(head))) return 'succeed';
  const result = isolateFolio(memory, head);
  if (result === 'succeed') isolated.push(head);
  return result;
}

function isolateFolio(memory: Memory, head: number): ScanResult {
  if (!folioTrylock(memory, head)) return 'page_lock';
  let result: ScanResult = 'page_count';
  if (isRefcountSuitable(memory, head)) {
    if (folioIsolateLru(memory, head)) return 'succeed';
    result = 'del_page_lru';
  }
  folioUnlock(memory, head);
  return result;
}

/** Linux: mm/khugepaged.c:release_pte_pages() */
export function releasePtePages(memory: Memory, isolated: readonly number[]): void {
  for (const head of isolated) {
    folioUnlock(memory, head);
    folioPutbackLru(memory, head);
  }
}

/** Fills the huge page from what the table maps. Linux: mm/khugepaged.c:__collapse_huge_page_copy() */
export function collapseHugePageCopy(memory: Memory, table: Table, head: number): void {
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    if (pteNoneOrZero(table.lo(i))) clearPage(memory, head + i);
    else copyPage(memory, head + i, table.hi(i));
  }
}

/** Empties the table; the small pages lose this mapping. Under the ptl. Linux: mm/khugepaged.c:__collapse_huge_page_copy_succeeded() */
export function collapseHugePageCopySucceeded(mm: Mm, table: Table, isolated: readonly number[]): void {
  ptlAssertHeld(mm);
  const { memory } = mm;
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    const lo = table.lo(i);
    const pfn = table.hi(i);
    table.clear(i);
    if (pteNoneOrZero(lo)) {
      mm.rss.anon++;
    } else {
      folioRemoveRmapPtes(memory, pfn);
      folioPut(memory, pfn);
    }
  }
  for (const head of isolated) {
    folioUnlock(memory, head);
    folioGet(memory, head);
    folioPutbackLru(memory, head);
    freeSwapCache(memory, head);
    folioPut(memory, head);
  }
}

/** Linux: mm/khugepaged.c:pte_none_or_zero() */
export function pteNoneOrZero(lo: number): boolean {
  return kindOf(lo) === Kind.none || (kindOf(lo) === Kind.present && (lo & Pte.special) !== 0);
}
