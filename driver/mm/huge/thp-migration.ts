import { folioGet, folioPut } from '../frames/folio.js';
import { PG, Zone } from '../frames/frames.js';
import { folioRemoveRmapPmd } from '../frames/rmap.js';
import { Kind, kindOf, migrationEntryFor, Pte } from '../tables/entry.js';
import { folioMarkDirty, maybeMkwrite, mkPte, pteMkuffdWp } from '../tables/pte-build.js';
import { ptlAssertHeld } from '../tables/ptl.js';
import { flushPmdTlbRange } from '../tables/tlb.js';
import type { Vma } from '../vmas/vma.js';
import { setPmd } from './thp-fault.js';
import type { PmdSlot } from './thp-policy.js';
import { folioTryShareAnonRmapPmd } from './thp-split-pmd.js';

/**
 * A HUGE or PMD-DPRIV entry becomes PMD-MIG, under the ptl. False when the folio may be pinned, so that the entry
 * stays. The folio is locked.
 * Linux: mm/huge_memory.c:set_pmd_migration_entry()
 */
export function setPmdMigrationEntry(vma: Vma, head: number, { vpn, ...slot }: PmdSlot & { vpn: number }): boolean {
  ptlAssertHeld(vma.mm);
  vma.mm.memory.frames.assertLocked(head);
  const { memory } = vma.mm;
  const lo = slot.table.lo(slot.index);
  const isExclusive = memory.frames.isAnonExclusive(head);
  if (isExclusive && !folioTryShareAnonRmapPmd(memory, head)) return false;
  if (lo & Pte.dirty) folioMarkDirty(memory, head);
  setPmd(slot, migrationEntryFor(lo, isExclusive) | Pte.huge, head);
  if (kindOf(lo) === Kind.present) flushPmdTlbRange(vma.mm, vpn);
  folioRemoveRmapPmd(memory, head);
  folioPut(memory, head);
  return true;
}

/**
 * PMD-MIG becomes HUGE, or PMD-DPRIV, of `newHead`, under the ptl. The folio is locked.
 * Linux: mm/huge_memory.c:remove_migration_pmd()
 */
export function removeMigrationPmd(vma: Vma, newHead: number, slot: PmdSlot): void {
  ptlAssertHeld(vma.mm);
  vma.mm.memory.frames.assertLocked(newHead);
  const { memory } = vma.mm;
  const { frames } = memory;
  const old = slot.table.lo(slot.index);
  folioGet(memory, newHead);
  let lo = mkPte(vma) | Pte.huge;
  if (!(old & Pte.young)) lo &= ~Pte.young;
  if (old & Pte.dirty && frames.hasFlags(newHead, PG.dirty)) lo |= Pte.dirtied;
  lo |= old & Pte.softDirty;
  if (old & Pte.write) lo = maybeMkwrite(lo, vma);
  if (old & Pte.uffdWp) lo = pteMkuffdWp(lo);
  frames.addEntireMapcount(newHead, 1);
  frames.addFolioMapcount(newHead, 1);
  if (frames.isAnon(newHead) && old & (Pte.write | Pte.exclusive)) frames.setFlags(newHead, PG.anonExclusive);
  if (frames.zone[newHead] === Zone.private)
    lo = Kind.devicePrivate | (lo & (Pte.huge | Pte.write)) | (old & (Pte.softDirty | Pte.uffdWp));
  setPmd(slot, lo, newHead);
}
