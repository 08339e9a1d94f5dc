import { PAGE_SIZE } from '../frames/frames.js';
import type { Mm } from '../vmas/mm.js';
import { entryText, Kind, kindOf, Pte } from './entry.js';
import { pmdIndex, pteIndex } from './page-table.js';

/**
 * The entries of [start, end) by kind and level, equal neighbours together, for example
 * `PTE 0-3 PRESENT W` or `PMD 0-511 HUGE W`; page numbers count from `start`. Holes above the PTE level say where the
 * table is missing: `PMD 0-511 NONE`, `PUD 0-511 NONE`.
 */
export function pageTableText(mm: Mm, start: number, end: number): string {
  const first = start / PAGE_SIZE;
  const lines: string[] = [];
  let runText = '';
  let runFirst = 0;
  const flush = (to: number): void => {
    if (runText === '') return;
    const [level, ...kind] = runText.split(' ');
    lines.push(`${level} ${runFirst === to ? to : `${runFirst}-${to}`} ${kind.join(' ')}`);
  };
  for (let vpn = first; vpn < end / PAGE_SIZE; vpn++) {
    const text = entryAt(mm, vpn);
    if (text === runText) continue;
    flush(vpn - first - 1);
    runText = text;
    runFirst = vpn - first;
  }
  flush(end / PAGE_SIZE - first - 1);
  return lines.join('\n');
}

/** Level and kind of the entry that decides about `vpn`: `PTE PRESENT W`, `PMD HUGE R`, `PUD NONE`. */
export function entryAt(mm: Mm, vpn: number): string {
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return 'PUD NONE';
  const leaf = pmd.child(pmdIndex(vpn));
  if (leaf === null) return `PMD ${entryText(pmd.lo(pmdIndex(vpn)))}`;
  return `PTE ${entryText(leaf.lo(pteIndex(vpn)))}`;
}

/** The pfn that the entry of `vpn` names, 0 for none (swap entries name a slot, which is not a pfn: 0 too). */
export function pfnAt(mm: Mm, vpn: number): number {
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return 0;
  const leaf = pmd.child(pmdIndex(vpn));
  const table = leaf ?? pmd;
  const i = leaf === null ? pmdIndex(vpn) : pteIndex(vpn);
  const lo = table.loOfMmu(i);
  const kind = kindOf(lo);
  if (kind === Kind.none || kind === Kind.swap || kind === Kind.table) return 0;
  return table.hiOfMmu(i) + (leaf === null && lo & Pte.huge ? vpn % 512 : 0);
}
