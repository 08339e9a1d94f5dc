import { EBUSY } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { restoreExclusivePte } from '../faults/fault-non-present.js';
import { folioGet, folioTrylock, folioUnlock } from '../frames/folio.js';
import { folioTryDupAnonRmapPte } from '../frames/rmap.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import type { Table } from '../tables/page-table.js';
import { addMmCounter, isCowMapping, nonPresentWithoutWrite } from '../tables/pte-build.js';
import { ptlAssertHeld } from '../tables/ptl.js';
import { VM } from './vm-flags.js';
import type { Vma } from './vma.js';

/** The parent's entry is present again: copy it as such. */
export const COPY_RESTORED = 1;

/**
 * Copies one entry that is neither none nor present to the child; what was writable or exclusive in the parent becomes
 * read only and shared in both. 0, -EBUSY, or COPY_RESTORED. Under the ptl.
 * Linux: mm/memory.c:copy_nonpresent_pte()
 */
export function copyNonpresentPte(dst: Vma, src: Vma, at: { from: Table; to: Table; i: number }): number {
  ptlAssertHeld(src.mm);
  const { from, to, i } = at;
  const lo = from.lo(i);
  const pfn = from.hi(i);
  switch (kindOf(lo)) {
    case Kind.swap:
      src.mm.memory.swap.swapDuplicate(pfn);
      dst.mm.rss.swap++;
      from.setLo(i, lo & ~Pte.exclusive);
      break;
    case Kind.migration:
      addMmCounter(dst.mm, pfn, 1);
      if (isCowMapping(dst.flags)) from.setLo(i, lo & ~(Pte.write | Pte.exclusive));
      break;
    case Kind.devicePrivate:
      copyDevicePrivate(dst, src, at);
      break;
    case Kind.deviceExclusive:
      return tryRestoreExclusivePte(src, from, i);
    case Kind.marker: {
      const marker = keptUffdWp(dst, lo);
      if (marker & (Pte.uffdWp | Pte.poisoned)) to.set(i, marker, 0);
      return 0;
    }
    default:
      return 0;
  }
  to.set(i, keptUffdWp(dst, from.lo(i)), pfn);
  return 0;
}

/** What is not served in the child is not protected there. */
export function keptUffdWp({ flags }: Vma, lo: number): number {
  return flags & VM.uffdWp ? lo : lo & ~Pte.uffdWp;
}

/** What was writable is soft-dirty no longer, in both. */
function copyDevicePrivate(dst: Vma, src: Vma, { from, i }: { from: Table; i: number }): void {
  const { memory } = src.mm;
  const pfn = from.hi(i);
  folioGet(memory, pfn);
  addMmCounter(dst.mm, pfn, 1);
  const shared = folioTryDupAnonRmapPte(memory, pfn);
  assert(shared, 'device-private pfn % is pinned', pfn);
  if (isCowMapping(dst.flags)) from.setLo(i, nonPresentWithoutWrite(memory, from.lo(i), pfn));
}

/** Linux: mm/memory.c:try_restore_exclusive_pte() */
function tryRestoreExclusivePte(src: Vma, from: Table, i: number): number {
  const { memory } = src.mm;
  const pfn = from.hi(i);
  if (!folioTrylock(memory, pfn)) return -EBUSY;
  restoreExclusivePte(src, from, i);
  folioUnlock(memory, pfn);
  return COPY_RESTORED;
}
