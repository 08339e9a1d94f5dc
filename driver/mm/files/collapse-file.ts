import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import {
  clearPage,
  copyPage,
  folioAddLru,
  folioGet,
  folioIsolateLru,
  folioPut,
  folioPutbackLru,
  folioSetLocked,
  folioTrylock,
  folioUnlock,
} from '../frames/folio.js';
import { isRefcountSuitable } from '../frames/folio-sharing.js';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER, PAGE_SIZE, PG } from '../frames/frames.js';
import type { ScanResult } from '../huge/collapse-control.js';
import type { Memory } from '../memory.js';
import { tryToUnmap } from '../swap/swap-unmap.js';
import { TlbBatch } from '../tables/tlb.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import type { AddressSpace } from './address-space.js';
import { cacheReferences } from './filemap.js';
import { retractPageTables } from './retract-tables.js';
import { shmemCharge, shmemGetFolio, shmemUncharge } from './shmem.js';

/**
 * Makes one folio of what a tmpfs file has from index `start` on, holes too: `pte_mapped_hugepage`, also where there is one already, which is
 * still to be mapped as one. No lock is held. Only MADV_COLLAPSE comes here, which has no limits.
 * Linux: mm/khugepaged.c:hpage_collapse_scan_file()
 */
export function* hpageCollapseScanFile(memory: Memory, mapping: AddressSpace, start: number): Coroutine<ScanResult> {
  const { frames } = memory;
  if (memory.kernel.scheduler.isFine) yield FINE.cache;
  for (let index = start; index < start + HPAGE_PMD_NR; index++) {
    const pfn = mapping.pages.get(index);
    if (pfn <= 0) continue;
    const head = frames.head(pfn);
    if (isHugeAt(memory, head, start)) return 'pte_mapped_hugepage';
    if (!frames.hasFlags(head, PG.lru)) return 'page_lru';
    if (!isRefcountSuitable(memory, head)) return 'page_count';
  }
  return yield* collapseFile(memory, mapping, start);
}

function isHugeAt({ frames }: Memory, head: number, start: number): boolean {
  return frames.order(head) === HPAGE_PMD_ORDER && frames.index(head) === start;
}

/** What is under way. */
interface FileCollapse {
  readonly memory: Memory;
  readonly mapping: AddressSpace;
  /** The first index. */
  readonly start: number;
  /** Folios of the file, locked, isolated, referenced and unmapped. */
  readonly taken: number[];
  /** Pages that are not there. */
  none: number;
}

/** Linux: mm/khugepaged.c:collapse_file() */
function* collapseFile(memory: Memory, mapping: AddressSpace, start: number): Coroutine<ScanResult> {
  const head = memory.allocator.allocateHuge();
  if (head === 0) return 'alloc_huge_page_fail';
  const collapse: FileCollapse = { memory, mapping, start, taken: [], none: 0 };
  let result: ScanResult = (yield* swapAllIn(collapse)) ? 'succeed' : 'fail';
  folioSetLocked(memory, head);
  if (result === 'succeed') result = yield* takeFolios(collapse);
  const isCharged = result === 'succeed' && shmemCharge(mapping, collapse.none);
  if (result === 'succeed' && !isCharged) result = 'fail';
  if (result === 'succeed') {
    if (memory.kernel.scheduler.isFine) yield FINE.content;
    copyPages(collapse, head);
    result = yield* checkHoles(collapse);
  }
  if (isCharged) shmemUncharge(mapping, collapse.none);
  if (result !== 'succeed') {
    yield* rollBack(collapse);
    folioUnlock(memory, head);
    if (memory.kernel.scheduler.isFine) yield FINE.refcount;
    folioPut(memory, head);
    return result;
  }
  replaceInCache(collapse, head);
  yield* retractPageTables(mapping, start);
  folioUnlock(memory, head);
  yield* freeOldFolios(collapse);
  return 'pte_mapped_hugepage';
}

/**
 * What is in swap, or was put there by fallocate alone, becomes uptodate; false when a page can't be read in. Deviates: Linux does it when it
 * comes to the page, with those before it locked; who waits for a lock here has no other one, and a page that goes to swap after all is as one
 * that is locked.
 */
function* swapAllIn({ memory, mapping, start }: FileCollapse): Coroutine<boolean> {
  const { frames } = memory;
  for (let index = start; index < start + HPAGE_PMD_NR; index++) {
    const found = mapping.pages.get(index);
    if (found === 0 || (found > 0 && frames.hasFlags(frames.head(found), PG.uptodate))) continue;
    const pfn = yield* shmemGetFolio(memory, mapping, index, { sgp: 'noalloc' });
    if (pfn < 0) return false;
    if (pfn > 0) folioPut(memory, pfn);
  }
  return true;
}

/** Takes all that is there, until something stands in the way. Nobody's TLB has it afterwards. Linux: part of mm/khugepaged.c:collapse_file() */
function* takeFolios(collapse: FileCollapse): Coroutine<ScanResult> {
  const { memory, mapping, start } = collapse;
  const batch = new TlbBatch();
  let result: ScanResult = 'succeed';
  for (let index = start; index < start + HPAGE_PMD_NR && result === 'succeed'; ) {
    const pfn = mapping.pages.get(index);
    if (pfn === 0) {
      collapse.none++;
      index++;
    } else if (pfn < 0) {
      result = 'page_lock';
    } else {
      const head = memory.frames.head(pfn);
      result = yield* takeFolio(collapse, head, batch);
      index += memory.frames.folioNrPages(head);
    }
  }
  if (memory.kernel.scheduler.isFine) yield FINE.tlb;
  batch.tryToUnmapFlush();
  return collapse.none === HPAGE_PMD_NR ? 'truncated' : result;
}

function* takeFolio(collapse: FileCollapse, head: number, batch: TlbBatch): Coroutine<ScanResult> {
  const { memory, mapping, start, taken } = collapse;
  const { frames } = memory;
  if (!folioTrylock(memory, head)) return 'page_lock';
  folioGet(memory, head);
  let result: ScanResult = 'succeed';
  if (!frames.hasFlags(head, PG.uptodate)) result = 'fail';
  else if (isHugeAt(memory, head, start)) result = 'pte_mapped_hugepage';
  else if (frames.mapping(head) !== mapping.id) result = 'truncated';
  else if (!folioIsolateLru(memory, head)) result = 'del_page_lru';
  if (result === 'succeed') {
    if (frames.folioMapcount(head) > 0) yield* tryToUnmap(memory, head, { batch, ignoresMlock: true });
    if (memory.kernel.scheduler.isFine) yield FINE.refcount;
    // Who gets a reference from now on finds the folio in the file, and waits for its lock.
    if (frames.refcount(head) === 2 + cacheReferences(frames, head)) {
      taken.push(head);
      return 'succeed';
    }
    folioPutbackLru(memory, head);
    result = 'page_count';
  }
  folioUnlock(memory, head);
  folioPut(memory, head);
  return result;
}

/** The old folios are locked, so they don't change. Linux: part of mm/khugepaged.c:collapse_file() */
function copyPages({ memory, start, taken }: FileCollapse, head: number): void {
  const { frames } = memory;
  let at = 0;
  for (const old of taken) {
    const offset = frames.index(old) - start;
    const nr = frames.folioNrPages(old);
    if (offset > at) clearPage(memory, head + at, offset - at);
    copyPage(memory, head + offset, old, nr);
    at = offset + nr;
  }
  if (at < HPAGE_PMD_NR) clearPage(memory, head + at, HPAGE_PMD_NR - at);
}

/**
 * What was not there is not there now, and nobody is to be told of it. What follows must come at once. Whoever serves the page behind the
 * last counts too, as in Linux. Linux: part of mm/khugepaged.c:collapse_file()
 */
function* checkHoles({ mapping, start, none }: FileCollapse): Coroutine<ScanResult> {
  if (none === 0) return 'succeed';
  const last = start + HPAGE_PMD_NR;
  yield* mapping.lock.readLock();
  let left = 0;
  for (let index = start; index < last; index++) if (mapping.pages.get(index) === 0) left++;
  const isServed = (vma: Vma): boolean =>
    (vma.flags & VM.uffdMissing) !== 0 && vma.pgoff <= last && vma.pgoff + (vma.end - vma.start) / PAGE_SIZE > start;
  const result = left !== none ? 'page_filled' : mapping.vmas.some(isServed) ? 'exceed_none_pte' : 'succeed';
  mapping.lock.readUnlock();
  return result;
}

/** The file's references, one a page, are the new folio's first one and what is added here. */
function replaceInCache({ memory, mapping, start }: FileCollapse, head: number): void {
  const { frames } = memory;
  frames.assertLocked(head);
  frames.setFlags(head, PG.swapbacked | PG.uptodate | PG.dirty);
  frames.setMapping(head, mapping.id);
  frames.setIndex(head, start);
  frames.addRefcount(head, HPAGE_PMD_NR - 1);
  folioAddLru(memory, head);
  mapping.pages.setRun(start, head, HPAGE_PMD_NR);
}

function* freeOldFolios({ memory, taken }: FileCollapse): Coroutine<void> {
  const { frames, kernel } = memory;
  for (const old of taken) {
    assert(frames.folioMapcount(old) === 0, 'pfn % was collapsed and is mapped', old);
    if (kernel.scheduler.isFine) yield FINE.folioLock;
    frames.setMapping(old, 0);
    folioUnlock(memory, old);
    folioPut(memory, old, 2 + frames.folioNrPages(old));
  }
}

function* rollBack({ memory, taken }: FileCollapse): Coroutine<void> {
  for (const old of taken) {
    if (memory.kernel.scheduler.isFine) yield FINE.folioLock;
    folioUnlock(memory, old);
    folioPutbackLru(memory, old);
    folioPut(memory, old);
  }
}
