import { EAGAIN, ENOMEM } from '../../../uapi/errno.js';
import { folioGet } from '../frames/folio.js';
import { HPAGE_PMD_NR, PG } from '../frames/frames.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { pmdIndex } from '../tables/page-table.js';
import { ptlAssertHeld } from '../tables/ptl.js';
import { mayAllocTable } from '../tables/table-alloc.js';
import { VM } from '../vmas/vm-flags.js';
import { type Vma, vmaIsAnonymous } from '../vmas/vma.js';
import { setPmd } from './thp-fault.js';
import { mmFindPmd } from './thp-policy.js';

/**
 * Copies the HUGE, HUGE_ZERO, PMD-MIG or PMD-DPRIV entry of `vpn` at fork, but none of a file's, which a fault brings; both sides become
 * read only. -ENOMEM where there is no memory for the page table that a split of the child's will need; -EAGAIN when it is no such entry, or
 * when the folio may be pinned: then the caller splits the parent's entry (`splitHugePmd`) and copies small pages. Under the ptl of both. Linux: mm/huge_memory.c:copy_huge_pmd()
 */
export function copyHugePmd(dst: Vma, src: Vma, vpn: number): number {
  ptlAssertHeld(src.mm);
  if (!vmaIsAnonymous(dst)) return 0;
  if (!mayAllocTable(dst.mm)) return -ENOMEM;
  const { memory } = src.mm;
  const { frames } = memory;
  const slot = mmFindPmd(src.mm, vpn);
  if (slot === null) return -EAGAIN;
  const { table } = slot;
  let lo = table.lo(slot.index);
  const head = table.hi(slot.index);
  if (!(lo & Pte.huge)) return -EAGAIN;
  if ((lo & KIND_MASK) === Kind.migration) {
    lo &= ~(Pte.write | Pte.exclusive);
  } else if (!(lo & Pte.special)) {
    if (frames.isAnonExclusive(head) && frames.folioMaybeDmaPinned(head)) return -EAGAIN;
    folioGet(memory, head);
    frames.clearFlags(head, PG.anonExclusive);
    frames.addEntireMapcount(head, 1);
    frames.addFolioMapcount(head, 1);
  }
  lo &= ~Pte.write;
  table.setLo(slot.index, lo);
  if (!(lo & Pte.special)) dst.mm.rss.anon += HPAGE_PMD_NR;
  const kept = dst.flags & VM.uffdWp ? lo : lo & ~Pte.uffdWp;
  const childLo = (lo & KIND_MASK) === Kind.present ? kept & ~Pte.young : kept;
  setPmd({ table: dst.mm.pageTable.pmdTableAlloc(vpn), index: pmdIndex(vpn) }, childLo, head);
  return 0;
}
