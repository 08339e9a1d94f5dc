import { assert } from '../../core/assert.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import {
  mkPte,
  nonPresentWithoutWrite,
  pteNeedsSoftDirtyWp,
  type UffdChange,
  userfaultfdPteWp,
  withUffdWp,
} from '../tables/pte-build.js';
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
  const old = table.lo(slot.index);
  assert((old & Pte.huge) !== 0, 'vpn % has no huge entry', vpn);
  if (kindOf(old) !== Kind.present) {
    table.setLo(slot.index, withUffdWp(nonPresentWithoutWrite(vma.mm.memory, old, table.hi(slot.index)), uffd));
    return;
  }
  const lo = withUffdWp(old, uffd);
  flushPmdTlbRange(vma.mm, vpn);
  let changed = mkPte(vma) | (lo & (Pte.huge | Pte.special | Pte.dirtied | Pte.uffdWp));
  if (changed & Pte.uffdWp) changed &= ~Pte.write;
  if (!(lo & Pte.young)) changed &= ~Pte.young;
  if (canChangePmdWritable(vma, changed, table.hi(slot.index))) changed |= Pte.write;
  table.setLo(slot.index, changed);
}

/** Linux: mm/huge_memory.c:can_change_pmd_writable() */
function canChangePmdWritable(vma: Vma, lo: number, head: number): boolean {
  if (!(vma.flags & VM.write) || lo & (Pte.protnone | Pte.special) || pteNeedsSoftDirtyWp(vma, lo)) return false;
  if (userfaultfdPteWp(vma, lo)) return false;
  if (vma.flags & VM.shared) return (lo & Pte.dirty) !== 0;
  const { frames } = vma.mm.memory;
  return frames.isAnon(head) && frames.isAnonExclusive(head);
}
