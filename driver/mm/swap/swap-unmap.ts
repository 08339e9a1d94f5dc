import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { folioPut } from '../frames/folio.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import { folioRemoveRmapPtes, folioTryShareAnonRmapPte, rmapWalk } from '../frames/rmap.js';
import type { Memory } from '../memory.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pteIndex, type Table } from '../tables/page-table.js';
import { addMmCounter, folioMarkDirty, pteInstallUffdWpIfNeeded } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from '../tables/ptl.js';
import type { TlbBatch } from '../tables/tlb.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';

/**
 * Takes a locked small folio out of every page table: anonymous ones leave SWAP entries (nothing when lazyfree and
 * clean), others nothing. A page that may be pinned or was dirtied stays mapped, which the caller sees by its mapcount.
 * `batch` flushes what it was taken from. Linux: mm/rmap.c:try_to_unmap()
 */
export function* tryToUnmap(memory: Memory, pfn: number, batch: TlbBatch): Coroutine<void> {
  memory.frames.assertLocked(pfn);
  const { frames } = memory;
  assert(frames.order(pfn) === 0, 'large folio % is unmapped in one piece', pfn);
  memory.stats.tryToUnmap++;
  if (frames.folioMapcount(pfn) === 0) return;
  yield* rmapWalk(memory, pfn, function* (vma, addr) {
    const { mm } = vma;
    const range: NotifierRange = { mm, start: addr, end: addr + PAGE_SIZE, event: 'CLEAR', owner: null };
    yield* mmuNotifierInvalidateRangeStart(range);
    ptlLock(mm);
    const goesOn = unmapEntry(vma, { addr, pfn }, batch);
    ptlUnlock(mm);
    yield* mmuNotifierInvalidateRangeEnd(range);
    return goesOn && frames.folioMapcount(pfn) > 0;
  });
}

/** False when the folio can't be unmapped here. Under the ptl. Linux: part of mm/rmap.c:try_to_unmap_one() */
function unmapEntry(vma: Vma, { addr, pfn }: { addr: number; pfn: number }, batch: TlbBatch): boolean {
  ptlAssertHeld(vma.mm);
  const { mm } = vma;
  const { memory } = mm;
  const table = mm.pageTable.pteTable(addr / PAGE_SIZE);
  if (table === null) return true;
  const i = pteIndex(addr / PAGE_SIZE);
  const lo = table.lo(i);
  const isExclusiveMapping = kindOf(lo) === Kind.deviceExclusive && memory.profile.exclusiveIsMapping;
  if ((kindOf(lo) !== Kind.present && !isExclusiveMapping) || lo & Pte.special) return true;
  if (table.hi(i) !== pfn) return true;
  if (vma.flags & VM.locked) return false;
  if (!isExclusiveMapping) batch.setTlbUbcFlushPending(mm);
  if (lo & Pte.dirty) folioMarkDirty(memory, pfn);
  if (memory.frames.isAnon(pfn)) {
    if (!replaceAnonEntry(vma, table, { i, pfn })) return false;
  } else {
    addMmCounter(mm, pfn, -1);
    clearEntry(table, i);
    pteInstallUffdWpIfNeeded(vma, table, i, lo);
  }
  folioRemoveRmapPtes(memory, pfn);
  folioPut(memory, pfn);
  return true;
}

function replaceAnonEntry(vma: Vma, table: Table, { i, pfn }: { i: number; pfn: number }): boolean {
  const { mm } = vma;
  const { frames, swap } = mm.memory;
  const flags = frames.flags(pfn);
  if (!(flags & PG.swapbacked)) {
    if (frames.refcount(pfn) !== 1 + frames.folioMapcount(pfn) || flags & PG.dirty) {
      frames.setFlags(pfn, PG.swapbacked);
      return false;
    }
    mm.rss.anon--;
    clearEntry(table, i);
    return true;
  }
  assert((flags & PG.swapcache) !== 0, 'pfn % is unmapped without a swap slot', pfn);
  const exclusive = frames.isAnonExclusive(pfn);
  if (exclusive && !folioTryShareAnonRmapPte(mm.memory, pfn)) return false;
  const slot = frames.swapSlot(pfn);
  swap.swapDuplicate(slot);
  mm.rss.anon--;
  mm.rss.swap++;
  table.set(i, Kind.swap | (exclusive ? Pte.exclusive : 0) | (table.lo(i) & (Pte.softDirty | Pte.uffdWp)), slot);
  return true;
}

function clearEntry(table: Table, i: number): void {
  table.clear(i);
}
