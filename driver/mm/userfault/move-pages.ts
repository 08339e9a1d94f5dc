import { EAGAIN, EBUSY, EEXIST, EFAULT, EINTR, EINVAL, ENOENT, ENOMEM } from '../../../uapi/errno.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import { folioGet, folioLock, folioPut, folioUnlock } from '../frames/folio.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { folioMoveAnonRmap } from '../frames/rmap.js';
import { setPmd } from '../huge/thp-fault.js';
import { mmFindPmd, type PmdSlot } from '../huge/thp-policy.js';
import { splitFolio } from '../huge/thp-split-folio.js';
import { splitHugePmd } from '../huge/thp-split-pmd.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { migrationEntryWait } from '../tables/migration-entries.js';
import { isHugeAligned } from '../tables/page-align.js';
import { pmdIndex, pteIndex, type Table } from '../tables/page-table.js';
import { mkPte } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { mayAllocTable } from '../tables/table-alloc.js';
import { flushPmdTlbRange, flushTlbPage } from '../tables/tlb.js';
import type { Mm } from '../vmas/mm.js';
import { VM, VM_ACCESS_FLAGS } from '../vmas/vm-flags.js';
import { type Vma, vmaIsAnonymous } from '../vmas/vma.js';
import type { UserfaultCtx } from './ctx.js';

const MOVE_POINT = preemptPoint('userfaultfd move');
const IMMOVABLE = VM.pfnmap | VM.io | VM.hugetlb | VM.mixedmap;

/** Pages that go from one place to another one, where nothing is. */
export interface MoveRequest {
  readonly dst: number;
  readonly src: number;
  readonly len: number;
  /** Nothing at the source counts as moved. Linux: UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES */
  readonly allowsHoles: boolean;
}

interface Move {
  readonly mm: Mm;
  readonly dstVma: Vma;
  readonly srcVma: Vma;
  readonly dst: number;
  readonly src: number;
  readonly allowsHoles: boolean;
}

/** Bytes moved, or a negative errno when none were. Linux: mm/userfaultfd.c:move_pages() */
export function* movePages(ctx: UserfaultCtx, { dst, src, len, allowsHoles }: MoveRequest): Coroutine<number> {
  const { mm } = ctx;
  const { kernel } = mm.memory;
  yield* mm.mmapLock.readLock();
  const vmas = yield* uffdMoveLock(ctx, { dst, src, len, allowsHoles });
  let error = typeof vmas === 'number' ? vmas : 0;
  let moved = 0;
  while (typeof vmas !== 'number' && moved < len && error === 0) {
    const move = { mm, ...vmas, dst: dst + moved, src: src + moved, allowsHoles };
    const step = yield* moveStep(move, len - moved);
    if (kernel.scheduler.contended || step === -EAGAIN) yield MOVE_POINT;
    if (kernel.current.killed && (step >= 0 || step === -EAGAIN)) error = -EINTR;
    else if (step >= 0) moved += step;
    else if (step !== -EAGAIN) error = step;
  }
  mm.mmapLock.readUnlock();
  return moved > 0 ? moved : error;
}

/** Linux: mm/userfaultfd.c:uffd_move_lock(), validate_move_areas() */
function* uffdMoveLock(
  ctx: UserfaultCtx,
  { dst, src, len }: MoveRequest,
): Coroutine<{ dstVma: Vma; srcVma: Vma } | number> {
  const { mm } = ctx;
  const dstVma = mm.vmaLookup(dst);
  if (dstVma === null) return -ENOENT;
  if (!dstVma.isShared) yield* anonVmaPrepare(dstVma);
  const srcVma = mm.vmaLookup(src);
  if (srcVma === null) return -ENOENT;
  if (ctx.mmapChanging > 0) return -EAGAIN;
  if (src + len > srcVma.end || dst + len > dstVma.end) return -EINVAL;
  const compared = VM_ACCESS_FLAGS | VM.locked;
  const isAlike = ((srcVma.flags ^ dstVma.flags) & compared) === 0 && (srcVma.flags & VM.write) !== 0;
  if (!isAlike || (srcVma.flags | dstVma.flags) & IMMOVABLE || dstVma.userfault !== ctx) return -EINVAL;
  return vmaIsAnonymous(srcVma) && vmaIsAnonymous(dstVma) ? { dstVma, srcVma } : -EINVAL;
}

/** One page, or one 2 MiB entry: bytes, -EAGAIN to look again, or another errno. */
function* moveStep(move: Move, left: number): Coroutine<number> {
  const { mm, dst, src, srcVma, allowsHoles } = move;
  const srcVpn = src / PAGE_SIZE;
  const srcPmd = allowsHoles ? mm.pageTable.pmdTableAlloc(srcVpn) : mm.pageTable.pmdTable(srcVpn);
  if (srcPmd === null) return -ENOENT;
  const dstPmd = mm.pageTable.pmdTableAlloc(dst / PAGE_SIZE);
  const dstLo = dstPmd.lo(pmdIndex(dst / PAGE_SIZE));
  if (dstLo & Pte.huge && kindOf(dstLo) === Kind.present) return -EEXIST;
  const from: PmdSlot = { table: srcPmd, index: pmdIndex(srcVpn) };
  const lo = from.table.lo(from.index);
  if (lo & Pte.huge) {
    const isWhole = isHugeAligned(src) && isHugeAligned(dst) && left >= HPAGE_PMD_SIZE && kindOf(dstLo) === Kind.none;
    if (isWhole) {
      const to: PmdSlot = { table: dstPmd, index: pmdIndex(dst / PAGE_SIZE) };
      return (yield* movePagesHugePmd(move, from, to)) || HPAGE_PMD_SIZE;
    }
    const isShared =
      kindOf(lo) === Kind.present && !(lo & Pte.special) && !mm.memory.frames.isAnonExclusive(srcPmd.hi(from.index));
    if (isShared) return -EBUSY;
    yield* splitHugePmd(srcVma, src);
    return -EAGAIN;
  }
  if (kindOf(lo) === Kind.none && !allowsHoles) return -ENOENT;
  for (const [at, isNone] of [
    [src, kindOf(lo) === Kind.none],
    [dst, kindOf(dstLo) === Kind.none],
  ] as const) {
    if (isNone && !mayAllocTable(mm)) return -ENOMEM;
    if (isNone) mm.pageTable.pteTableAlloc(at / PAGE_SIZE);
  }
  return (yield* movePagesPte(move)) || PAGE_SIZE;
}

/** Linux: mm/userfaultfd.c:move_pages_pte() */
function* movePagesPte(move: Move): Coroutine<number> {
  const { mm, src } = move;
  const range: NotifierRange = { mm, start: src, end: src + PAGE_SIZE, event: 'CLEAR', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  const error = yield* movePte(move);
  yield* mmuNotifierInvalidateRangeEnd(range);
  return error;
}

function* movePte(move: Move): Coroutine<number> {
  const { mm, dst, src, allowsHoles } = move;
  const { memory } = mm;
  if (memory.kernel.scheduler.isFine) yield FINE.ptl;
  const to = mm.pageTable.pteTable(dst / PAGE_SIZE);
  if (to === null) return yield* hugeDestination(move);
  const from = mm.pageTable.pteTable(src / PAGE_SIZE);
  if (from === null) return -EAGAIN;
  const entry = { from, to, i: pteIndex(src / PAGE_SIZE), j: pteIndex(dst / PAGE_SIZE) };
  if (kindOf(to.lo(entry.j)) !== Kind.none) return -EEXIST;
  const lo = from.lo(entry.i);
  const pfn = from.hi(entry.i);
  switch (kindOf(lo)) {
    case Kind.none:
      return allowsHoles ? 0 : -ENOENT;
    case Kind.present:
      return lo & Pte.special ? moveZeropagePte(move, entry) : yield* movePresent(move, { ...entry, lo, pfn });
    case Kind.swap:
      return lo & Pte.exclusive ? yield* moveSwapPte(move, { ...entry, lo, pfn }) : -EBUSY;
    case Kind.migration:
      yield* migrationEntryWait(mm, src / PAGE_SIZE);
      return -EAGAIN;
    default:
      return -EFAULT;
  }
}

/**
 * There is no table of small entries any more, or there is a 2 MiB entry that maps nothing now. Deviates: Linux looks again and again, for
 * a migration until it is over, and as long as a device has the page, which here is in the way like any other.
 */
function* hugeDestination({ mm, dst }: Move): Coroutine<number> {
  const slot = mmFindPmd(mm, dst / PAGE_SIZE);
  if (slot !== null && kindOf(slot.table.lo(slot.index)) === Kind.devicePrivate) return -EEXIST;
  yield* migrationEntryWait(mm, dst / PAGE_SIZE);
  return -EAGAIN;
}

interface PteMove {
  readonly from: Table;
  readonly i: number;
  readonly to: Table;
  readonly j: number;
}

/** Linux: mm/userfaultfd.c:move_zeropage_pte() */
function moveZeropagePte({ mm, dstVma, src }: Move, { from, i, to, j }: PteMove): number {
  ptlLock(mm);
  flushTlbPage(mm, src / PAGE_SIZE);
  to.set(j, mkPte(dstVma) | Pte.special, from.hi(i));
  from.clear(i);
  ptlUnlock(mm);
  return 0;
}

/** With the folio locked and rmap walks kept away. Linux: part of mm/userfaultfd.c:move_pages_pte() */
function* movePresent(move: Move, at: PteMove & { lo: number; pfn: number }): Coroutine<number> {
  const { memory } = move.mm;
  const { frames } = memory;
  const { pfn } = at;
  if (!frames.isAnonExclusive(pfn)) return -EBUSY;
  const head = frames.head(pfn);
  folioGet(memory, head);
  yield* folioLock(memory, head);
  let error = 0;
  if (frames.head(pfn) !== head || at.from.hi(at.i) !== pfn || kindOf(at.from.lo(at.i)) !== Kind.present) {
    error = -EAGAIN;
  } else if (frames.order(head) > 0) {
    // The references of who has the lock are not in the way of a split.
    error = (yield* splitFolio(memory, head)) || -EAGAIN;
  } else {
    const anonVma = memory.anonVmas.get(frames.mapping(pfn))!;
    yield* anonVma.root.lock.writeLock();
    error = movePresentPte(move, at);
    anonVma.root.lock.writeUnlock();
  }
  folioUnlock(memory, head);
  folioPut(memory, head);
  return error;
}

/** The folio, locked and of one process, is found by its new place from now on. */
function moveFolio(dstVma: Vma, dst: number, pfn: number): void {
  const { memory } = dstVma.mm;
  folioMoveAnonRmap(memory, pfn, dstVma);
  memory.frames.setIndex(pfn, dstVma.linearPageIndex(dst));
}

/** Linux: mm/userfaultfd.c:move_present_pte() */
function movePresentPte({ mm, dstVma, src, dst }: Move, { from, i, to, j, pfn }: PteMove & { pfn: number }): number {
  const { memory } = mm;
  const { frames } = memory;
  ptlLock(mm);
  const lo = from.lo(i);
  const isSame = kindOf(lo) === Kind.present && from.hi(i) === pfn && kindOf(to.lo(j)) === Kind.none;
  const isBusy = frames.folioMaybeDmaPinned(pfn) || !frames.isAnonExclusive(pfn);
  if (isSame && !isBusy) {
    flushTlbPage(mm, src / PAGE_SIZE);
    from.clear(i);
    moveFolio(dstVma, dst, pfn);
    to.set(j, mkPte(dstVma) | Pte.softDirty | Pte.write | (lo & Pte.dirty), pfn);
  }
  ptlUnlock(mm);
  if (!isSame) return -EAGAIN;
  return isBusy ? -EBUSY : 0;
}

/** A page in swap, and the folio that caches it, if there is one. Linux: mm/userfaultfd.c:move_swap_pte() */
function* moveSwapPte({ mm, dstVma, dst }: Move, at: PteMove & { lo: number; pfn: number }): Coroutine<number> {
  const { memory } = mm;
  const { frames, swap } = memory;
  const slot = at.pfn;
  const cached = swap.cachedPfn(slot);
  if (cached !== 0) {
    folioGet(memory, cached);
    yield* folioLock(memory, cached);
  }
  ptlLock(mm);
  const isSame = at.from.lo(at.i) === at.lo && at.from.hi(at.i) === slot && kindOf(at.to.lo(at.j)) === Kind.none;
  const isMovable = isSame && swap.cachedPfn(slot) === cached;
  if (isMovable) {
    if (cached !== 0 && frames.isAnon(cached)) moveFolio(dstVma, dst, cached);
    at.from.move(at.i, at.to, at.j);
    at.to.setLo(at.j, at.lo | Pte.softDirty);
  }
  ptlUnlock(mm);
  if (cached !== 0) {
    folioUnlock(memory, cached);
    folioPut(memory, cached);
  }
  return isMovable ? 0 : -EAGAIN;
}

/** Linux: mm/huge_memory.c:move_pages_huge_pmd() */
function* movePagesHugePmd({ mm, srcVma, dstVma, src, dst }: Move, from: PmdSlot, to: PmdSlot): Coroutine<number> {
  const { memory } = mm;
  const { frames } = memory;
  const lo = from.table.lo(from.index);
  const head = from.table.hi(from.index);
  if (kindOf(lo) === Kind.migration) {
    yield* migrationEntryWait(mm, src / PAGE_SIZE);
    return -EAGAIN;
  }
  if (kindOf(lo) !== Kind.present) return -ENOENT;
  const isZero = (lo & Pte.special) !== 0;
  if (!isZero && !frames.isAnonExclusive(head)) return -EBUSY;
  const range: NotifierRange = { mm: srcVma.mm, start: src, end: src + HPAGE_PMD_SIZE, event: 'CLEAR', owner: null };
  if (!isZero) folioGet(memory, head);
  yield* mmuNotifierInvalidateRangeStart(range);
  if (!isZero) yield* folioLock(memory, head);
  const lock = isZero ? null : (memory.anonVmas.get(frames.mapping(head))?.root.lock ?? null);
  if (lock !== null) yield* lock.writeLock();
  ptlLock(mm);
  const isSame =
    from.table.lo(from.index) === lo &&
    from.table.hi(from.index) === head &&
    kindOf(to.table.lo(to.index)) === Kind.none;
  const isBusy = !isZero && (frames.folioMaybeDmaPinned(head) || !frames.isAnonExclusive(head));
  if (isSame && !isBusy) {
    flushPmdTlbRange(mm, src / PAGE_SIZE);
    setPmd(from, Kind.none, 0);
    if (!isZero) moveFolio(dstVma, dst, head);
    setPmd(to, mkPte(dstVma) | Pte.huge | (isZero ? Pte.special : Pte.write | Pte.dirtied), head);
  }
  ptlUnlock(mm);
  lock?.writeUnlock();
  if (!isZero) folioUnlock(memory, head);
  yield* mmuNotifierInvalidateRangeEnd(range);
  if (!isZero) folioPut(memory, head);
  if (!isSame) return -EAGAIN;
  return isBusy ? -EBUSY : 0;
}
