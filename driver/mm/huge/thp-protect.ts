import { assert } from '../../core/assert.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { mkPte, pteNeedsSoftDirtyWp, type UffdChange, userfaultfdPteWp, withUffdWp } from '../tables/pte-build.js';
import { ptlAssertHeld } from '../tables/ptl.js';
import { flushPmdTlbRange } from '../tables/tlb.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { mmFindPmd } from './thp-policy.js';

/**
 * mprotect of a whole 2 MiB entry, under the ptl; `vma` has its new flags already.
 * Linux: mm/huge_memory.c:change_huge_pmd()
 */
export function changeHugePmd(vma: Vma, vpn: number, uffd: UffdChange = null): void {
  ptlAssertHeld(vma.mm);
  const slot = mmFindPmd(vma.mm, vpn);
  assert(slot !== null, 'vpn % has no huge entry', vpn);
  const { table } = slot;
  const lo = withUffdWp(table.lo(slot.index), uffd);
  assert((lo & Pte.huge) !== 0, 'vpn % has no huge entry', vpn);
  if ((lo & KIND_MASK) === Kind.migration) {
    table.setLo(slot.index, lo & Pte.write ? (lo & ~Pte.write) | Pte.exclusive : lo);
    return;
  }
  if ((lo & KIND_MASK) === Kind.devicePrivate) {
    table.setLo(slot.index, lo & ~Pte.write);
    return;
  }
  flushPmdTlbRange(vma.mm, vpn);
  let changed = mkPte(vma) | (lo & (Pte.huge | Pte.special | Pte.dirtied | Pte.uffdWp));
  if (changed & Pte.uffdWp) changed &= ~Pte.write;
  if (!(lo & Pte.young)) changed &= ~Pte.young;
  if (canChangePmdWritable(vma, changed, table.hi(slot.index))) changed |= Pte.write;
  table.setLo(slot.index, changed);
}

/** Linux: mm/huge_memory.c:can_change_pmd_writable() for private memory */
function canChangePmdWritable(vma: Vma, lo: number, head: number): boolean {
  if (!(vma.flags & VM.write) || lo & (Pte.protnone | Pte.special) || pteNeedsSoftDirtyWp(vma, lo)) return false;
  if (userfaultfdPteWp(vma, lo)) return false;
  return vma.mm.memory.frames.isAnonExclusive(head);
}
