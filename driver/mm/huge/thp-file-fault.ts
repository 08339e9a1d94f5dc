import type { Coroutine } from '../../core/effect.js';
import { FAULT, VM_FAULT } from '../faults/fault-code.js';
import type { VmFault } from '../faults/vm-fault.js';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER } from '../frames/frames.js';
import { folioAddFileRmapPmd } from '../frames/rmap.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pmdIndex } from '../tables/page-table.js';
import { addMmCounter, maybeMkwrite, mkPte } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { mayAllocTable } from '../tables/table-alloc.js';
import { mmapAssertLocked } from '../vmas/mm.js';
import { setPmd } from './thp-fault.js';
import { hugeVpn, mmFindPmd, thpVmaSuitableOrder, vmaThpDisabled } from './thp-policy.js';
import { splitHugePmd } from './thp-split-pmd.js';

/**
 * Maps a file's folio of 2 MiB, which is the caller's to lock or nobody's, by one entry, which takes the caller's reference. False where
 * the vma or the folio is not made for that, or something is mapped by now. mmap_lock is held. Linux: mm/memory.c:do_set_pmd()
 */
export function doSetPmd({ vma, addr, flags }: Pick<VmFault, 'vma' | 'addr' | 'flags'>, head: number): boolean {
  mmapAssertLocked(vma.mm);
  const { mm } = vma;
  const { memory } = mm;
  if (vmaThpDisabled(vma) || !thpVmaSuitableOrder(vma, addr)) return false;
  if (memory.frames.order(head) !== HPAGE_PMD_ORDER) return false;
  const vpn = hugeVpn(addr);
  const slot = { table: mm.pageTable.pmdTableAlloc(vpn), index: pmdIndex(vpn) };
  ptlLock(mm);
  const isNone = kindOf(slot.table.lo(slot.index)) === Kind.none;
  if (isNone) {
    const lo = mkPte(vma) | Pte.huge;
    addMmCounter(mm, head, HPAGE_PMD_NR);
    folioAddFileRmapPmd(memory, head);
    setPmd(slot, flags & FAULT.write ? maybeMkwrite(lo | Pte.dirtied, vma) : lo, head);
  }
  ptlUnlock(mm);
  return isNone;
}

/**
 * A write to a file's 2 MiB that may not be written as they are: the entry goes, and the caller goes on with a page. 0, or VM_FAULT.oom.
 * Linux: part of mm/memory.c:wp_huge_pmd()
 *
 * Deviates: where a pin only needs a copy of a page, a table is put in the entry's place, as GUP does where it splits. Linux would map the 2 MiB
 * again, find again that the page can't be pinned, and so on until the process is killed.
 */
export function* wpFileHugePmd({ vma, addr, vpn, flags }: VmFault): Coroutine<number> {
  yield* splitHugePmd(vma, addr);
  return flags & FAULT.unshare ? pteAlloc(vma, vpn) : 0;
}

/** So that what is mapped next is small. 0 or VM_FAULT.oom. Linux: include/linux/mm.h:pte_alloc() */
export function pteAlloc({ mm }: VmFault['vma'], vpn: number): number {
  const slot = mmFindPmd(mm, vpn);
  if (slot === null || kindOf(slot.table.lo(slot.index)) !== Kind.none) return 0;
  if (!mayAllocTable(mm)) return VM_FAULT.oom;
  mm.pageTable.pteTableAlloc(vpn);
  return 0;
}
