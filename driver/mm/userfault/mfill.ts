import { EAGAIN, EEXIST, EFAULT, EINTR, EINVAL, ENOENT, ENOMEM } from '../../../uapi/errno.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { copyFromUser } from '../faults/access.js';
import { filemapRemoveFolio, shmemAddToPageCache } from '../files/filemap.js';
import { shmemGetFolio } from '../files/shmem.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import { folioAddLru, folioLock, folioPut, folioSetLocked, folioUnlock } from '../frames/folio.js';
import { ZERO_PFN } from '../frames/frame-allocator.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddFileRmapPte, folioAddNewAnonRmap } from '../frames/rmap.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { isHugeAligned } from '../tables/page-align.js';
import { pmdIndex, pteIndex, type Table } from '../tables/page-table.js';
import { mkPte, pteMkuffdWp } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { mayAllocTable } from '../tables/table-alloc.js';
import type { Mm } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import { type Vma, vmaIsAnonymous, vmaIsShmem } from '../vmas/vma.js';
import type { UserfaultCtx } from './ctx.js';
import { hugetlbMfillAtomicPte } from './mfill-hugetlb.js';

const MFILL_POINT = preemptPoint('userfaultfd fill');

/** What a range is to be filled with, where nothing is mapped: bytes, zeroes, the file's own pages, or a marker that kills who touches it. */
export interface Mfill {
  readonly mode: 'copy' | 'zeropage' | 'continue' | 'poison';
  readonly start: number;
  readonly end: number;
  /** Whose bytes are copied, and from where. */
  readonly from: Mm;
  readonly source: number;
  /** Writes to what is filled in are told of. Linux: MFILL_ATOMIC_WP */
  readonly wp: boolean;
}

/**
 * Bytes that were filled in, or a negative errno when none were. Linux: mm/userfaultfd.c:mfill_atomic()
 * Deviates: mmap_lock is let go of between pages, as the source is read without it; Linux does that only where it must.
 */
export function* mfillAtomic(ctx: UserfaultCtx, fill: Mfill): Coroutine<number> {
  const { mm } = ctx;
  const { kernel } = mm.memory;
  let step = PAGE_SIZE;
  let error = 0;
  let done = 0;
  for (; fill.start + done < fill.end && error === 0; done += error === 0 ? step : 0) {
    yield* mm.mmapLock.readLock();
    let vma = destination(ctx, fill);
    step = typeof vma !== 'number' && vma.flags & VM.hugetlb ? HPAGE_PMD_SIZE : PAGE_SIZE;
    let bytes = ZEROES;
    if (typeof vma !== 'number' && fill.mode === 'copy') {
      mm.mmapLock.readUnlock();
      bytes = new Uint8Array(step);
      error = yield* copyFromUser(fill.from, fill.source + done, bytes);
      if (error !== 0) break;
      yield* mm.mmapLock.readLock();
      vma = destination(ctx, fill);
    }
    if (typeof vma === 'number') error = vma;
    else if (vma.flags & VM.hugetlb) error = yield* hugetlbMfillAtomicPte(vma, fill.start + done, { fill, bytes });
    else error = yield* mfillAtomicPte(vma, fill.start + done, { fill, bytes });
    mm.mmapLock.readUnlock();
    if (kernel.scheduler.contended) yield MFILL_POINT;
    if (error === 0 && kernel.current.killed) error = -EINTR;
  }
  return done > 0 ? done : error;
}

const ZEROES = new Uint8Array(PAGE_SIZE);

/** The vma that holds all of the range and is served, or why there is none. mmap_lock is held. */
function destination(ctx: UserfaultCtx, { mode, start, end, wp }: Mfill): Vma | number {
  const vma = ctx.mm.vmaLookup(start);
  if (vma === null || end > vma.end || vma.userfault === null) return -ENOENT;
  if (ctx.mmapChanging > 0) return -EAGAIN;
  if (wp && !(vma.flags & VM.uffdWp)) return -EINVAL;
  if (vma.flags & VM.hugetlb)
    return mode === 'zeropage' || !isHugeAligned(start) || !isHugeAligned(end) ? -EINVAL : vma;
  if (!vmaIsAnonymous(vma) && !vmaIsShmem(vma)) return -EINVAL;
  return mode === 'continue' && !vmaIsShmem(vma) ? -EINVAL : vma;
}

interface MfillPage {
  readonly fill: Pick<Mfill, 'mode' | 'wp'>;
  readonly bytes: Uint8Array;
}

/** One small page. Linux: mm/userfaultfd.c:mfill_atomic_pte() */
function* mfillAtomicPte(vma: Vma, addr: number, { fill, bytes }: MfillPage): Coroutine<number> {
  const { pageTable } = vma.mm;
  const vpn = addr / PAGE_SIZE;
  if (pageTable.pteTable(vpn) === null) {
    const pmd = pageTable.pmdTable(vpn);
    // A 2 MiB entry is not overwritten.
    if (pmd !== null && kindOf(pmd.lo(pmdIndex(vpn))) !== Kind.none) return -EEXIST;
    if (!mayAllocTable(vma.mm)) return -ENOMEM;
  }
  if (!vma.isShared) yield* anonVmaPrepare(vma);
  if (fill.mode === 'continue') return yield* mfillAtomicPteContinue(vma, addr, fill.wp);
  if (fill.mode === 'poison') return yield* setIfNone(vma, addr, Kind.marker | Pte.poisoned);
  if (vma.isShared) return yield* shmemMfillAtomicPte(vma, addr, { fill, bytes });
  if (fill.mode === 'zeropage') return yield* setIfNone(vma, addr, mkPte(vma) | Pte.special, ZERO_PFN);
  return yield* mfillAtomicPteCopy(vma, addr, { fill, bytes });
}

/** The table of `addr` with the ptl, or why the entry can't be written, without it. */
function* lockEntry(vma: Vma, addr: number): Coroutine<Table | number> {
  const { mm, file } = vma;
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  const pmd = mm.pageTable.pmdTable(addr / PAGE_SIZE);
  const kind = pmd === null ? Kind.none : kindOf(pmd.lo(pmdIndex(addr / PAGE_SIZE)));
  if (kind !== Kind.none && kind !== Kind.table) return -EAGAIN;
  // Linux: mm/userfaultfd.c:mfill_file_over_size()
  if (file?.mapping && vma.linearPageIndex(addr) * PAGE_SIZE >= file.mapping.size) return -EFAULT;
  const table = mm.pageTable.pteTableAlloc(addr / PAGE_SIZE);
  ptlLock(mm);
  return table;
}

/** Linux: part of mm/userfaultfd.c:mfill_atomic_pte_zeropage() and mfill_atomic_pte_poison() */
function* setIfNone(vma: Vma, addr: number, lo: number, pfn = 0): Coroutine<number> {
  const table = yield* lockEntry(vma, addr);
  if (typeof table === 'number') return table;
  const i = pteIndex(addr / PAGE_SIZE);
  const isNone = kindOf(table.lo(i)) === Kind.none;
  if (isNone) table.set(i, lo, pfn);
  ptlUnlock(vma.mm);
  return isNone ? 0 : -EEXIST;
}

/** A page with these bytes; it has them before anybody can find it. Linux: mm/userfaultfd.c:mfill_atomic_pte_copy() */
function* mfillAtomicPteCopy(vma: Vma, addr: number, { fill, bytes }: MfillPage): Coroutine<number> {
  const { memory } = vma.mm;
  const pfn = newPage(vma, bytes);
  if (pfn === 0) return -ENOMEM;
  const error = yield* mfillAtomicInstallPte(vma, addr, { pfn, isNew: true, wp: fill.wp });
  if (error !== 0) folioPut(memory, pfn);
  return error;
}

function newPage({ mm: { memory } }: Vma, bytes: Uint8Array): number {
  const pfn = memory.allocator.allocate();
  if (pfn === 0) return 0;
  memory.contentChanges(pfn);
  memory.bytes.set(bytes, pfn * PAGE_SIZE);
  memory.frames.setFlags(pfn, PG.uptodate);
  return pfn;
}

/** As `mfillAtomicPteCopy`; the page becomes one of the file, where there must be none. Linux: mm/shmem.c:shmem_mfill_atomic_pte() */
function* shmemMfillAtomicPte(vma: Vma, addr: number, { fill, bytes }: MfillPage): Coroutine<number> {
  const { memory } = vma.mm;
  const mapping = vma.file!.mapping!;
  const index = vma.linearPageIndex(addr);
  const pfn = newPage(vma, bytes);
  if (pfn === 0) return -ENOMEM;
  const isBehind = index * PAGE_SIZE >= mapping.size;
  if (isBehind || mapping.pages.get(index) !== 0) {
    folioPut(memory, pfn);
    return isBehind ? -EFAULT : -EEXIST;
  }
  memory.frames.setFlags(pfn, PG.swapbacked);
  folioSetLocked(memory, pfn);
  shmemAddToPageCache(memory, pfn, mapping, index);
  const error = yield* mfillAtomicInstallPte(vma, addr, { pfn, isNew: true, wp: fill.wp });
  if (error !== 0) filemapRemoveFolio(memory, pfn);
  if (memory.kernel.scheduler.isFine) yield FINE.folioLock;
  folioUnlock(memory, pfn);
  if (error !== 0) folioPut(memory, pfn);
  return error;
}

/** The page that the file has there. Linux: mm/userfaultfd.c:mfill_atomic_pte_continue() */
function* mfillAtomicPteContinue(vma: Vma, addr: number, wp: boolean): Coroutine<number> {
  const { memory } = vma.mm;
  const mapping = vma.file!.mapping!;
  const index = vma.linearPageIndex(addr);
  const pfn = yield* shmemGetFolio(memory, mapping, index, { sgp: 'noalloc' });
  if (pfn <= 0) return pfn === 0 ? -EFAULT : pfn;
  yield* folioLock(memory, pfn);
  const isThere = mapping.pages.get(index) === pfn;
  const error = isThere ? yield* mfillAtomicInstallPte(vma, addr, { pfn, isNew: false, wp }) : -EFAULT;
  folioUnlock(memory, pfn);
  if (error !== 0) folioPut(memory, pfn);
  return error;
}

/** The caller's reference to the page goes to the entry, which must be none or a marker. Linux: mm/userfaultfd.c:mfill_atomic_install_pte() */
function* mfillAtomicInstallPte(
  vma: Vma,
  addr: number,
  { pfn, isNew, wp }: { pfn: number; isNew: boolean; wp: boolean },
): Coroutine<number> {
  const { mm } = vma;
  const { memory } = mm;
  const isOfFile = memory.frames.mapping(memory.frames.head(pfn)) !== 0;
  const table = yield* lockEntry(vma, addr);
  if (typeof table === 'number') return table;
  const i = pteIndex(addr / PAGE_SIZE);
  const kind = kindOf(table.lo(i));
  if (kind !== Kind.none && kind !== Kind.marker) {
    ptlUnlock(mm);
    return -EEXIST;
  }
  if (isOfFile) {
    if (isNew) folioAddLru(memory, pfn);
    folioAddFileRmapPte(memory, pfn);
    mm.rss.shmem++;
  } else {
    folioAddNewAnonRmap(memory, pfn, vma, addr);
    folioAddLru(memory, pfn);
    mm.rss.anon++;
  }
  let lo = mkPte(vma) | Pte.dirtied;
  if (vma.flags & VM.write && (vma.isShared || !isOfFile)) lo |= Pte.write;
  table.set(i, wp ? pteMkuffdWp(lo) : lo, pfn);
  ptlUnlock(mm);
  return 0;
}
