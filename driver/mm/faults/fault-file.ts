import { ENOSPC } from '../../../uapi/errno.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { SERVED, shmemGetFolio } from '../files/shmem.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import { copyPage, folioAddLru, folioGet, folioIsLocked, folioLock, folioPut, folioUnlock } from '../frames/folio.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddFileRmapPte, folioAddNewAnonRmap } from '../frames/rmap.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { pmdIndex, pteIndex, type Table } from '../tables/page-table.js';
import { folioMarkDirty, maybeMkwrite, mkPte } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from '../tables/ptl.js';
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
  if (scheduler.isFine) yield FINE.folioLock;
  folioUnlock(memory, pfn);
  if (scheduler.isFine) yield FINE.refcount;
  folioPut(memory, pfn);
  if (table === null) folioPut(memory, copy);
  return 0;
}

/** The file's page, locked and referenced; minus VM_FAULT bits when there is none. Linux: mm/shmem.c:shmem_fault() */
function* shmemFault(fault: VmFault): Coroutine<number> {
  const { vma } = fault;
  const { memory } = vma.mm;
  const mapping = vma.file!.mapping!;
  const index = vma.linearPageIndex(fault.addr);
  for (;;) {
    if (index * PAGE_SIZE >= mapping.size) return -VM_FAULT.sigbus;
    const pfn = yield* shmemGetFolio(memory, mapping, index, {
      create: true,
      isServed: (found) => isServed(vma, found),
    });
    if (pfn === SERVED) {
      const reason = mapping.pages.get(index) === 0 ? VM.uffdMissing : VM.uffdMinor;
      return -(yield* handleUserfault(fault, reason));
    }
    if (pfn <= 0) return pfn === -ENOSPC ? -VM_FAULT.sigbus : -VM_FAULT.oom;
    yield* folioLock(memory, pfn);
    if (mapping.pages.get(index) === pfn) return pfn;
    folioUnlock(memory, pfn);
    folioPut(memory, pfn);
  }
}

/** A userfaultfd serves such faults: of pages that the file has not, or of those that it has. */
function isServed({ flags }: Vma, found: number): boolean {
  return (flags & (found === 0 ? VM.uffdMissing : VM.uffdMinor)) !== 0;
}

/** Maps a locked file page; its reference goes to the entry, the lock is dropped. Linux: mm/memory.c:finish_fault() */
function* finishFault(fault: VmFault, pfn: number): Coroutine<number> {
  const { vma } = fault;
  const { memory } = vma.mm;
  const { scheduler } = memory.kernel;
  if (scheduler.isFine) yield FINE.ptl;
  const table = pteOffsetMapLock(fault);
  if (table !== null) {
    setPteRange(fault, table, pfn);
    ptlUnlock(vma.mm);
  }
  if (scheduler.isFine) yield FINE.folioLock;
  folioUnlock(memory, pfn);
  if (table === null) folioPut(memory, pfn);
  return 0;
}

/** Under the ptl. Linux: mm/memory.c:set_pte_range() */
function setPteRange(fault: VmFault, table: Table, pfn: number): void {
  ptlAssertHeld(fault.vma.mm);
  const { vma } = fault;
  let lo = mkPte(vma);
  if (fault.flags & FAULT.write) lo = maybeMkwrite(lo | Pte.dirtied, vma);
  folioAddFileRmapPte(vma.mm.memory, pfn);
  vma.mm.rss.shmem++;
  table.set(pteIndex(fault.vpn), keepUffdWp(fault, lo), pfn);
}

/**
 * Maps the cached pages of the aligned 64 KiB window, within the vma and the PTE table. True when the faulting one is
 * among them. Linux: mm/memory.c:do_fault_around(), mm/filemap.c:filemap_map_pages()
 */
function* doFaultAround(fault: VmFault): Coroutine<boolean> {
  const { vma, vpn } = fault;
  const { mm } = vma;
  const { memory } = mm;
  const { frames } = memory;
  const mapping = vma.file!.mapping!;
  const first = Math.max(vpn - (pteIndex(vpn) % FAULT_AROUND_PAGES), vma.start / PAGE_SIZE);
  const last = Math.min(first + FAULT_AROUND_PAGES, vpn - pteIndex(vpn) + 512, vma.end / PAGE_SIZE);
  const fileEnd = Math.ceil(mapping.size / PAGE_SIZE);
  if (memory.kernel.scheduler.isFine) yield FINE.ptl;
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd !== null && (pmd.lo(pmdIndex(vpn)) & KIND_MASK) === Kind.present) return false;
  const table = mm.pageTable.pteTableAlloc(vpn);
  let found = false;
  ptlLock(mm);
  for (let at = first; at < last; at++) {
    const index = vma.linearPageIndex(at * PAGE_SIZE);
    const pfn = mapping.pages.get(index);
    const i = pteIndex(at);
    if (index >= fileEnd || pfn <= 0 || folioIsLocked(memory, pfn)) continue;
    if ((table.lo(i) & KIND_MASK) !== Kind.none || !frames.hasFlags(pfn, PG.uptodate)) continue;
    folioGet(memory, pfn);
    folioAddFileRmapPte(memory, pfn);
    mm.rss.shmem++;
    table.set(i, at === vpn ? mkPte(vma) : mkPte(vma) & ~Pte.young, pfn);
    found ||= at === vpn;
  }
  ptlUnlock(mm);
  return found;
}
