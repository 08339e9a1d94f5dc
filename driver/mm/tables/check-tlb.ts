import { AssertionError } from '../../core/assert.js';
import type { Mm } from '../vmas/mm.js';
import { entryText, KIND_MASK, Kind, Pte } from './entry.js';
import { pmdIndex, pteIndex } from './page-table.js';
import type { TlbEntry } from './tlb.js';

/**
 * Proves that the TLB of the core that `mm` is on, and what others have looked up while somebody explores, allows nothing that the page
 * table does not. The accessed bit is no right: it may be cleared without a flush (Linux: part of fs/proc/task_mmu.c:clear_refs_write()).
 * Nothing is proved while a flush is pending. Throws an AssertionError that names the page.
 */
export function checkTlb(mm: Mm): void {
  if (mm.tlbFlushPending > 0) return;
  if (mm.translations.length > 0) checkEntries(mm, mm.translations);
  if (mm.tlb !== null) checkEntries(mm, mm.tlb.entries());
}

function checkEntries(mm: Mm, entries: Iterable<TlbEntry>): void {
  for (const { vpn, pfn, isStore } of entries) {
    const entry = entryAt(mm, vpn);
    const needed = Kind.present | (isStore ? Pte.write | Pte.dirty : 0);
    const isAllowed = (entry.lo & (needed | KIND_MASK | Pte.protnone)) === needed;
    if (isAllowed && entry.pfn === pfn) continue;
    throw new AssertionError(
      `mm ${mm.id}: a TLB lets ${isStore ? 'stores' : 'loads'} at 0x${(vpn * 4096).toString(16)} through to pfn ${pfn}, ` +
        `where the page table says ${entryText(entry.lo)}, pfn ${entry.pfn}`,
    );
  }
}

/** What maps `vpn`: a PTE, or its part of a 2 MiB entry. */
function entryAt(mm: Mm, vpn: number): { lo: number; pfn: number } {
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return { lo: Kind.none, pfn: 0 };
  const leaf = pmd.child(pmdIndex(vpn));
  const table = leaf ?? pmd;
  const i = leaf === null ? pmdIndex(vpn) : pteIndex(vpn);
  const pfn = table.hi(i);
  return { lo: table.lo(i), pfn: leaf === null ? pfn + pteIndex(vpn) : pfn };
}
