import { EAGAIN, EBUSY, EEXIST, EFAULT, EHWPOISON, EINTR, EINVAL, ENOMEM, EOPNOTSUPP } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { folioGet } from '../frames/folio.js';
import { ZERO_PFN } from '../frames/frame-allocator.js';
import { PAGE_SIZE, Zone } from '../frames/frames.js';
import { type PfnList, tryGrabFolio, unpinUserPage } from '../frames/pin.js';
import { pteAlloc } from '../huge/thp-file-fault.js';
import { splitHugePmd } from '../huge/thp-split-pmd.js';
import type { Memory } from '../memory.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { PAGES_PER_PMD_ENTRY, pmdIndex, pteIndex, type Table } from '../tables/page-table.js';
import { folioMarkDirty, isCowMapping, pteNeedsSoftDirtyWp, userfaultfdPteWp } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from '../tables/ptl.js';
import { type Mm, mmapAssertLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { handleMmFault } from './fault.js';
import { FAULT, VM_FAULT, VM_FAULT_ERROR } from './fault-code.js';
import { FOLL, INTERNAL_FOLL_FLAGS } from './foll.js';

const GUP_POINT = preemptPoint('get_user_pages');

/** `followPageMask` found nothing to take: the address must be faulted in. */
const NO_PAGE = 0;
/** The page must become the caller's own first, though it is only read. Linux: -EMLINK of mm/gup.c:follow_page_mask() */
const MUST_UNSHARE = -1000;
/** mmap_lock was let go of and taken again: what was known of the address space is old. */
const RELOCKED = -1001;

/** Where and how to store what GUP finds. Without `out` pages are only faulted in. */
export interface GupRequest {
  readonly flags: number;
  readonly out: PfnList | null;
  /** First index of `out`. */
  readonly at: number;
}

/**
 * Takes a reference on each page of [start, start + npages), faulting pages in. mmap_lock is held, and kept. Answers the
 * number of pages, which may be fewer than asked; or, when not even the first could be had, -EFAULT, -ENOMEM, -EINTR or
 * -EINVAL (bad flags). Linux: mm/gup.c:get_user_pages()
 */
export function* getUserPages(
  mm: Mm,
  start: number,
  npages: number,
  flags: number,
  out: PfnList,
  at = 0,
): Coroutine<number> {
  if (!isValidGupArgs(flags, FOLL.get)) return -EINVAL;
  return yield* gupLongtermLocked(mm, start, npages, { flags: flags | FOLL.get | FOLL.touch, out, at });
}

/** As `getUserPages` with pins, which `unpinUserPage` ends, and 0 for bad flags. Linux: mm/gup.c:pin_user_pages() */
export function* pinUserPages(
  mm: Mm,
  start: number,
  npages: number,
  flags: number,
  out: PfnList,
  at = 0,
): Coroutine<number> {
  if (!isValidGupArgs(flags, FOLL.pin)) return 0;
  return yield* gupLongtermLocked(mm, start, npages, { flags: flags | FOLL.pin, out, at });
}

/** As `getUserPages` for an address space that is not the caller's. Linux: mm/gup.c:get_user_pages_remote() */
export function* getUserPagesRemote(
  mm: Mm,
  start: number,
  npages: number,
  flags: number,
  out: PfnList,
  at = 0,
): Coroutine<number> {
  if (!isValidGupArgs(flags, FOLL.get)) return -EINVAL;
  return yield* getUserPagesInner(mm, start, npages, { flags: flags | FOLL.get | FOLL.touch | FOLL.remote, out, at });
}

/**
 * Faults in the pages of [start, end) for MADV_POPULATE_READ and _WRITE; mmap_lock is held. Answers the number of pages
 * done, or -ENOMEM (gap, out of memory), -EINVAL (access not allowed), -EFAULT, -EINTR. Linux: mm/gup.c:faultin_page_range()
 */
export function* faultinPageRange(mm: Mm, start: number, end: number, write: boolean): Coroutine<number> {
  mmapAssertLocked(mm);
  const flags = FOLL.touch | FOLL.madvPopulate | FOLL.unlockable | (write ? FOLL.write : 0);
  return yield* getUserPagesInner(mm, start, (end - start) / PAGE_SIZE, { flags, out: null, at: 0 });
}

/** Linux: mm/gup.c:is_valid_gup_args() */
export function isValidGupArgs(flags: number, toSet: number): boolean {
  if (flags & INTERNAL_FOLL_FLAGS) return false;
  const all = flags | toSet;
  if (all & FOLL.pin && all & FOLL.get) return false;
  return (all & FOLL.longterm) === 0 || (all & FOLL.pin) !== 0;
}

/** Gets pages again and again until none of them has to move for a long-term pin. Linux: mm/gup.c:__gup_longterm_locked() */
export function* gupLongtermLocked(mm: Mm, start: number, npages: number, request: GupRequest): Coroutine<number> {
  if (!(request.flags & FOLL.longterm)) return yield* getUserPagesInner(mm, start, npages, request);
  for (;;) {
    const pinned = yield* getUserPagesInner(mm, start, npages, request);
    if (pinned <= 0) return pinned;
    const moved = yield* checkAndMigrateMovablePagesOrFolios(mm.memory, request.out!, {
      at: request.at,
      npages: pinned,
    });
    if (moved === 0) return pinned;
    if (moved !== -EAGAIN) return moved;
  }
}

/**
 * Pinned pages that may not be pinned for long (coherent device memory) are unpinned with all the others and moved. 0
 * when there is none, -EAGAIN after a move, -EBUSY when one did not move; on errors no pin is left.
 * Linux: mm/gup.c:check_and_migrate_movable_pages_or_folios()
 */
function* checkAndMigrateMovablePagesOrFolios(
  memory: Memory,
  pfns: PfnList,
  { at, npages }: { at: number; npages: number },
): Coroutine<number> {
  const { frames } = memory;
  let collected = 0;
  for (let i = at; i < at + npages; i++) if (frames.zone[pfns[i]!] === Zone.coherent) collected++;
  if (collected === 0) return 0;
  for (let i = at; i < at + npages; i++) {
    const pfn = pfns[i]!;
    if (frames.zone[pfn] !== Zone.coherent) {
      unpinUserPage(memory, pfn);
      continue;
    }
    // A pinned page can't move, so the pin becomes a plain reference, which the migration consumes.
    folioGet(memory, pfn);
    unpinUserPage(memory, pfn);
    assert(memory.hooks !== null, 'coherent memory exists without a driver');
    const error = yield* memory.hooks.migrateDeviceCoherentFolio(pfn);
    if (error !== 0) {
      for (let j = i + 1; j < at + npages; j++) unpinUserPage(memory, pfns[j]!);
      return -EBUSY;
    }
  }
  return -EAGAIN;
}

/** Linux: mm/gup.c:__get_user_pages() */
function* getUserPagesInner(mm: Mm, start: number, npages: number, request: GupRequest): Coroutine<number> {
  const { kernel } = mm.memory;
  const { flags } = request;
  assert(mm.mmapLock.isHeld, 'get_user_pages needs mmap_lock');
  assert((request.out !== null) === ((flags & (FOLL.get | FOLL.pin)) !== 0), 'pages go with FOLL_GET or FOLL_PIN');
  const first = start - (start % PAGE_SIZE);
  let vma: Vma | null = null;
  let done = 0;
  while (done < npages) {
    const addr = first + done * PAGE_SIZE;
    if (vma === null || addr >= vma.end) {
      vma = mm.vmaLookup(addr);
      const error = checkVma(vma, flags);
      if (error !== 0) return done || error;
    }
    if (kernel.current.killed) return done || -EINTR;
    if (kernel.scheduler.contended) yield GUP_POINT;
    const got = yield* followPageMask(vma!, addr, { request, at: request.at + done, npages: npages - done });
    if (got > 0) {
      done += got;
    } else if (got === NO_PAGE || got === MUST_UNSHARE) {
      const error = yield* faultinPage(vma!, addr, { flags, unshare: got === MUST_UNSHARE });
      if (error === RELOCKED) vma = null;
      else if (error !== 0) return done || error;
    } else {
      return done || got;
    }
  }
  return done;
}

function checkVma(vma: Vma | null, flags: number): number {
  if (flags & FOLL.madvPopulate) {
    if (vma === null) return -ENOMEM;
    return checkVmaFlags(vma, flags) === 0 ? 0 : -EINVAL;
  }
  return vma === null ? -EFAULT : checkVmaFlags(vma, flags);
}

/**
 * Long-term write pins of file mappings are refused only where writes must be tracked, and tmpfs, hugetlb and the device
 * files never do that, so the rule has nothing to refuse here.
 * Linux: mm/gup.c:check_vma_flags()
 */
function checkVmaFlags(vma: Vma, flags: number): number {
  if (vma.flags & (VM.io | VM.pfnmap)) return -EFAULT;
  if (flags & FOLL.splitPmd && vma.flags & VM.hugetlb) return -EOPNOTSUPP;
  if (vma.flags & (flags & FOLL.write ? VM.write : VM.read)) return 0;
  if (!(flags & FOLL.force)) return -EFAULT;
  // A debugger writes copies, never what others see, and reads what could be made readable.
  if (flags & FOLL.write) return !(vma.flags & VM.hugetlb) && isCowMapping(vma.flags) ? 0 : -EFAULT;
  return vma.flags & VM.mayread ? 0 : -EFAULT;
}

/** An entry may be written through, or is a copy that only FOLL_FORCE may write. Linux: mm/gup.c:can_follow_write_pte() */
function canFollowWritePte(vma: Vma, lo: number, { pfn, flags }: { pfn: number; flags: number }): boolean {
  if (lo & Pte.write) return true;
  if (!(flags & FOLL.force) || vma.flags & (VM.mayshare | VM.shared | VM.write)) return false;
  const { frames } = vma.mm.memory;
  if (!(vma.flags & VM.maywrite) || lo & Pte.special) return false;
  return (
    frames.isAnon(pfn) && frames.isAnonExclusive(pfn) && !pteNeedsSoftDirtyWp(vma, lo) && !userfaultfdPteWp(vma, lo)
  );
}

/** Linux: mm/gup.c:faultin_page() */
function* faultinPage(
  vma: Vma,
  addr: number,
  { flags, unshare }: { flags: number; unshare: boolean },
): Coroutine<number> {
  if (flags & FOLL.nofault) return -EFAULT;
  let fault = 0;
  if (flags & FOLL.write) fault |= FAULT.write;
  if (flags & FOLL.remote) fault |= FAULT.remote;
  if (unshare) fault |= FAULT.unshare;
  if (flags & FOLL.unlockable) fault |= FAULT.allowRetry;
  const result = yield* handleMmFault(vma, addr, fault);
  if (result & VM_FAULT.retry) {
    yield* vma.mm.mmapLock.readLock();
    return RELOCKED;
  }
  if ((result & VM_FAULT_ERROR) === 0) return 0;
  if (result & VM_FAULT.hwpoison) return flags & FOLL.madvPopulate ? -EHWPOISON : -EFAULT;
  return result & VM_FAULT.oom ? -ENOMEM : -EFAULT;
}

interface FollowPlace {
  readonly request: GupRequest;
  /** Where the first pfn goes. */
  readonly at: number;
  /** Pages still wanted, at least one. */
  readonly npages: number;
}

/**
 * Takes the page at `addr`, or all wanted pages of a 2 MiB entry, as they are mapped now. Answers how many, NO_PAGE,
 * MUST_UNSHARE or a negative errno. Linux: mm/gup.c:follow_page_mask()
 */
function* followPageMask(vma: Vma, addr: number, place: FollowPlace): Coroutine<number> {
  const { mm } = vma;
  const vpn = addr / PAGE_SIZE;
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return NO_PAGE;
  const isHuge = (pmd.lo(pmdIndex(vpn)) & KIND_MASK) === Kind.present;
  const isSplit = (place.request.flags & FOLL.splitPmd) !== 0;
  if (isHuge && isSplit) {
    yield* splitHugePmd(vma, addr);
    if (pteAlloc(vma, vpn) !== 0) return -ENOMEM;
  }
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  return (isHuge && !isSplit ? followPmdLocked(vma, vpn, { pmd, place }) : null) ?? followPagePte(vma, vpn, place);
}

/** Null when the entry was split meanwhile. Linux: part of mm/gup.c:follow_pmd_mask() */
function followPmdLocked(vma: Vma, vpn: number, at: { pmd: Table; place: FollowPlace }): number | null {
  ptlLock(vma.mm);
  const isHuge = (at.pmd.lo(pmdIndex(vpn)) & KIND_MASK) === Kind.present;
  const ret = isHuge ? followHugePmd(vma, vpn, at) : null;
  ptlUnlock(vma.mm);
  return ret;
}

/** Linux: mm/gup.c:follow_page_pte() */
function followPagePte(vma: Vma, vpn: number, place: FollowPlace): number {
  const leaf = vma.mm.pageTable.pteTable(vpn);
  if (leaf === null) return NO_PAGE;
  ptlLock(vma.mm);
  const ret = followPteLocked(vma, vpn, { ...place, leaf });
  ptlUnlock(vma.mm);
  return ret;
}

/** The part under the lock. */
function followPteLocked(vma: Vma, vpn: number, { request, at, leaf }: FollowPlace & { leaf: Table }): number {
  const { mm } = vma;
  const { flags, out } = request;
  const i = pteIndex(vpn);
  const lo = leaf.lo(i);
  const pfn = leaf.hi(i);
  if ((lo & KIND_MASK) !== Kind.present) return NO_PAGE;
  if (flags & FOLL.write && !canFollowWritePte(vma, lo, { pfn, flags })) return NO_PAGE;
  if (lo & Pte.special && pfn !== ZERO_PFN) return -EEXIST;
  if (!(lo & Pte.write) && gupMustUnshare(mm.memory, pfn, { flags, vma })) return MUST_UNSHARE;
  const error = tryGrabFolio(mm.memory, pfn, { refs: 1, flags });
  if (error !== 0) return error;
  if (flags & FOLL.touch && flags & FOLL.write && !(lo & Pte.dirty)) folioMarkDirty(mm.memory, pfn);
  if (out !== null) out[at] = pfn;
  return 1;
}

/** THP and hugetlb alike; under the page table lock. Linux: mm/gup.c:follow_huge_pmd() */
function followHugePmd(vma: Vma, vpn: number, { pmd, place }: { pmd: Table; place: FollowPlace }): number {
  const { mm } = vma;
  ptlAssertHeld(mm);
  const { flags, out } = place.request;
  const i = pmdIndex(vpn);
  const lo = pmd.lo(i);
  const head = pmd.hi(i);
  if (flags & FOLL.write && !canFollowWritePte(vma, lo, { pfn: head, flags })) return NO_PAGE;
  if (!(lo & Pte.write) && gupMustUnshare(mm.memory, head, { flags, vma })) return MUST_UNSHARE;
  const offset = pteIndex(vpn);
  const npages = Math.min(PAGES_PER_PMD_ENTRY - offset, place.npages);
  const error = tryGrabFolio(mm.memory, head, { refs: npages, flags });
  if (error !== 0) return error;
  if (flags & FOLL.touch) {
    pmd.setLo(i, lo | Pte.young | (flags & FOLL.write ? Pte.dirtied : 0));
  }
  if (out !== null) for (let j = 0; j < npages; j++) out[place.at + j] = head + offset + j;
  return npages;
}

/**
 * A read-only pin must see later writes of its process, so an anonymous page must be the process's own before, and a
 * long-term pin may not take a file's page or the zero page out of a private mapping that can be written. The fast path
 * has no vma and gives up where it would need one. Linux: mm/internal.h:gup_must_unshare()
 */
export function gupMustUnshare(
  { frames }: Memory,
  pfn: number,
  { flags, vma }: { flags: number; vma: Vma | null },
): boolean {
  if ((flags & (FOLL.write | FOLL.pin)) !== FOLL.pin) return false;
  if (frames.isAnon(pfn)) return !frames.isAnonExclusive(pfn);
  if (!(flags & FOLL.longterm)) return false;
  return vma === null || isCowMapping(vma.flags);
}
