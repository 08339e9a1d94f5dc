import { ENOMEM } from '../../../uapi/errno.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { hugetlbChangeProtection } from '../huge/hugetlb-protect.js';
import { changeHugePmd } from '../huge/thp-protect.js';
import { splitHugePmd } from '../huge/thp-split-pmd.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { userfaultfdWpUseMarkers } from '../userfault/ctx.js';
import { mmapAssertLocked, mmapAssertWriteLocked } from '../vmas/mm.js';
import { VM, VM_ACCESS_FLAGS } from '../vmas/vm-flags.js';
import { assertInVma, type Vma, vmaIsAnonymous } from '../vmas/vma.js';
import { Kind, kindOf, Pte } from './entry.js';
import { pgdAddrEnd, pmdAddrEnd, pudAddrEnd } from './page-align.js';
import { pmdIndex, pteIndex, type Table } from './page-table.js';
import {
  canChangePteWritable,
  nonPresentWithoutWrite,
  type UffdChange,
  vmaWantsWritenotify,
  withUffdWp,
} from './pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from './ptl.js';
import { mayAllocTable } from './table-alloc.js';
import { TlbGather } from './tlb-gather.js';

/**
 * Gives the entries of [start, end) the rights of `vma`, whose flags are the new ones already, and with `uffd` those of a
 * userfaultfd. Sends PROTECTION_VMA from the first PUD part that has a table on, at most one event for each 512 GiB. 0, or -ENOMEM
 * where a protection of what is not there finds no memory. mmap_lock is held, for write without `uffd`.
 * Linux: mm/mprotect.c:change_protection()
 */
export function* changeProtection(vma: Vma, start: number, end: number, uffd: UffdChange = null): Coroutine<number> {
  if (uffd === null) mmapAssertWriteLocked(vma.mm);
  mmapAssertLocked(vma.mm);
  assertInVma(vma, start, end);
  if (vma.flags & VM.hugetlb) {
    yield* hugetlbChangeProtection(vma, { start, end }, uffd);
    return 0;
  }
  const change: Change = {
    gather: new TlbGather(vma.mm),
    uffd,
    usesMarkers: uffd === 'wp' && userfaultfdWpUseMarkers(vma),
  };
  let error = 0;
  for (let addr = start; addr < end && error === 0; ) {
    const next = pgdAddrEnd(addr, end);
    error = yield* changePudRange(vma, { start: addr, end: next }, change);
    addr = next;
  }
  yield* change.gather.tlbFinishMmu();
  return error;
}

interface Change {
  readonly gather: TlbGather;
  readonly uffd: UffdChange;
  /** What is none gets a marker, for which tables are made. */
  readonly usesMarkers: boolean;
}

/** Linux: mm/mprotect.c:change_pud_range() */
function* changePudRange(vma: Vma, { start, end }: { start: number; end: number }, change: Change): Coroutine<number> {
  const { mm } = vma;
  let range: NotifierRange | null = null;
  let error = 0;
  for (let addr = start; addr < end && error === 0; ) {
    const next = pudAddrEnd(addr, end);
    let pmd = mm.pageTable.pmdTable(addr / PAGE_SIZE);
    if (pmd === null && change.usesMarkers) {
      if (!mayAllocTable(mm)) error = -ENOMEM;
      else pmd = mm.pageTable.pmdTableAlloc(addr / PAGE_SIZE);
    }
    if (pmd !== null) {
      if (range === null) {
        range = { mm, start: addr, end, event: 'PROTECTION_VMA', owner: null };
        yield* mmuNotifierInvalidateRangeStart(range);
      }
      error = yield* changePmdRange(vma, { pmd, start: addr, end: next }, change);
    }
    addr = next;
  }
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return error;
}

/** Linux: mm/mprotect.c:change_pmd_range() */
function* changePmdRange(
  vma: Vma,
  { pmd, start, end }: { pmd: Table; start: number; end: number },
  change: Change,
): Coroutine<number> {
  const { mm } = vma;
  for (let addr = start; addr < end; ) {
    const next = pmdAddrEnd(addr, end);
    const vpn = addr / PAGE_SIZE;
    const i = pmdIndex(vpn);
    // Of files small entries alone are protected for a userfaultfd. Linux: mm/mprotect.c:pgtable_split_needed()
    const isSplit = next - addr !== HPAGE_PMD_SIZE || (change.uffd === 'wp' && !vmaIsAnonymous(vma));
    if (pmd.lo(i) & Pte.huge && isSplit) yield* splitHugePmd(vma, addr);
    if (change.usesMarkers && kindOf(pmd.lo(i)) === Kind.none) {
      if (!mayAllocTable(mm)) return -ENOMEM;
      mm.pageTable.pteTableAlloc(vpn);
    }
    if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
    ptlLock(mm);
    if (pmd.lo(i) & Pte.huge) {
      changeHugePmd(vma, vpn, change.uffd);
      change.gather.tlbRemoveTlbEntry(vpn, HPAGE_PMD_NR);
    } else {
      const table = pmd.child(i);
      if (table !== null) changePteRange(vma, { table, vpn, count: (next - addr) / PAGE_SIZE }, change);
    }
    ptlUnlock(mm);
    addr = next;
  }
  return 0;
}

/** Under the ptl. Linux: mm/mprotect.c:change_pte_range() */
function changePteRange(
  vma: Vma,
  { table, vpn, count }: { table: Table; vpn: number; count: number },
  { gather, uffd, usesMarkers }: Change,
): void {
  ptlAssertHeld(vma.mm);
  const { memory } = vma.mm;
  const first = pteIndex(vpn);
  for (let i = first; i < first + count; i++) {
    const lo = table.lo(i);
    const kind = kindOf(lo);
    if (kind === Kind.none) {
      if (usesMarkers) table.set(i, Kind.marker | Pte.uffdWp, 0);
      continue;
    }
    if (kind === Kind.marker) {
      if (uffd === 'resolve' && !(lo & Pte.poisoned)) table.clear(i);
      continue;
    }
    const pfn = table.hi(i);
    if (kind !== Kind.present) {
      table.setLo(i, withUffdWp(nonPresentWithoutWrite(memory, lo, pfn), uffd));
      continue;
    }
    table.setLo(i, changePresent(vma, withUffdWp(lo, uffd), pfn));
    gather.tlbRemoveTlbEntry(vpn + i - first);
  }
}

/** A present entry gets the vma's rights, and a writable one at once where a write fault would only reuse the page. */
function changePresent(vma: Vma, lo: number, pfn: number): number {
  const { flags } = vma;
  const bare = lo & ~(Pte.write | Pte.protnone);
  if ((flags & VM_ACCESS_FLAGS) === 0) return bare | Pte.protnone;
  if (!(flags & VM.write)) return bare;
  // tmpfs and device files track no writes themselves, so shared mappings are simply writable.
  if (flags & VM.shared && !vmaWantsWritenotify(vma)) return bare | Pte.write;
  return canChangePteWritable(vma, bare, pfn) ? bare | Pte.write : bare;
}
