import { EINTR, EOPNOTSUPP } from '../../../uapi/errno.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { FOLL } from '../../mm/faults/foll.js';
import { getUserPagesRemote } from '../../mm/faults/gup.js';
import { folioLock, folioPut, folioUnlock } from '../../mm/frames/folio.js';
import { PAGE_SIZE, PG } from '../../mm/frames/frames.js';
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

const EXCLUSIVE_POINT = preemptPoint('make_device_exclusive');

/**
 * Takes the page at `addr` away from the CPUs of one address space for a device's atomic accesses. Its pfn, locked and referenced; or a
 * negative errno: what GUP says, -EOPNOTSUPP for a page that is not anonymous or is of hugetlb, -EINTR. The caller holds the mmap_lock for
 * read. Linux: mm/rmap.c:make_device_exclusive() of 6.15
 */
export function* makeDeviceExclusive(mm: Mm, addr: number, owner: object | null): Coroutine<number> {
  const { memory } = mm;
  const { frames, kernel } = memory;
  const pages = new Uint32Array(1);
  kernel.assertHeld(LockClass.mmapLock);
  kernel.mightSleep();
  for (;;) {
    if (kernel.scheduler.contended) yield EXCLUSIVE_POINT;
    const got = yield* getUserPagesRemote(mm, addr, 1, FOLL.get | FOLL.write | FOLL.splitPmd, pages);
    if (got < 0) return got;
    const pfn = pages[0]!;
    if (!frames.isAnon(pfn) || frames.hasFlags(frames.head(pfn), PG.hugetlb)) {
      folioPut(memory, pfn);
      return -EOPNOTSUPP;
    }
    yield* folioLock(memory, pfn);
    if (kernel.current.killed) {
      folioUnlock(memory, pfn);
      folioPut(memory, pfn);
      return -EINTR;
    }
    memory.stats.makeExclusive++;
    const range: NotifierRange = { mm, start: addr, end: addr + PAGE_SIZE, event: 'EXCLUSIVE', owner };
    yield* mmuNotifierInvalidateRangeStart(range);
    const isTaken = takeEntry(mm, addr, pfn);
    yield* mmuNotifierInvalidateRangeEnd(range);
    if (isTaken) return pfn;
    // Somebody was faster: the page is another one now, or may not be written.
    if (kernel.scheduler.isFine) yield FINE.folioLock;
    folioUnlock(memory, pfn);
    folioPut(memory, pfn);
  }
}

/** A writable entry of the page becomes device-exclusive. It keeps the mapping, its reference and the exclusive mark. */
function takeEntry(mm: Mm, addr: number, pfn: number): boolean {
  mm.memory.frames.assertLocked(pfn);
  const table = mm.pageTable.pteTable(addr / PAGE_SIZE);
  if (table === null) return false;
  const i = pteIndex(addr / PAGE_SIZE);
  ptlLock(mm);
  const lo = table.lo(i);
  const isWritable = (lo & (KIND_MASK | Pte.write)) === (Kind.present | Pte.write);
  const isTaken = isWritable && table.hi(i) === pfn;
  if (isTaken) {
    if (lo & Pte.dirty) folioMarkDirty(mm.memory, pfn);
    table.setLo(i, Kind.deviceExclusive | Pte.exclusive | (lo & Pte.softDirty));
    flushTlbPage(mm, addr / PAGE_SIZE);
  }
  ptlUnlock(mm);
  return isTaken;
}
