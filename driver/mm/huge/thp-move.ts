import { HPAGE_PMD_NR } from '../frames/frames.js';
import { folioRemoveRmapPmd } from '../frames/rmap.js';
import { KIND_MASK, Kind, kindOf, Pte } from '../tables/entry.js';
import { pmdIndex } from '../tables/page-table.js';
import { addMmCounter, folioMarkDirty } from '../tables/pte-build.js';
import { ptlAssertHeld } from '../tables/ptl.js';
import { flushPmdTlbRange } from '../tables/tlb.js';
import type { TlbGather } from '../tables/tlb-gather.js';
import { vmaHasUffdWithoutEventRemap } from '../userfault/ctx.js';
import type { Vma } from '../vmas/vma.js';
import { setPmd } from './thp-fault.js';
import { mmFindPmd, type PmdSlot } from './thp-policy.js';

/**
 * mremap of one whole 2 MiB entry, verbatim but for its marks, under the ptl. False when the new place already has something.
 * Linux: mm/huge_memory.c:move_huge_pmd()
 */
export function moveHugePmd(vma: Vma, oldVpn: number, newVma: Vma, newVpn: number): boolean {
  ptlAssertHeld(vma.mm);
  const from = mmFindPmd(vma.mm, oldVpn);
  if (from === null) return false;
  const to: PmdSlot = { table: newVma.mm.pageTable.pmdTableAlloc(newVpn), index: pmdIndex(newVpn) };
  if ((to.table.lo(to.index) & KIND_MASK) !== Kind.none) return false;
  const cleared = vmaHasUffdWithoutEventRemap(vma) ? Pte.uffdWp : 0;
  setPmd(to, moveSoftDirtyPmd(from.table.lo(from.index)) & ~cleared, from.table.hi(from.index));
  setPmd(from, Kind.none, 0);
  if ((to.table.lo(to.index) & KIND_MASK) === Kind.present) flushPmdTlbRange(vma.mm, oldVpn);
  return true;
}

/** What a device has stays as it was, other than a small entry. Linux: mm/huge_memory.c:move_soft_dirty_pmd() */
function moveSoftDirtyPmd(lo: number): number {
  return kindOf(lo) === Kind.devicePrivate ? lo : lo | Pte.softDirty;
}

/** Unmaps one whole 2 MiB entry, under the ptl; false when it is none any more. Linux: mm/huge_memory.c:zap_huge_pmd() */
export function zapHugePmd(vma: Vma, vpn: number, gather: TlbGather): boolean {
  ptlAssertHeld(vma.mm);
  const { mm } = vma;
  const slot = mmFindPmd(mm, vpn);
  if (slot === null) return false;
  const lo = slot.table.lo(slot.index);
  const head = slot.table.hi(slot.index);
  if (!(lo & Pte.huge)) return false;
  setPmd(slot, Kind.none, 0);
  gather.tlbRemoveTlbEntry(vpn, HPAGE_PMD_NR);
  if (lo & Pte.special) return true;
  addMmCounter(mm, head, -HPAGE_PMD_NR);
  if ((lo & KIND_MASK) === Kind.migration) return true;
  if (lo & Pte.dirty && !mm.memory.frames.isAnon(head)) folioMarkDirty(mm.memory, head);
  folioRemoveRmapPmd(mm.memory, head);
  gather.tlbRemoveFolioPages(head);
  return true;
}
