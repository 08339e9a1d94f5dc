import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { folioGet, folioPut, folioUnlock } from '../frames/folio.js';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER, HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { folioRemoveRmapPtes } from '../frames/rmap.js';
import { findPmdOrThpOrNone, type ScanResult } from '../huge/collapse-control.js';
import { doSetPmd } from '../huge/thp-file-fault.js';
import { thpVmaAllowableOrder } from '../huge/thp-policy.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { Kind, kindOf } from '../tables/entry.js';
import type { Table } from '../tables/page-table.js';
import { addMmCounter } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from '../tables/ptl.js';
import { flushTlbMm } from '../tables/tlb.js';
import { type Mm, mmapAssertLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import { type Vma, vmaHasAnonVma } from '../vmas/vma.js';
import type { AddressSpace } from './address-space.js';
import { filemapLockFolio } from './filemap.js';

/**
 * The page tables in which the small pages of a collapsed folio were go, wherever they are not needed: the next fault maps the folio by one
 * entry. Its lock is held, of the address spaces none. Linux: mm/khugepaged.c:retract_page_tables()
 */
export function* retractPageTables(mapping: AddressSpace, pgoff: number): Coroutine<void> {
  yield* mapping.lock.readLock();
  for (const vma of mapping.vmas) {
    const addr = vma.addressOf(pgoff);
    if (addr < 0 || addr % HPAGE_PMD_SIZE !== 0 || vma.end < addr + HPAGE_PMD_SIZE) continue;
    if (isTableNeeded(vma) || typeof findPmdOrThpOrNone(vma.mm, addr) === 'string' || vma.mm.users === 0) continue;
    yield* retractPageTable(vma, addr);
  }
  mapping.lock.readUnlock();
}

/** There may be pages of its own in it, or marks. */
function isTableNeeded(vma: Vma): boolean {
  return vmaHasAnonVma(vma) || (vma.flags & VM.uffdWp) !== 0;
}

function* retractPageTable(vma: Vma, addr: number): Coroutine<void> {
  const { mm } = vma;
  const range = clearRange(mm, addr);
  yield* mmuNotifierInvalidateRangeStart(range);
  if (mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(mm);
  if (!isTableNeeded(vma) && mm.pageTable.pteTable(addr / PAGE_SIZE) !== null) dropTable(mm, addr);
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
}

function clearRange(mm: Mm, addr: number): NotifierRange {
  return { mm, start: addr, end: addr + HPAGE_PMD_SIZE, event: 'CLEAR', owner: null };
}

/** Marks that somebody has put into it meanwhile go with it. Under the ptl. Linux: part of mm/pgtable-generic.c:pmdp_collapse_flush() */
function dropTable(mm: Mm, addr: number): void {
  ptlAssertHeld(mm);
  const table = mm.pageTable.detachPteTable(addr / PAGE_SIZE);
  flushTlbMm(mm);
  for (let i = table.nextUsed(0, HPAGE_PMD_NR); i < HPAGE_PMD_NR; i = table.nextUsed(i + 1, HPAGE_PMD_NR)) {
    assert(kindOf(table.lo(i)) === Kind.marker, 'a table is dropped that maps something at 0x%', addr);
    table.clear(i);
  }
  mm.pageTable.releaseLeaf(table);
}

/**
 * The folio that the file has at `addr` is mapped there by one entry, in place of small ones of it. mmap_lock is held. `pmd_mapped` where
 * it is already. Linux: mm/khugepaged.c:collapse_pte_mapped_thp()
 */
export function* collapsePteMappedThp(mm: Mm, addr: number): Coroutine<ScanResult> {
  mmapAssertLocked(mm);
  const { memory } = mm;
  const vma = mm.vmaLookup(addr);
  const mapping = vma?.file?.mapping ?? null;
  if (vma === null || mapping === null || addr + HPAGE_PMD_SIZE > vma.end) return 'vma_check';
  if (findPmdOrThpOrNone(mm, addr) === 'pmd_mapped') return 'pmd_mapped';
  if (!thpVmaAllowableOrder(vma, 0)) return 'vma_check';
  if (vma.flags & VM.uffdWp) return 'pte_uffd_wp';
  const pfn = yield* filemapLockFolio(memory, mapping, vma.linearPageIndex(addr));
  if (pfn === 0) return 'page_null';
  const head = memory.frames.head(pfn);
  const isHuge = memory.frames.order(head) === HPAGE_PMD_ORDER;
  const result = isHuge ? yield* mapLocked(vma, addr, head) : 'page_compound';
  if (memory.kernel.scheduler.isFine) yield FINE.folioLock;
  folioUnlock(memory, head);
  folioPut(memory, head);
  return result;
}

function* mapLocked(vma: Vma, addr: number, head: number): Coroutine<ScanResult> {
  const { memory } = vma.mm;
  memory.frames.assertLocked(head);
  const found = findPmdOrThpOrNone(vma.mm, addr);
  if (typeof found === 'string' && found !== 'pmd_none') return found;
  if (found !== 'pmd_none') {
    const result = yield* removeTable(vma, addr, head);
    if (result !== 'succeed') return result;
  }
  // Linux: mm/khugepaged.c:set_huge_pmd()
  folioGet(memory, head);
  if (doSetPmd({ vma, addr, flags: 0 }, head)) return 'succeed';
  folioPut(memory, head);
  return 'fail';
}

/** Every entry maps its page of the folio or none, so that the table can go. */
function* removeTable(vma: Vma, addr: number, head: number): Coroutine<ScanResult> {
  const { mm } = vma;
  const { scheduler } = mm.memory.kernel;
  if (scheduler.isFine) yield FINE.ptl;
  const seen = underPtl(mm, addr, (table) => checkTable(table, head, () => {}));
  if (seen !== 'succeed') return seen;
  const range = clearRange(mm, addr);
  yield* mmuNotifierInvalidateRangeStart(range);
  if (scheduler.isFine) yield FINE.ptl;
  const result = underPtl(mm, addr, (table) => clearTable(mm, addr, { table, head }));
  yield* mmuNotifierInvalidateRangeEnd(range);
  return result;
}

function underPtl(mm: Mm, addr: number, work: (table: Table) => ScanResult): ScanResult {
  ptlLock(mm);
  const table = mm.pageTable.pteTable(addr / PAGE_SIZE);
  const result = table === null ? 'fail' : work(table);
  ptlUnlock(mm);
  return result;
}

/** Calls `visit` for each entry that is not none, up to the first that maps something else: `fail`, or `pte_non_present`. */
function checkTable(table: Table, head: number, visit: (i: number) => void): ScanResult {
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    const kind = kindOf(table.lo(i));
    if (kind === Kind.none) continue;
    if (kind !== Kind.present) return 'pte_non_present';
    if (table.hi(i) !== head + i) return 'fail';
    visit(i);
  }
  return 'succeed';
}

/** Under the ptl. Small entries that are gone stay so when a later one is another's. */
function clearTable(mm: Mm, addr: number, { table, head }: { table: Table; head: number }): ScanResult {
  ptlAssertHeld(mm);
  const { memory } = mm;
  let cleared = 0;
  const result = checkTable(table, head, (i) => {
    table.clear(i);
    folioRemoveRmapPtes(memory, head + i);
    cleared++;
  });
  if (cleared > 0) {
    folioPut(memory, head, cleared);
    addMmCounter(mm, head, -cleared);
  }
  if (result === 'succeed') dropTable(mm, addr);
  else if (cleared > 0) flushTlbMm(mm);
  return result;
}
