import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { FOLL } from '../../mm/faults/foll.js';
import { getUserPagesRemote } from '../../mm/faults/gup.js';
import { folioPut, folioTrylock, folioUnlockAndPut } from '../../mm/frames/folio.js';
import { PAGE_SIZE, PG } from '../../mm/frames/frames.js';
import { folioRemoveRmapPtes, rmapWalk } from '../../mm/frames/rmap.js';
import type { Memory } from '../../mm/memory.js';
import {
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  type NotifierRange,
} from '../../mm/notifier.js';
import { KIND_MASK, Kind, Pte } from '../../mm/tables/entry.js';
import { pteIndex } from '../../mm/tables/page-table.js';
import { folioMarkDirty } from '../../mm/tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../../mm/tables/ptl.js';
import { flushTlbPage } from '../../mm/tables/tlb.js';
import type { Mm } from '../../mm/vmas/mm.js';
import type { Vma } from '../../mm/vmas/vma.js';

const EXCLUSIVE_POINT = preemptPoint('make_device_exclusive');

/**
 * Takes the pages of `[start, end)` away from all CPUs for a device's atomic accesses. Page i's pfn is put into
 * `pfns[i]`, locked and referenced, or 0 where that failed; the caller unlocks and puts them once its device is
 * programmed. The caller holds the mmap_lock for read. Returns how many pages GUP could get, or its errno: only so many
 * of `pfns` are meaningful. Linux: mm/rmap.c:make_device_exclusive_range() of 6.12
 */
export function* makeDeviceExclusiveRange(
  mm: Mm,
  { start, end, owner }: { start: number; end: number; owner: object | null },
  pfns: Uint32Array,
): Coroutine<number> {
  const { memory } = mm;
  const npages = (end - start) / PAGE_SIZE;
  memory.kernel.assertHeld(LockClass.mmapLock);
  memory.kernel.mightSleep();
  assert(npages > 0 && npages <= pfns.length, 'there is no room for the pages of the range');
  const found = yield* getUserPagesRemote(mm, start, npages, FOLL.get | FOLL.write | FOLL.splitPmd, pfns);
  for (let i = 0; i < found; i++) {
    const pfn = pfns[i]!;
    if (memory.kernel.scheduler.contended) yield EXCLUSIVE_POINT;
    const { inject } = memory.kernel;
    const isRefused = inject.armed && inject.hit(InjectPoint.folioTrylock, start + i * PAGE_SIZE) !== 0;
    if (memory.frames.head(pfn) !== pfn || isRefused || !folioTrylock(memory, pfn)) {
      folioPut(memory, pfn);
      pfns[i] = 0;
      continue;
    }
    if (yield* folioMakeDeviceExclusive(memory, pfn, { mm, addr: start + i * PAGE_SIZE, owner })) continue;
    yield* folioUnlockAndPut(memory, pfn);
    pfns[i] = 0;
  }
  return found;
}

interface ExclusiveTarget {
  readonly mm: Mm;
  readonly addr: number;
  readonly owner: object | null;
}

/**
 * Turns every mapping of the locked page into a device-exclusive entry. True when it was mapped writable at the place
 * that was asked for and nothing maps it any more. Linux: mm/rmap.c:folio_make_device_exclusive()
 */
function* folioMakeDeviceExclusive(memory: Memory, pfn: number, target: ExclusiveTarget): Coroutine<boolean> {
  const { frames, stats } = memory;
  frames.assertLocked(pfn);
  memory.kernel.mightSleep();
  if (!frames.isAnon(pfn) || frames.hasFlags(pfn, PG.hugetlb)) return false;
  let isValid = false;
  stats.makeExclusive++;
  yield* rmapWalk(memory, pfn, function* (vma, addr) {
    const { mm } = vma;
    const npages = frames.folioNrPages(pfn);
    const end = Math.min(vma.end, addr + npages * PAGE_SIZE);
    const range: NotifierRange = { mm, start: addr, end, event: 'EXCLUSIVE', owner: target.owner };
    yield* mmuNotifierInvalidateRangeStart(range);
    ptlLock(mm);
    let isDone = true;
    for (let at = addr; at < end && isDone; at += PAGE_SIZE) {
      const found = pageMakeDeviceExclusiveOne(vma, at, pfn);
      if (found === Found.writable && mm === target.mm && at === target.addr) isValid = true;
      isDone = found !== Found.notPresent;
    }
    ptlUnlock(mm);
    yield* mmuNotifierInvalidateRangeEnd(range);
    return isDone && frames.folioMapcount(pfn) > 0;
  });
  if (memory.kernel.scheduler.isFine) yield FINE.refcount;
  return isValid && frames.folioMapcount(pfn) === 0;
}

const Found = { nothing: 0, readOnly: 1, writable: 2, notPresent: 3 } as const;

/** What was at `addr`; a mapping of the folio has become device exclusive. Linux: mm/rmap.c:page_make_device_exclusive_one() */
function pageMakeDeviceExclusiveOne(vma: Vma, addr: number, head: number): number {
  const { memory, pageTable } = vma.mm;
  memory.kernel.assertHeld(LockClass.ptl);
  memory.frames.assertLocked(head);
  const table = pageTable.pteTable(addr / PAGE_SIZE);
  if (table === null) return Found.nothing;
  const i = pteIndex(addr / PAGE_SIZE);
  const lo = table.lo(i);
  const pfn = table.hi(i);
  const kind = lo & KIND_MASK;
  if (kind !== Kind.present && kind !== Kind.devicePrivate && kind !== Kind.deviceExclusive) return Found.nothing;
  if (lo & Pte.special || pfn < head || pfn >= head + memory.frames.folioNrPages(head)) return Found.nothing;
  // Somebody's device has it: no mapping, yet found by the walk, which gives up.
  if (kind !== Kind.present) return Found.notPresent;
  if (lo & Pte.dirty) folioMarkDirty(memory, pfn);
  table.setLo(i, Kind.deviceExclusive | (lo & (Pte.write | Pte.softDirty)));
  flushTlbPage(vma.mm, addr / PAGE_SIZE);
  // The entry keeps the mapping's reference.
  folioRemoveRmapPtes(memory, pfn);
  return lo & Pte.write ? Found.writable : Found.readOnly;
}
