import { EAGAIN, EBUSY, EINVAL, ENOMEM } from '../../../uapi/errno.js';
import { type Coroutine, preemptPoint } from '../../core/effect.js';
import { hpageCollapseScanFile } from '../files/collapse-file.js';
import { collapsePteMappedThp } from '../files/retract-tables.js';
import { HPAGE_PMD_SIZE } from '../frames/frames.js';
import { mmapAssertLocked, mmdrop, mmgrab } from '../vmas/mm.js';
import { assertInVma, type Vma, vmaIsAnonymous } from '../vmas/vma.js';
import { hugepageVmaRevalidate, MADVISE_CONTROL, type ScanResult } from './collapse-control.js';
import { hpageCollapseScanPmd } from './thp-collapse.js';
import { hugeStart, thpVmaAllowableOrder } from './thp-policy.js';

/** What doesn't keep the next 2 MiB from being tried. Linux: the whitelist of mm/khugepaged.c:madvise_collapse() */
const GOES_ON: ReadonlySet<ScanResult> = new Set<ScanResult>([
  'pmd_null',
  'pte_non_present',
  'pte_uffd_wp',
  'page_ro',
  'lack_referenced_page',
  'page_null',
  'page_count',
  'page_lock',
  'page_compound',
  'page_lru',
  'del_page_lru',
]);

const PART_POINT = preemptPoint('collapse');

/**
 * MADV_COLLAPSE: makes one huge page of each aligned 2 MiB of [start, end). 0 when all of them are huge pages now, else
 * the errno of the last failure; -EINVAL for a range inside of one. mmap_lock is held for read at the call and at the return but not throughout, so vmas known to the
 * caller may be gone. Linux: mm/khugepaged.c:madvise_collapse()
 */
export function* madviseCollapse(vma: Vma, start: number, end: number): Coroutine<number> {
  const { mm } = vma;
  mmapAssertLocked(mm);
  assertInVma(vma, start, end);
  if (!thpVmaAllowableOrder(vma, 0)) return -EINVAL;
  mmgrab(mm);
  const first = Math.ceil(start / HPAGE_PMD_SIZE) * HPAGE_PMD_SIZE;
  const { collapsed, parts, failure } = yield* collapseParts(vma, first, hugeStart(end));
  mmdrop(mm);
  return collapsed === parts ? 0 : madviseCollapseErrno(failure);
}

function* collapseParts(
  of: Vma,
  first: number,
  end: number,
): Coroutine<{ collapsed: number; parts: number; failure: ScanResult }> {
  const { mm } = of;
  const { scheduler } = mm.memory.kernel;
  let [vma, last, collapsed, isLocked] = [of, end, 0, true];
  let failure: ScanResult = 'fail';
  for (let addr = first; addr < last; addr += HPAGE_PMD_SIZE) {
    if (!isLocked) {
      if (scheduler.contended) yield PART_POINT;
      yield* mm.mmapLock.readLock();
      isLocked = true;
      const found = hugepageVmaRevalidate(mm, addr, { expectsAnon: false, cc: MADVISE_CONTROL });
      if (typeof found === 'string') {
        failure = found;
        break;
      }
      vma = found;
      last = Math.min(last, hugeStart(vma.end));
    }
    const scan = vmaIsAnonymous(vma)
      ? yield* hpageCollapseScanPmd(vma, addr, MADVISE_CONTROL)
      : yield* collapseFilePart(vma, addr);
    isLocked = scan.isLocked;
    if (scan.result === 'succeed' || scan.result === 'pmd_mapped') {
      collapsed++;
      continue;
    }
    failure = scan.result;
    if (!GOES_ON.has(failure)) break;
  }
  if (!isLocked) yield* mm.mmapLock.readLock();
  return { collapsed, parts: (last - first) / HPAGE_PMD_SIZE, failure };
}

/** 2 MiB of a file, without mmap_lock, and then of its mapping. Linux: part of mm/khugepaged.c:madvise_collapse() */
function* collapseFilePart(vma: Vma, addr: number): Coroutine<{ result: ScanResult; isLocked: boolean }> {
  const { mm } = vma;
  const file = vma.file!;
  const index = vma.linearPageIndex(addr);
  file.get();
  mm.mmapLock.readUnlock();
  let result = yield* hpageCollapseScanFile(mm.memory, file.mapping!, index);
  yield* file.put();
  if (result === 'pte_mapped_hugepage') {
    yield* mm.mmapLock.readLock();
    result = yield* collapsePteMappedThp(mm, addr);
    mm.mmapLock.readUnlock();
  }
  return { result, isLocked: false };
}

/** Linux: mm/khugepaged.c:madvise_collapse_errno() */
function madviseCollapseErrno(result: ScanResult): number {
  switch (result) {
    case 'alloc_huge_page_fail':
      return -ENOMEM;
    case 'exceed_none_pte':
      return -EBUSY;
    case 'page_count':
    case 'page_lock':
    case 'page_lru':
    case 'del_page_lru':
    case 'page_filled':
      return -EAGAIN;
    default:
      return -EINVAL;
  }
}
