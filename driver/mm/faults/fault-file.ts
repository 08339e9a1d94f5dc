import { EINVAL, ENOSPC } from '../../../uapi/errno.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { getAndLockPage, SERVED } from '../files/shmem.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import {
  copyPage,
  folioAddLru,
  folioGet,
  folioIsLocked,
  folioPut,
  folioUnlock,
  folioUnlockAndPut,
} from '../frames/folio.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddFileRmapPte, folioAddFileRmapPtes, folioAddNewAnonRmap } from '../frames/rmap.js';
import { doSetPmd } from '../huge/thp-file-fault.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pmdIndex, pteIndex, type Table } from '../tables/page-table.js';
import { folioMarkDirty, maybeMkwrite, mkPte } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from '../tables/ptl.js';
import { userfaultfdArmed } from '../userfault/ctx.js';
import { handleUserfault } from '../userfault/handle-userfault.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { FAULT, VM_FAULT } from './fault-code.js';
import { keepUffdWp, pteOffsetMapLock, type VmFault } from './vm-fault.js';

/** Pages that one read fault may map around it: 64 KiB. Linux: fault_around_pages */
const FAULT_AROUND_PAGES = 16;

/** First touch of a page of a file mapping. Linux: mm/memory.c:do_fault() */
export function* doFault(fault: VmFault): Coroutine<number> {
  const { vma } = fault;
  // Device mappings are populated at mmap; what is missing there stays so. Linux: "vma->vm_ops->fault" is NULL
  if (vma.file!.mapping === null) return VM_FAULT.sigbus;
  if (!(fault.flags & FAULT.write)) return yield* doReadFault(fault);
  if (!(vma.flags & VM.shared)) return yield* doCowFault(fault);
  return yield* doSharedFault(fault);
}

/** Linux: mm/memory.c:do_read_fault() */
function* doReadFault(fault: VmFault): Coroutine<number> {
  // Linux: include/linux/userfaultfd_k.h:uffd_disable_fault_around()
  const isSingle = (fault.vma.flags & (VM.uffdWp | VM.uffdMinor)) !== 0;
  if (!isSingle && (yield* doFaultAround(fault))) return VM_FAULT.nopage;
  const pfn = yield* shmemFault(fault);
  if (pfn <= 0) return -pfn;
  return yield* finishFault(fault, pfn);
}

/** Linux: mm/memory.c:do_shared_fault() */
function* doSharedFault(fault: VmFault): Coroutine<number> {
  const pfn = yield* shmemFault(fault);
  if (pfn <= 0) return -pfn;
  folioMarkDirty(fault.vma.mm.memory, pfn);
  return yield* finishFault(fault, pfn);
}

/** A write to a private file mapping: an anonymous copy at once. Linux: mm/memory.c:do_cow_fault() */
function* doCowFault(fault: VmFault): Coroutine<number> {
  const { vma } = fault;
  const { memory } = vma.mm;
  yield* anonVmaPrepare(vma);
  const copy = memory.allocator.allocate();
  if (copy === 0) return VM_FAULT.oom;
  const pfn = yield* shmemFault(fault);
  if (pfn <= 0) {
    folioPut(memory, copy);
    return -pfn;
  }
  const { scheduler } = memory.kernel;
  if (scheduler.isFine) yield FINE.content;
  copyPage(memory, copy, pfn);
  memory.frames.setFlags(copy, PG.uptodate);
  if (scheduler.isFine) yield FINE.ptl;
  const table = pteOffsetMapLock(fault);
  if (table !== null) {
    vma.mm.rss.anon++;
    folioAddNewAnonRmap(memory, copy, vma, fault.addr);
    folioAddLru(memory, copy);
    const i = pteIndex(fault.vpn);
    table.set(i, keepUffdWp(fault, maybeMkwrite(mkPte(vma) | Pte.dirtied, vma)), copy);
    ptlUnlock(vma.mm);
  }
  yield* folioUnlockAndPut(memory, pfn);
  if (table === null) folioPut(memory, copy);
  return 0;
}

/** The file's page, locked and referenced; minus VM_FAULT bits when there is none. Linux: mm/shmem.c:shmem_fault() */
function* shmemFault(fault: VmFault): Coroutine<number> {
  const { vma } = fault;
  const mapping = vma.file!.mapping!;
  const index = vma.linearPageIndex(fault.addr);
  const pfn = yield* getAndLockPage(vma.mm.memory, mapping, index, {
    sgp: 'cache',
    isServed: (found) => isServed(vma, found),
  });
  if (pfn === SERVED) {
    const reason = mapping.pages.get(index) === 0 ? VM.uffdMissing : VM.uffdMinor;
    return -(yield* handleUserfault(fault, reason));
  }
  if (pfn > 0) return pfn;
  return pfn === -ENOSPC || pfn === -EINVAL ? -VM_FAULT.sigbus : -VM_FAULT.oom;
}

/** A userfaultfd serves such faults: of pages that the file has not, or of those that it has. */
function isServed({ flags }: Vma, found: number): boolean {
  return (flags & (found === 0 ? VM.uffdMissing : VM.uffdMinor)) !== 0;
}

/** Maps a locked file page; its reference goes to the entry, the lock is dropped. Linux: mm/memory.c:finish_fault() */
function* finishFault(fault: VmFault, pfn: number): Coroutine<number> {
  const { memory } = fault.vma.mm;
  const { scheduler } = memory.kernel;
  if (scheduler.isFine) yield FINE.ptl;
  const isMapped = mapFilePage(fault, pfn);
  if (scheduler.isFine) yield FINE.folioLock;
  folioUnlock(memory, pfn);
  if (!isMapped) folioPut(memory, pfn);
  return 0;
}

/** A whole folio by one entry if it can be, else its page, of shared anonymous memory all pages. False when the entry is another one by now. */
function mapFilePage(fault: VmFault, pfn: number): boolean {
  const { vma, vpn } = fault;
  const { memory, pageTable } = vma.mm;
  const { frames } = memory;
  const head = frames.head(pfn);
  const pmd = pageTable.pmdTable(vpn);
  const isPmdNone = pmd === null || kindOf(pmd.lo(pmdIndex(vpn))) === Kind.none;
  if (isPmdNone && frames.order(head) > 0 && doSetPmd(fault, head)) return true;
  const table = pteOffsetMapLock(fault);
  if (table === null) return false;
  const nr = frames.folioNrPages(head);
  const range = { pfn: head, first: pteIndex(vpn) - (pfn - head), nr };
  if (nr > 1 && mapsAllPages(vma, vpn - (pfn - head), range) && pteRangeNone(table, range)) {
    folioGet(memory, head, nr - 1);
    setPteRange(fault, table, range);
  } else {
    setPteRange(fault, table, { pfn, first: pteIndex(vpn), nr: 1 });
  }
  ptlUnlock(vma.mm);
  return true;
}

/** Entries from `first` on, for pages from `pfn` on. */
interface PteRange {
  readonly pfn: number;
  readonly first: number;
  readonly nr: number;
}

/** The vma and the table have room for all of the folio, whose head is at `vpn`. Linux: part of mm/memory.c:finish_fault() */
function mapsAllPages(vma: Vma, vpn: number, { first, nr }: PteRange): boolean {
  if (!vma.file!.mapping!.isAnonymous || userfaultfdArmed(vma)) return false;
  return first >= 0 && first + nr <= 512 && vpn * PAGE_SIZE >= vma.start && (vpn + nr) * PAGE_SIZE <= vma.end;
}

/** Linux: mm/memory.c:pte_range_none() */
function pteRangeNone(table: Table, { first, nr }: PteRange): boolean {
  return table.nextUsed(first, first + nr) === first + nr;
}

/** Under the ptl. Linux: mm/memory.c:set_pte_range() */
function setPteRange(fault: VmFault, table: Table, { pfn, first, nr }: PteRange): void {
  ptlAssertHeld(fault.vma.mm);
  const { vma } = fault;
  let lo = mkPte(vma);
  if (fault.flags & FAULT.write) lo = maybeMkwrite(lo | Pte.dirtied, vma);
  folioAddFileRmapPtes(vma.mm.memory, pfn, nr);
  vma.mm.rss.shmem += nr;
  for (let i = 0; i < nr; i++) table.set(first + i, keepUffdWp(fault, lo), pfn + i);
}

/**
 * Maps the cached pages of the aligned 64 KiB window, within the vma and the PTE table, or the large folio that is the first of them. True
 * when the faulting one is mapped. Linux: mm/memory.c:do_fault_around(), mm/filemap.c:filemap_map_pages()
 */
function* doFaultAround(fault: VmFault): Coroutine<boolean> {
  const { vma, vpn } = fault;
  const { mm } = vma;
  const { memory } = mm;
  const first = Math.max(vpn - (pteIndex(vpn) % FAULT_AROUND_PAGES), vma.start / PAGE_SIZE);
  const last = Math.min(first + FAULT_AROUND_PAGES, vpn - pteIndex(vpn) + 512, vma.end / PAGE_SIZE);
  if (memory.kernel.scheduler.isFine) yield FINE.ptl;
  let at = first;
  while (at < last && nextUptodatePage(vma, at) === 0) at++;
  if (at === last) return false;
  if (filemapMapPmd(fault, nextUptodatePage(vma, at))) return true;
  const table = mm.pageTable.pteTableAlloc(vpn);
  let found = false;
  ptlLock(mm);
  for (; at < last; at++) {
    const pfn = nextUptodatePage(vma, at);
    const i = pteIndex(at);
    if (pfn === 0 || kindOf(table.lo(i)) !== Kind.none) continue;
    folioGet(memory, pfn);
    folioAddFileRmapPte(memory, pfn);
    mm.rss.shmem++;
    table.set(i, mkPte(vma), pfn);
    found ||= at === vpn;
  }
  ptlUnlock(mm);
  return found;
}

/** The page of the file at `vpn` if it can be mapped without waiting, else 0. Linux: part of mm/filemap.c:next_uptodate_folio() */
function nextUptodatePage(vma: Vma, vpn: number): number {
  const { memory } = vma.mm;
  const mapping = vma.file!.mapping!;
  const index = vma.linearPageIndex(vpn * PAGE_SIZE);
  const pfn = mapping.pages.get(index);
  if (index >= Math.ceil(mapping.size / PAGE_SIZE) || pfn <= 0 || folioIsLocked(memory, pfn)) return 0;
  return memory.frames.hasFlags(memory.frames.head(pfn), PG.uptodate) ? pfn : 0;
}

/** True when one entry maps 2 MiB, as it did or does now. Linux: mm/filemap.c:filemap_map_pmd() */
function filemapMapPmd(fault: VmFault, pfn: number): boolean {
  const { memory, pageTable } = fault.vma.mm;
  const pmd = pageTable.pmdTable(fault.vpn);
  const kind = pmd === null ? Kind.none : kindOf(pmd.lo(pmdIndex(fault.vpn)));
  if (kind === Kind.present) return true;
  const head = memory.frames.head(pfn);
  if (kind !== Kind.none || memory.frames.order(head) === 0) return false;
  folioGet(memory, head);
  const isMapped = doSetPmd(fault, head);
  if (!isMapped) folioPut(memory, head);
  return isMapped;
}
