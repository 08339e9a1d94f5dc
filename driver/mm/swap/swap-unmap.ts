import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { folioPut } from '../frames/folio.js';
import { HPAGE_PMD_ORDER, PAGE_SIZE, PG } from '../frames/frames.js';
import { folioRemoveRmapPtes, folioTryShareAnonRmapPte, rmapWalk } from '../frames/rmap.js';
import { splitHugePmdLocked } from '../huge/thp-split-pmd.js';
import type { Memory } from '../memory.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pagesInVma } from '../tables/migration-entries.js';
import { pteIndex, type Table } from '../tables/page-table.js';
import { addMmCounter, folioMarkDirty, pteInstallUffdWpIfNeeded } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from '../tables/ptl.js';
import type { TlbBatch } from '../tables/tlb.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';

/**
 * Takes a locked folio out of every page table: anonymous ones leave SWAP entries (nothing when lazyfree and
 * clean), others nothing. A page that may be pinned or was dirtied stays mapped, which the caller sees by its mapcount; so does one that is
 * locked in memory unless `ignoresMlock`. `batch` flushes what it was taken from. Linux: mm/rmap.c:try_to_unmap()
 */
export function* tryToUnmap(
  memory: Memory,
  head: number,
  { batch, ignoresMlock = false }: UnmapOptions,
): Coroutine<void> {
  memory.frames.assertLocked(head);
  const { frames } = memory;
  memory.stats.tryToUnmap++;
  if (frames.folioMapcount(head) === 0) return;
  yield* rmapWalk(memory, head, function* (vma, addr) {
    const goesOn = yield* tryToUnmapOne(memory, head, { vma, addr, batch, ignoresMlock });
    return goesOn && frames.folioMapcount(head) > 0;
  });
}

interface UnmapOptions {
  readonly batch: TlbBatch;
  /** Linux: TTU_IGNORE_MLOCK */
  readonly ignoresMlock?: boolean;
}

/** For one vma; false when a page can't be unmapped there. The rmap lock is held. Linux: mm/rmap.c:try_to_unmap_one() */
export function* tryToUnmapOne(
  memory: Memory,
  head: number,
  { vma, addr, ...options }: Required<UnmapOptions> & { vma: Vma; addr: number },
): Coroutine<boolean> {
  const { mm } = vma;
  const npages = pagesInVma(memory, head, { vma, addr });
  const range: NotifierRange = { mm, start: addr, end: addr + npages * PAGE_SIZE, event: 'CLEAR', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  ptlLock(mm);
  const goesOn = unmapEntries(vma, { addr, npages, head }, options);
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
  return goesOn;
}

/** Under the ptl. Linux: part of mm/rmap.c:try_to_unmap_one() */
function unmapEntries(
  vma: Vma,
  { addr, npages, head }: { addr: number; npages: number; head: number },
  options: Required<UnmapOptions>,
): boolean {
  const isHuge = vma.mm.memory.frames.order(head) === HPAGE_PMD_ORDER;
  if (isHuge && (options.ignoresMlock || !(vma.flags & VM.locked))) splitHugePmdLocked(vma, addr, { folio: head });
  for (let n = 0; n < npages; n++) if (!unmapEntry(vma, { addr: addr + n * PAGE_SIZE, head }, options)) return false;
  return true;
}

/** Linux: part of mm/rmap.c:try_to_unmap_one() */
function unmapEntry(
  vma: Vma,
  { addr, head }: { addr: number; head: number },
  { batch, ignoresMlock }: Required<UnmapOptions>,
): boolean {
  ptlAssertHeld(vma.mm);
  const { mm } = vma;
  const { memory } = mm;
  const table = mm.pageTable.pteTable(addr / PAGE_SIZE);
  if (table === null) return true;
  const i = pteIndex(addr / PAGE_SIZE);
  const lo = table.lo(i);
  const isExclusiveMapping = kindOf(lo) === Kind.deviceExclusive && memory.profile.exclusiveIsMapping;
  if ((kindOf(lo) !== Kind.present && !isExclusiveMapping) || lo & Pte.special) return true;
  const pfn = table.hi(i);
  if (pfn < head || pfn >= head + memory.frames.folioNrPages(head)) return true;
  if (vma.flags & VM.locked && !ignoresMlock) return false;
  if (!isExclusiveMapping) batch.setTlbUbcFlushPending(mm);
  if (lo & Pte.dirty) folioMarkDirty(memory, pfn);
  if (memory.frames.isAnon(head)) {
    if (!replaceAnonEntry(vma, table, { i, pfn: head })) return false;
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
