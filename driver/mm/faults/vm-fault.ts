import { INJECT_RETURNS } from '../../inject/inject-points.js';
import { Kind, kindOf } from '../tables/entry.js';
import { pmdIndex, pteIndex, type Table } from '../tables/page-table.js';
import { pteMkuffdWp, userfaultfdPteWp } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { mmapAssertLocked } from '../vmas/mm.js';
import type { Vma } from '../vmas/vma.js';
import { VM_FAULT } from './fault-code.js';

/** One fault on its way down: the address (page aligned), why, and the entry as it was when the fault began. */
export interface VmFault {
  readonly vma: Vma;
  readonly addr: number;
  /** With its offset in the page. */
  readonly realAddr: number;
  readonly vpn: number;
  readonly flags: number;
  /** The entry when the fault began; whoever changes it checks that it is still this one. */
  lo: number;
  hi: number;
}

/** VM_FAULT bits of what an injection point returns; RETRY is 0, an access that is tried again. */
export function injectedFault(injected: number): number {
  if (injected === INJECT_RETURNS.OOM) return VM_FAULT.oom;
  return injected === INJECT_RETURNS.SIGBUS ? VM_FAULT.sigbus : 0;
}

/**
 * The table of the entry, with the ptl, if the entry is still what it was when the fault began; null without the lock
 * if not. The table is made when it is missing. mmap_lock is held.
 * Linux: include/linux/mm.h:pte_offset_map_lock(), with mm/memory.c:vmf_pte_changed()
 */
export function pteOffsetMapLock(fault: VmFault): Table | null {
  mmapAssertLocked(fault.vma.mm);
  const { mm } = fault.vma;
  if (isHugeNow(fault)) return null;
  // A collapse has taken the table away with the entry.
  if (fault.lo !== Kind.none && mm.pageTable.pteTable(fault.vpn) === null) return null;
  const table = mm.pageTable.pteTableAlloc(fault.vpn);
  ptlLock(mm);
  const i = pteIndex(fault.vpn);
  if (table.lo(i) === fault.lo && table.hi(i) === fault.hi) return table;
  ptlUnlock(mm);
  return null;
}

/** The new entry is protected if the marker in its place was. Linux: part of mm/memory.c:vmf_orig_pte_uffd_wp() */
export function keepUffdWp({ vma, lo }: VmFault, entry: number): number {
  return kindOf(lo) === Kind.marker && userfaultfdPteWp(vma, lo) ? pteMkuffdWp(entry) : entry;
}

/** Somebody put a 2 MiB leaf in place meanwhile. */
function isHugeNow(fault: VmFault): boolean {
  const pmd = fault.vma.mm.pageTable.pmdTable(fault.vpn);
  if (pmd === null) return false;
  const kind = kindOf(pmd.lo(pmdIndex(fault.vpn)));
  return kind !== Kind.none && kind !== Kind.table;
}
