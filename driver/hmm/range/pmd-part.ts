import {
  ENTRIES_PER_TABLE,
  PAGES_PER_PGD_ENTRY,
  PAGES_PER_PMD_ENTRY,
  PAGES_PER_PUD_ENTRY,
  type PageTable,
} from '../../mm/tables/page-table.js';

/** The first vpn behind the part of `[vpn, end)` that one PMD entry covers. Linux: include/linux/pgtable.h:pmd_addr_end() */
export function pmdAddrEnd(vpn: number, end: number): number {
  return Math.min(end, (Math.floor(vpn / PAGES_PER_PMD_ENTRY) + 1) * PAGES_PER_PMD_ENTRY);
}

/** The end of the hole at `vpn` where no PMD table is: of one PUD entry, or of one PGD entry when that has no table either. */
export function upperHoleEnd(pageTable: PageTable, vpn: number, end: number): number {
  const pgdIndex = Math.floor(vpn / PAGES_PER_PGD_ENTRY);
  const hasPud = pgdIndex < ENTRIES_PER_TABLE && pageTable.root.child(pgdIndex) !== null;
  const unit = hasPud ? PAGES_PER_PUD_ENTRY : PAGES_PER_PGD_ENTRY;
  return Math.min(end, (Math.floor(vpn / unit) + 1) * unit);
}
