import { EINVAL } from '../../../uapi/errno.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { folioIsolateLru } from '../frames/folio.js';
import { folioLikelyMappedShared } from '../frames/folio-sharing.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE, PG } from '../frames/frames.js';
import { hugeStart, mmFindPmd, type PmdSlot } from '../huge/thp-policy.js';
import { splitAndPut, takeForSplit } from '../huge/thp-split-folio.js';
import type { Memory } from '../memory.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { pteIndex, type Table } from '../tables/page-table.js';
import { folioPteBatch } from '../tables/pte-batch.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { mmapAssertLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import { assertInVma, type Vma } from '../vmas/vma.js';
import { reclaimPages } from './swap-out.js';

const PART_POINT = preemptPoint('pageout');

/**
 * MADV_PAGEOUT over [start, end) of one vma: pages that nobody else maps are reclaimed. 0, or -EINVAL where the advice is
 * not possible; pages that can't go simply stay. The caller holds mmap_lock for read.
 * Deviates: every file counts as one that the caller may write. Linux: mm/madvise.c:madvise_pageout()
 */
export function* madvisePageout(vma: Vma, start: number, end: number): Coroutine<number> {
  mmapAssertLocked(vma.mm);
  assertInVma(vma, start, end);
  if (vma.flags & (VM.pfnmap | VM.hugetlb | VM.locked)) return -EINVAL;
  const { kernel } = vma.mm.memory;
  for (let addr = start; addr < end && !kernel.current.killed; ) {
    const next = Math.min(end, hugeStart(addr) + HPAGE_PMD_SIZE);
    if (kernel.scheduler.contended) yield PART_POINT;
    yield* pageoutPart(vma, addr, next);
    addr = next;
  }
  return 0;
}

/** One PMD's part. Linux: part of mm/madvise.c:madvise_cold_or_pageout_pte_range() */
function* pageoutPart(vma: Vma, start: number, end: number): Coroutine<void> {
  const { mm } = vma;
  const folios: number[] = [];
  const slot = mmFindPmd(mm, start / PAGE_SIZE);
  if (slot === null) return;
  const lo = slot.table.lo(slot.index);
  if (lo & Pte.huge && !(yield* pageoutHuge(vma, slot, { isWhole: end - start === HPAGE_PMD_SIZE, folios }))) {
    yield* reclaimPages(mm.memory, folios);
    return;
  }
  let addr = start;
  while (addr < end) {
    if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
    const table = mm.pageTable.pteTable(addr / PAGE_SIZE);
    if (table === null) break;
    ptlLock(mm);
    const stop = isolatePages(mm.memory, table, { addr, end, folios });
    ptlUnlock(mm);
    addr = stop.addr;
    if (stop.splitHead !== 0 && !(yield* splitAndPut(mm.memory, stop.splitHead))) addr += stop.batch * PAGE_SIZE;
  }
  yield* reclaimPages(mm.memory, folios);
}

/** A 2 MiB entry: isolated whole, or split for a part of it. True when small entries are to be looked at now. */
function* pageoutHuge(
  vma: Vma,
  slot: PmdSlot,
  { isWhole, folios }: { isWhole: boolean; folios: number[] },
): Coroutine<boolean> {
  const { memory } = vma.mm;
  const lo = slot.table.lo(slot.index);
  const head = slot.table.hi(slot.index);
  if ((lo & (KIND_MASK | Pte.special)) !== Kind.present || memory.frames.isZoneDevice(head)) return false;
  if (!isWhole) return takeForSplit(memory, head) && (yield* splitAndPut(memory, head));
  if (!folioLikelyMappedShared(memory, head) && folioIsolateLru(memory, head)) folios.push(head);
  return false;
}

/** Where `isolatePages` stopped: at the end, or at a large folio, locked and referenced, that must be split first. */
interface IsolateStop {
  readonly addr: number;
  readonly splitHead: number;
  /** Entries to skip when the split fails. */
  readonly batch: number;
}

/** Takes the pages of [addr, end) off the LRU, under the ptl. */
function isolatePages(
  memory: Memory,
  table: Table,
  { addr, end, folios }: { addr: number; end: number; folios: number[] },
): IsolateStop {
  const { frames } = memory;
  let nr = 1;
  for (; addr < end; addr += nr * PAGE_SIZE) {
    nr = 1;
    const i = pteIndex(addr / PAGE_SIZE);
    const lo = table.lo(i);
    if ((lo & (KIND_MASK | Pte.special)) !== Kind.present) continue;
    const pfn = table.hi(i);
    if (frames.isZoneDevice(pfn)) continue;
    const head = frames.head(pfn);
    if (frames.order(head) > 0) {
      nr = folioPteBatch(memory, table, { index: i, max: (end - addr) / PAGE_SIZE });
      if (nr < frames.folioNrPages(head)) {
        if (!takeForSplit(memory, head)) continue;
        return { addr, splitHead: head, batch: nr };
      }
    }
    if (!frames.hasFlags(head, PG.lru) || frames.folioMapcount(head) !== frames.folioNrPages(head)) continue;
    if (folioIsolateLru(memory, head)) folios.push(head);
  }
  return { addr: end, splitHead: 0, batch: 0 };
}
