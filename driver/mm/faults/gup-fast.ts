import { EFAULT, EINTR, EINVAL, EOVERFLOW } from '../../../uapi/errno.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { PAGE_SIZE, PG, Zone } from '../frames/frames.js';
import { type PfnList, tryGrabFolio } from '../frames/pin.js';
import type { Memory } from '../memory.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { PAGES_PER_PMD_ENTRY, pmdIndex, pteIndex, TASK_SIZE } from '../tables/page-table.js';
import type { Mm } from '../vmas/mm.js';
import { FOLL } from './foll.js';
import { gupLongtermLocked, gupMustUnshare, isValidGupArgs } from './gup.js';

const FAST_FLAGS = FOLL.write | FOLL.longterm | FOLL.force | FOLL.pin | FOLL.get | FOLL.fastOnly | FOLL.nofault;

/**
 * As `getUserPages`, but without mmap_lock as long as the pages are present; the first that is not, or that needs more
 * than a look at its entry, is left with all behind it to the slow path. The caller holds no mmap_lock. -EINVAL for bad
 * flags, -EFAULT or -EOVERFLOW for a range that is not of user space. Linux: mm/gup.c:get_user_pages_fast()
 */
export function* getUserPagesFast(
  mm: Mm,
  start: number,
  npages: number,
  flags: number,
  out: PfnList,
  at = 0,
): Coroutine<number> {
  if (!isValidGupArgs(flags, FOLL.get)) return -EINVAL;
  return yield* gupFastFallback(mm, start, npages, { flags: flags | FOLL.get, out, at });
}

/** As `getUserPagesFast` with pins. Linux: mm/gup.c:pin_user_pages_fast() */
export function* pinUserPagesFast(
  mm: Mm,
  start: number,
  npages: number,
  flags: number,
  out: PfnList,
  at = 0,
): Coroutine<number> {
  if (!isValidGupArgs(flags, FOLL.pin)) return -EINVAL;
  return yield* gupFastFallback(mm, start, npages, { flags: flags | FOLL.pin, out, at });
}

interface FastRequest {
  readonly flags: number;
  readonly out: PfnList;
  readonly at: number;
}

/** Linux: mm/gup.c:gup_fast_fallback() */
function* gupFastFallback(mm: Mm, start: number, npages: number, request: FastRequest): Coroutine<number> {
  const { flags, out, at } = request;
  if (flags & ~FAST_FLAGS) return -EINVAL;
  const first = Math.floor(start / PAGE_SIZE) * PAGE_SIZE;
  const end = first + npages * PAGE_SIZE;
  if (end >= 2 ** 64) return -EOVERFLOW;
  if (end > TASK_SIZE) return -EFAULT;
  const fast = yield* gupFast(mm, first / PAGE_SIZE, npages, request);
  if (fast === npages || flags & FOLL.fastOnly) return fast;
  yield* mm.mmapLock.readLock();
  let slow = -EINTR;
  if (!mm.memory.kernel.current.killed) {
    slow = yield* gupLongtermLocked(mm, first + fast * PAGE_SIZE, npages - fast, {
      flags: flags | FOLL.touch | FOLL.unlockable,
      out,
      at: at + fast,
    });
  }
  mm.mmapLock.readUnlock();
  if (slow < 0) return fast || slow;
  return fast + slow;
}

/**
 * One look at the entries with no lock, until one can't be taken as it is. Answers the number of pages.
 * Deviates: a pin gives up while anybody holds mmap_lock for write; Linux asks write_protect_seq, that is only while a
 * fork copies entries. Linux: mm/gup.c:gup_fast()
 */
function* gupFast(mm: Mm, vpn: number, npages: number, request: FastRequest): Coroutine<number> {
  if (request.flags & FOLL.pin && mm.mmapLock.isWriteLocked) return 0;
  let done = 0;
  while (done < npages) {
    const { isFine } = mm.memory.kernel.scheduler;
    if (isFine) yield FINE.entry;
    // No lock is held: another CPU may write between two of its looks.
    const most = isFine && mm.pageTable.pteTable(vpn + done) !== null ? 1 : PAGES_PER_PMD_ENTRY - pteIndex(vpn + done);
    const place = { done, npages: Math.min(npages - done, most) };
    const got = gupFastPmd(mm, vpn + done, request, place);
    done += got;
    if (got < place.npages) break;
  }
  return done;
}

interface FastPlace {
  /** Pages already stored. */
  readonly done: number;
  /** Pages wanted of this PMD entry. */
  readonly npages: number;
}

/** One PMD entry. Linux: part of mm/gup.c:gup_fast_pmd_range() and gup_fast_pmd_leaf() */
function gupFastPmd(mm: Mm, vpn: number, request: FastRequest, place: FastPlace): number {
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return 0;
  const lo = pmd.loLockless(pmdIndex(vpn));
  if ((lo & KIND_MASK) !== Kind.present) return gupFastPteRange(mm, vpn, request, place);
  const { flags, out, at } = request;
  const { memory } = mm;
  const head = pmd.hiLockless(pmdIndex(vpn));
  if (lo & Pte.protnone || (flags & FOLL.write && !(lo & Pte.write))) return 0;
  if (!gupFastFolioAllowed(memory, head, flags)) return 0;
  if (!(lo & Pte.write) && gupMustUnshare(memory, head, { flags, vma: null })) return 0;
  if (tryGrabFolio(memory, head, { refs: place.npages, flags }) !== 0) return 0;
  for (let i = 0; i < place.npages; i++) out[at + place.done + i] = head + pteIndex(vpn) + i;
  return place.npages;
}

/** Linux: mm/gup.c:gup_fast_pte_range() */
function gupFastPteRange(mm: Mm, vpn: number, { flags, out, at }: FastRequest, place: FastPlace): number {
  const leaf = mm.pageTable.pteTable(vpn);
  if (leaf === null) return 0;
  const { memory } = mm;
  const first = pteIndex(vpn);
  for (let n = 0; n < place.npages; n++) {
    const lo = leaf.loLockless(first + n);
    const pfn = leaf.hiLockless(first + n);
    // The zero page is special too: the slow path takes it.
    if ((lo & KIND_MASK) !== Kind.present || lo & (Pte.protnone | Pte.special)) return n;
    if (flags & FOLL.write && !(lo & Pte.write)) return n;
    if (!gupFastFolioAllowed(memory, pfn, flags)) return n;
    if (!(lo & Pte.write) && gupMustUnshare(memory, pfn, { flags, vma: null })) return n;
    if (tryGrabFolio(memory, pfn, { refs: 1, flags }) !== 0) return n;
    out[at + place.done + n] = pfn;
  }
  return place.npages;
}

/**
 * Long-term pins of coherent device memory, and long-term write pins of pages that are neither anonymous nor of hugetlb
 * or a file, need the slow path. Linux: mm/gup.c:try_grab_folio_fast(), gup_fast_folio_allowed()
 */
function gupFastFolioAllowed({ frames }: Memory, pfn: number, flags: number): boolean {
  if (!(flags & FOLL.longterm)) return true;
  const head = frames.head(pfn);
  if (frames.zone[head] === Zone.coherent) return false;
  return !(flags & FOLL.write) || frames.hasFlags(head, PG.hugetlb) || frames.mapping(head) !== 0;
}
