import { EBUSY } from '../../../uapi/errno.js';
import { type Coroutine, preemptPoint } from '../../core/effect.js';
import { Access } from '../../core/observer.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import { type Mm, mmdrop } from '../vmas/mm.js';
import type { Vma } from '../vmas/vma.js';
import { hpageCollapseTestExitOrDisable, khugepagedControl, type ScanResult } from './collapse-control.js';
import { khugepagedHasWork, khugepagedWaitWork, touchList } from './khugepaged-enter.js';
import { hpageCollapseScanPmd } from './thp-collapse.js';
import { hugeStart, TVA, thpVmaAllowableOrder } from './thp-policy.js';

const SCAN_POINT = preemptPoint('khugepaged');

/**
 * One turn: goes on where the last one ended until it has seen as many pages as the knob says, or all twice. False when it is to sleep for
 * lack of a huge page, and then to go on. Linux: mm/khugepaged.c:khugepaged_do_scan()
 */
export function* khugepagedDoScan(memory: Memory): Coroutine<boolean> {
  const { khugepaged } = memory;
  khugepaged.isAtWork = true;
  const isOver = yield* scanPages(memory);
  khugepaged.isAtWork = false;
  return isOver;
}

/** A turn in the caller's name, which has no time to sleep: 0, or -EBUSY while another one is under way. */
export function* khugepagedTurn(memory: Memory): Coroutine<number> {
  const { khugepaged } = memory;
  touchList(memory, Access.write);
  if (khugepaged.isAtWork) return -EBUSY;
  khugepaged.beginTurn(false);
  yield* khugepagedDoScan(memory);
  // Whoever came on the list meanwhile found a turn under way.
  khugepagedWaitWork(memory);
  return 0;
}

function* scanPages(memory: Memory): Coroutine<boolean> {
  const { khugepaged } = memory;
  const pages = khugepaged.knobs.pagesToScan;
  while (khugepaged.progress < pages) {
    if (memory.kernel.scheduler.contended) yield SCAN_POINT;
    if (khugepaged.mm === null) khugepaged.passes++;
    touchList(memory, Access.read);
    if (!khugepagedHasWork(memory) || khugepaged.passes >= 2) break;
    const result = yield* khugepagedScanMmSlot(memory, pages - khugepaged.progress);
    if (khugepaged.progress >= pages || result !== 'alloc_huge_page_fail') continue;
    if (khugepaged.hasWaited) break;
    khugepaged.hasWaited = true;
    return false;
  }
  return true;
}

/** Works in one address space, until its mmap_lock was let go, it is through, or `pages` were seen. Linux: mm/khugepaged.c:khugepaged_scan_mm_slot() */
function* khugepagedScanMmSlot(memory: Memory, pages: number): Coroutine<ScanResult> {
  const { khugepaged } = memory;
  touchList(memory, Access.write);
  if (khugepaged.mm === null) {
    khugepaged.mm = khugepaged.mms[0]!;
    khugepaged.address = 0;
  }
  const { mm } = khugepaged;
  const turn: Turn = { mm, end: khugepaged.progress + pages, result: 'fail', isThrough: true };
  if (mm.mmapLock.tryReadLock()) {
    khugepaged.progress++;
    if (yield* scanVmas(memory, turn)) mm.mmapLock.readUnlock();
  }
  touchList(memory, Access.write);
  if (mm.users === 0 || turn.isThrough) nextMm(memory, mm);
  return turn.result;
}

interface Turn {
  readonly mm: Mm;
  /** The progress at which it is over. */
  readonly end: number;
  result: ScanResult;
  /** No vma is left. */
  isThrough: boolean;
}

/** The vmas from the cursor on. False when mmap_lock, which is held for read, was let go on the way. */
function* scanVmas(memory: Memory, turn: Turn): Coroutine<boolean> {
  const { khugepaged } = memory;
  const { mm } = turn;
  for (let at = mm.findVmaIndex(khugepaged.address); at < mm.vmas.length; at++) {
    if (hpageCollapseTestExitOrDisable(mm)) break;
    const vma = mm.vmas[at]!;
    const last = hugeStart(vma.end);
    if (!thpVmaAllowableOrder(vma, TVA.enforceSysfs) || khugepaged.address > last) {
      khugepaged.progress++;
      continue;
    }
    khugepaged.address = Math.max(khugepaged.address, Math.ceil(vma.start / HPAGE_PMD_SIZE) * HPAGE_PMD_SIZE);
    while (khugepaged.address < last) {
      turn.isThrough = false;
      const isLocked = yield* scanPart(memory, vma, turn);
      if (!isLocked || khugepaged.progress >= turn.end) return isLocked;
      turn.isThrough = true;
    }
  }
  return true;
}

function* scanPart(memory: Memory, vma: Vma, turn: Turn): Coroutine<boolean> {
  const { khugepaged } = memory;
  const { result, isLocked } = yield* hpageCollapseScanPmd(vma, khugepaged.address, khugepagedControl(memory));
  turn.result = result;
  if (result === 'succeed') khugepaged.pagesCollapsed++;
  khugepaged.address += HPAGE_PMD_SIZE;
  khugepaged.progress += HPAGE_PMD_NR;
  return isLocked;
}

/** `mm` is done with for now, and for ever if nobody lives in it. Linux: part of mm/khugepaged.c:khugepaged_scan_mm_slot(), collect_mm_slot() */
function nextMm({ khugepaged }: Memory, mm: Mm): void {
  const at = khugepaged.mms.indexOf(mm);
  khugepaged.mm = khugepaged.mms[at + 1] ?? null;
  khugepaged.address = 0;
  if (khugepaged.mm === null) khugepaged.fullScans++;
  if (mm.users > 0) return;
  khugepaged.mms.splice(at, 1);
  mmdrop(mm);
}
