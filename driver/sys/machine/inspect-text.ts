import { PAGE_SIZE, PG, Zone } from '../../mm/frames/frames.js';
import { Kind, kindOf, Pte } from '../../mm/tables/entry.js';
import { pmdIndex, pteIndex } from '../../mm/tables/page-table.js';
import { entryAt, pfnAt } from '../../mm/tables/page-table-text.js';
import type { Mm } from '../../mm/vmas/mm.js';

const ZONE_NAMES = { [Zone.system]: 'system', [Zone.private]: 'private', [Zone.coherent]: 'coherent' } as const;

/**
 * One line for each page of [start, end): its entry with the bits that a migration has to keep, and the counts of the
 * page behind it, for example `2 PTE PRESENT W dirty young system exclusive refs 1 maps 1 pfn 77`.
 */
export function pageStateText(mm: Mm, start: number, end: number): string {
  const first = start / PAGE_SIZE;
  const lines: string[] = [];
  for (let vpn = first; vpn < end / PAGE_SIZE; vpn++) {
    const words = [`${vpn - first}`, entryAt(mm, vpn), ...entryBits(mm, vpn), ...pageWords(mm, vpn)];
    lines.push(words.join(' '));
  }
  return lines.join('\n');
}

function entryBits(mm: Mm, vpn: number): string[] {
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return [];
  const leaf = pmd.child(pmdIndex(vpn));
  const lo = leaf === null ? pmd.lo(pmdIndex(vpn)) : leaf.lo(pteIndex(vpn));
  if (kindOf(lo) !== Kind.present && kindOf(lo) !== Kind.migration) return [];
  return [...(lo & Pte.dirty ? ['dirty'] : []), ...(lo & Pte.young ? ['young'] : [])];
}

function pageWords(mm: Mm, vpn: number): string[] {
  const { frames } = mm.memory;
  const pfn = pfnAt(mm, vpn);
  if (pfn === 0) return [];
  const head = frames.head(pfn);
  const flags = frames.flags(head);
  return [
    ZONE_NAMES[frames.zone[pfn] as keyof typeof ZONE_NAMES],
    ...(frames.isAnonExclusive(pfn) ? ['exclusive'] : []),
    ...(flags & PG.locked ? ['locked'] : []),
    ...(flags & PG.swapcache ? ['swapcache'] : []),
    `refs ${frames.refcount(head)}`,
    `maps ${frames.folioMapcount(head)}`,
    `pfn ${pfn}`,
  ];
}
