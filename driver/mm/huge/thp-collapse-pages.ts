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
import { isRefcountSuitable } from '../frames/folio-sharing.js';
import { HPAGE_PMD_NR } from '../frames/frames.js';
import { folioRemoveRmapPte } from '../frames/rmap.js';
import type { Memory } from '../memory.js';
import { freeSwapCache } from '../swap/swap-cache.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import type { Table } from '../tables/page-table.js';
import { ptlAssertHeld } from '../tables/ptl.js';
import type { Mm } from '../vmas/mm.js';
import type { ScanResult } from './thp-collapse.js';

/**
 * Locks and isolates every folio that the table maps, each once, adding its head to `isolated`; what is there already
 * stays when a page is refused. Linux: mm/khugepaged.c:__collapse_huge_page_isolate()
 */
export function collapseHugePageIsolate(memory: Memory, table: Table, isolated: number[]): ScanResult {
  const { frames } = memory;
  let isWritable = false;
  let lastLarge = -1;
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    const lo = table.lo(i);
    if (isNoneOrZero(lo)) continue;
    const pfn = table.hi(i);
    if (kindOf(lo) !== Kind.present || frames.isZoneDevice(pfn)) return 'other';
    const head = frames.head(pfn);
    const isKnown = frames.order(head) > 0 && (head === lastLarge || isolated.includes(head));
    if (!isKnown) {
      if (!isolateFolio(memory, head)) return 'busy';
      isolated.push(head);
    }
    if (frames.order(head) > 0) lastLarge = head;
    if (lo & Pte.write) isWritable = true;
  }
  return isWritable ? 'succeed' : 'other';
}

function isolateFolio(memory: Memory, head: number): boolean {
  if (!folioTrylock(memory, head)) return false;
  if (isRefcountSuitable(memory, head) && folioIsolateLru(memory, head)) return true;
  folioUnlock(memory, head);
  return false;
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
    if (isNoneOrZero(table.lo(i))) clearPage(memory, head + i);
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
    if (isNoneOrZero(lo)) {
      mm.rss.anon++;
    } else {
      folioRemoveRmapPte(memory, pfn);
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

function isNoneOrZero(lo: number): boolean {
  return kindOf(lo) === Kind.none || (kindOf(lo) === Kind.present && (lo & Pte.special) !== 0);
}
