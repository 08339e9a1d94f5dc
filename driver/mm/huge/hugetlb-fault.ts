import type { Coroutine } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { FAULT, VM_FAULT } from '../faults/fault-code.js';
import { filemapLockHugetlbFolio, hugetlbAddToPageCache } from '../files/hugetlbfs.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import {
  folioGet,
  folioPut,
  folioSetLocked,
  folioTrylock,
  folioUnlock,
  migrationEntryWaitOnLocked,
} from '../frames/folio.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PAGE_SIZE, PG } from '../frames/frames.js';
import {
  folioAddFileRmapPmd,
  folioAddNewAnonRmapPmd,
  folioMoveAnonRmap,
  folioRemoveRmapPmd,
  rmapWalk,
} from '../frames/rmap.js';
import type { Memory } from '../memory.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pmdIndex } from '../tables/page-table.js';
import { mkPte, pteMkuffdWp, userfaultfdPteWp } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { flushPmdTlbRange } from '../tables/tlb.js';
import { TlbGather } from '../tables/tlb-gather.js';
import { userfaultfdWpAsync } from '../userfault/ctx.js';
import { handleUserfault } from '../userfault/handle-userfault.js';
import { mmapAssertLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { clearHugePage, copyHugePage } from './huge-zero.js';
import { unmapHugepageRange } from './hugetlb-copy.js';
import { hugetlbReservation } from './hugetlb-pool.js';
import { setPmd } from './thp-fault.js';
import { hugeStart, hugeVpn, type PmdSlot } from './thp-policy.js';

/** `hugetlbWp` is to be tried again, with the entry as it is then. */
const RETRY = -1;
/** `hugetlbNoPage` found what a userfaultfd serves. */
const SERVED_MISSING = -2;
const SERVED_MINOR = -3;

/**
 * A fault in a hugetlb vma: VM_FAULT.* bits, 0 to try the access again. The caller holds mmap_lock for read.
 * Linux: mm/hugetlb.c:hugetlb_fault()
 */
export function* hugetlbFault(vma: Vma, realAddr: number, flags: number): Coroutine<number> {
  mmapAssertLocked(vma.mm);
  const { memory } = vma.mm;
  const { faultMutex } = memory.hugetlb;
  const start = hugeStart(realAddr);
  const fault = { vma, addr: start, realAddr, flags };
  yield* faultMutex.lock();
  let busyFolio = 0;
  let servedReason = 0;
  let ret = RETRY;
  while (ret === RETRY) {
    const slot = hugePteAlloc(vma, start);
    const lo = slot.table.lo(slot.index);
    const head = slot.table.hi(slot.index);
    const kind = kindOf(lo);
    if (kind === Kind.marker && lo & Pte.poisoned) {
      ret = VM_FAULT.hwpoison;
    } else if (kind === Kind.none || kind === Kind.marker) {
      ret = yield* hugetlbNoPage(vma, start, { slot, flags });
      if (ret === SERVED_MISSING || ret === SERVED_MINOR) {
        servedReason = ret === SERVED_MISSING ? VM.uffdMissing : VM.uffdMinor;
        break;
      }
    } else if (flags & FAULT.write && !(lo & Pte.write) && userfaultfdPteWp(vma, lo)) {
      if (!userfaultfdWpAsync(vma)) {
        servedReason = VM.uffdWp;
        break;
      }
      slot.table.setLo(slot.index, lo & ~Pte.uffdWp);
    } else if (flags & (FAULT.write | FAULT.unshare) && !(lo & Pte.write)) {
      // Whether an anonymous page can be reused is decided under its lock.
      const isAnon = memory.frames.isAnon(head);
      if (isAnon && !folioTrylock(memory, head)) {
        busyFolio = head;
        break;
      }
      folioGet(memory, head);
      ret = yield* hugetlbWp(vma, start, { slot, flags });
      if (isAnon) folioUnlock(memory, head);
      folioPut(memory, head);
    } else {
      slot.table.setLo(
        slot.index,
        slot.table.lo(slot.index) | (flags & FAULT.write ? Pte.young | Pte.dirty : Pte.young),
      );
      ret = 0;
    }
  }
  faultMutex.unlock();
  if (servedReason !== 0) return yield* handleUserfault(fault, servedReason);
  if (busyFolio === 0) return ret;
  yield* migrationEntryWaitOnLocked(memory, busyFolio);
  return 0;
}

/** The PMD entry of a hugetlb address; missing tables are made. Linux: mm/hugetlb.c:huge_pte_alloc() */
export function hugePteAlloc(vma: Vma, start: number): PmdSlot {
  const vpn = hugeVpn(start);
  return { table: vma.mm.pageTable.pmdTableAlloc(vpn), index: pmdIndex(vpn) };
}

/**
 * Maps the file's page, or a new zeroed one, which becomes the file's if the mapping is shared. Under the pool's fault mutex.
 * Linux: mm/hugetlb.c:hugetlb_no_page()
 */
function* hugetlbNoPage(vma: Vma, start: number, { slot, flags }: { slot: PmdSlot; flags: number }): Coroutine<number> {
  vma.mm.memory.kernel.assertHeld(LockClass.hugetlbLock);
  const { mm } = vma;
  const { memory } = mm;
  const isShared = (vma.flags & VM.mayshare) !== 0;
  if (!isShared && hugetlbReservation(vma).isUnmapped) return VM_FAULT.sigbus;
  const mapping = vma.file?.mapping ?? null;
  const index = vma.linearPageIndex(start);
  let head = mapping === null ? 0 : yield* filemapLockHugetlbFolio(memory, mapping, index);
  if (head === 0) {
    if (mapping !== null && index * PAGE_SIZE >= mapping.size) return VM_FAULT.sigbus;
    if (vma.flags & VM.uffdMissing) return SERVED_MISSING;
    if (!isShared) yield* anonVmaPrepare(vma);
    head = allocHugetlbFolio(vma, start);
    if (head === 0) return VM_FAULT.sigbus;
    clearHugePage(memory, head);
    memory.frames.setFlags(head, PG.uptodate);
    if (isShared) hugetlbAddToPageCache(memory, mapping!, index, head);
    else folioSetLocked(memory, head);
  } else if (vma.flags & VM.uffdMinor) {
    folioUnlock(memory, head);
    folioPut(memory, head);
    return SERVED_MINOR;
  }
  const isOfFile = mapping !== null && mapping.pages.get(index) === head;
  ptlLock(mm);
  if (isOfFile) folioAddFileRmapPmd(memory, head);
  else folioAddNewAnonRmapPmd(memory, head, vma, start);
  const isWritable = vma.isShared ? (vma.flags & VM.write) !== 0 : !isOfFile && (flags & FAULT.write) !== 0;
  const lo = mkPte(vma) | Pte.huge | (isWritable ? Pte.write | Pte.dirty : 0);
  const wasProtected = userfaultfdPteWp(vma, slot.table.lo(slot.index));
  setPmd(slot, wasProtected ? pteMkuffdWp(lo) : lo, head);
  ptlUnlock(mm);
  folioUnlock(memory, head);
  // Linux: mm/hugetlb.c:hugetlb_wp() leaves what is protected as it is; the next fault tells of it.
  if (wasProtected) return 0;
  // A private mapping that is written has a copy at once.
  return isOfFile && !vma.isShared && flags & FAULT.write ? RETRY : 0;
}

/** A page for `addr`, with a promise if there is one; 0 without. Linux: mm/hugetlb.c:alloc_hugetlb_folio() */
export function allocHugetlbFolio(vma: Vma, addr: number, { cowFromOwner = false } = {}): number {
  if (!(vma.flags & VM.mayshare)) return hugetlbReservation(vma).allocate(vma, addr, { cowFromOwner });
  return vma.file!.mapping!.hugetlb!.allocate(vma.linearPageIndex(addr) / HPAGE_PMD_NR);
}

/**
 * A write or unshare meets a read-only entry. The page is reused when nobody else maps it; its references do not
 * count, as copies are scarce. Under the pool's fault mutex.
 * Linux: mm/hugetlb.c:hugetlb_wp()
 */
function* hugetlbWp(vma: Vma, start: number, { slot, flags }: { slot: PmdSlot; flags: number }): Coroutine<number> {
  vma.mm.memory.kernel.assertHeld(LockClass.hugetlbLock);
  const { mm } = vma;
  const { memory } = mm;
  const { frames } = memory;
  const { table } = slot;
  const unshare = (flags & FAULT.unshare) !== 0;
  if (!unshare && !(vma.flags & VM.write)) return VM_FAULT.sigsegv;
  const lo = table.lo(slot.index);
  const head = table.hi(slot.index);
  if (vma.flags & VM.mayshare) {
    table.setLo(slot.index, lo | Pte.write | Pte.dirty);
    return 0;
  }
  const isAnon = frames.isAnon(head);
  if (isAnon && frames.folioMapcount(head) === 1) {
    folioMoveAnonRmap(memory, head, vma);
    frames.setFlags(head, PG.anonExclusive);
    if (!unshare) table.setLo(slot.index, lo | Pte.write | Pte.dirty);
    return 0;
  }
  const reservation = hugetlbReservation(vma);
  const cowFromOwner = reservation.isOwner && isAnon;
  const copy = allocHugetlbFolio(vma, start, { cowFromOwner });
  if (copy === 0) {
    if (!cowFromOwner) return VM_FAULT.sigbus;
    yield* unmapRefPrivate(memory, head, vma);
    return RETRY;
  }
  yield* anonVmaPrepare(vma);
  copyHugePage(memory, copy, head);
  frames.setFlags(copy, PG.uptodate);
  yield* replaceByCopy(vma, start, { slot, lo, head, copy, unshare });
  return 0;
}

/** Puts the copy in place of the shared page, unless the entry changed while the notifiers ran. */
function* replaceByCopy(
  vma: Vma,
  start: number,
  { slot, lo, head, copy, unshare }: { slot: PmdSlot; lo: number; head: number; copy: number; unshare: boolean },
): Coroutine<void> {
  const { mm } = vma;
  const { memory } = mm;
  const { table } = slot;
  const range: NotifierRange = { mm, start, end: start + HPAGE_PMD_SIZE, event: 'CLEAR', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  ptlLock(mm);
  const isSame = table.lo(slot.index) === lo && table.hi(slot.index) === head;
  if (isSame) {
    flushPmdTlbRange(mm, start / PAGE_SIZE);
    folioRemoveRmapPmd(memory, head);
    folioAddNewAnonRmapPmd(memory, copy, vma, start);
    const entry = mkPte(vma) | Pte.huge | (unshare ? 0 : Pte.write | Pte.dirty);
    setPmd(slot, lo & Pte.uffdWp ? pteMkuffdWp(entry) : entry, copy);
  }
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
  folioPut(memory, isSame ? head : copy);
}

/**
 * The owner of the mapping finds no page for its copy: the page is taken from the children, who get SIGBUS if they come
 * back to their mapping. Linux: mm/hugetlb.c:unmap_ref_private()
 * Deviates: Linux looks at the owner's address in every child, and so for ever misses one that has moved its mapping.
 */
function* unmapRefPrivate(memory: Memory, head: number, owner: Vma): Coroutine<void> {
  yield* rmapWalk(memory, head, function* (vma, start) {
    if (vma === owner || (vma.flags & (VM.hugetlb | VM.mayshare)) !== VM.hugetlb) return true;
    const reservation = hugetlbReservation(vma);
    if (reservation.isOwner) return true;
    const end = start + HPAGE_PMD_SIZE;
    const range: NotifierRange = { mm: vma.mm, start, end, event: 'CLEAR', owner: null };
    yield* mmuNotifierInvalidateRangeStart(range);
    const gather = new TlbGather(vma.mm);
    if (yield* unmapHugepageRange(gather, vma, { start, end, onlyPfn: head })) reservation.isUnmapped = true;
    yield* mmuNotifierInvalidateRangeEnd(range);
    yield* gather.tlbFinishMmu();
    return true;
  });
}
