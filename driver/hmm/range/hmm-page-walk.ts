import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { HPAGE_PMD_ORDER, PAGE_SIZE } from '../../mm/frames/frames.js';
import { KIND_MASK, Kind, Pte } from '../../mm/tables/entry.js';
import { pmdIndex, type Table } from '../../mm/tables/page-table.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import type { PmdRange } from '../migrate/migrate-thp.js';
import { HmmPfn } from './hmm-range.js';
import { fillHuge } from './hmm-vma-handle-pmd.js';
import { faultPart, hmmRangeNeedFault, type Stop, type VmaWalk } from './hmm-vma-walk.js';
import { hmmVmaWalkHole } from './hmm-vma-walk-hole.js';
import { hmmVmaWalkPmd } from './hmm-vma-walk-pmd.js';
import { pmdAddrEnd, upperHoleEnd } from './pmd-part.js';

/** The page tables under `[vpn, end)`, which lies in one vma, level by level down to the PMDs. Linux: part of mm/pagewalk.c:walk_page_range() */
export function* walkPageTables(part: VmaWalk, { vpn: first, end }: PmdRange): Coroutine<Stop | null> {
  const { mm, memory } = part.walk;
  const { pageTable } = mm;
  memory.kernel.assertHeld(LockClass.mmapLock);
  memory.kernel.mightSleep();
  assert(first * PAGE_SIZE >= part.vma.start && end * PAGE_SIZE <= part.vma.end, 'the pages are of another vma');
  const isHugetlb = (part.vma.flags & VM.hugetlb) !== 0;
  for (let vpn = first; vpn < end; ) {
    const pmd = pageTable.pmdTable(vpn);
    const next = pmd === null && !isHugetlb ? upperHoleEnd(pageTable, vpn, end) : pmdAddrEnd(vpn, end);
    const unit = { vpn, end: next };
    let stop: Stop | null;
    if (isHugetlb) stop = hmmVmaWalkHugetlbEntry(part, pmd, unit);
    else stop = pmd === null ? hmmVmaWalkHole(part, unit) : yield* hmmVmaWalkPmd(part, pmd, unit);
    if (stop !== null) return stop;
    vpn = next;
  }
  return null;
}

/**
 * Only the first page's request counts for an entry; a hole without a table asks for every page.
 * Linux: mm/hmm.c:hmm_vma_walk_hugetlb_entry()
 */
function hmmVmaWalkHugetlbEntry(part: VmaWalk, pmd: Table | null, unit: PmdRange): Stop | null {
  const { walk } = part;
  walk.memory.stats.pmdEntries++;
  if (pmd === null) return hmmVmaWalkHole(part, unit);
  const i = pmdIndex(unit.vpn);
  const cpuFlags = hugeToHmmPfnFlags(pmd.loLockless(i));
  const need = hmmRangeNeedFault(walk, { vpn: unit.vpn, end: unit.vpn + 1 }, cpuFlags);
  if (need !== 0) return faultPart(part, need, unit);
  fillHuge(walk, unit, { pfn: pmd.hiLockless(i), cpuFlags });
  return null;
}

/** The order of a hugetlb leaf is always told, even where nothing is mapped. Linux: part of mm/hmm.c:hmm_vma_walk_hugetlb_entry() */
function hugeToHmmPfnFlags(lo: number): number {
  const isPresent = (lo & KIND_MASK) === Kind.present && (lo & Pte.protnone) === 0;
  const flags = isPresent ? HmmPfn.valid | (lo & Pte.write ? HmmPfn.write : 0) : 0;
  return flags | (HPAGE_PMD_ORDER << HmmPfn.orderShift);
}
