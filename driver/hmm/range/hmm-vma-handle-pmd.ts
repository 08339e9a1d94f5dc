import { EFAULT } from '../../../uapi/errno.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER } from '../../mm/frames/frames.js';
import { Kind, kindOf, Pte } from '../../mm/tables/entry.js';
import { pmdIndex, type Table } from '../../mm/tables/page-table.js';
import { type CollectFilter, isSelected, pageOwner } from '../migrate/migrate-entry.js';
import { HugeTake, migrateVmaCollectHugePmd, type PmdRange, splitHugeToCollect } from '../migrate/migrate-thp.js';
import { MigrateSelect } from '../migrate/migrate-vma.js';
import { HmmPfn } from './hmm-range.js';
import {
  asCollect,
  fail,
  faultPart,
  type HmmVmaWalk,
  hmmPfnsFill,
  hmmRangeNeedFault,
  hmmRangeSelectMigrate,
  type Stop,
  type VmaWalk,
} from './hmm-vma-walk.js';
import { fillHole, hmmVmaWalkHole, isCompoundWanted } from './hmm-vma-walk-hole.js';

/** The PMD entry is another one now and has to be looked at again. */
export interface AgainStop {
  readonly type: 'again';
}
const AGAIN: AgainStop = { type: 'again' };

/** What a 2 MiB entry says. */
interface Leaf {
  readonly kind: number;
  readonly pfn: number;
  /** The CPU has it mapped, or it is of the device that the range is walked for. */
  readonly isMapped: boolean;
  /** A page of the device that the range is walked for. */
  readonly isOwn: boolean;
  /** The huge zero page. */
  readonly isZero: boolean;
  /** What is reported of each page. */
  readonly cpuFlags: number;
}

/**
 * A PMD entry that is no table: a hole, a huge page, or somebody's migration entry. With `maySplit` a huge page that can only migrate in
 * pieces is split first, which makes it be looked at again. No lock is held at any exit. Linux: mm/hmm.c:hmm_vma_handle_pmd()
 */
export function* hmmVmaHandlePmd(
  part: VmaWalk,
  pmd: Table,
  { vpn, end, maySplit }: PmdRange & { maySplit: boolean },
): Coroutine<Stop | AgainStop | null> {
  const { walk, vma } = part;
  const { memory, range } = walk;
  memory.kernel.assertHeld(LockClass.mmapLock);
  memory.kernel.mightSleep();
  const unit = { vpn, end };
  if (memory.kernel.scheduler.isFine) yield FINE.entry;
  if (pmd.child(pmdIndex(vpn)) !== null) return AGAIN;
  const leaf = leafOf(walk, pmd, pmdIndex(vpn));
  if (leaf.kind === Kind.none) return hmmVmaWalkHole(part, unit);
  const stop = pmdStop(part, leaf, unit);
  if (stop !== null) return stop;
  const filter = hmmRangeSelectMigrate(part, unit);
  if (filter !== null && memory.profile.deviceThp)
    return yield* hmmVmaHandleMigratePreparePmd(part, leaf, { pmd, unit, filter });
  // Huge pages migrate one by one, so they are split here; what was huge is then walked afresh, entry by entry.
  if (filter !== null && leaf.isMapped && maySplit && isWanted(walk, leaf, filter)) {
    if (leaf.isZero && walk.path!.hugeZeroIsHole) return fillHole(part, unit);
    if (memory.kernel.defects.staleAfterSplit) fillHuge(walk, unit, leaf);
    if (yield* asCollect(memory, splitHugeToCollect(range.migrate!, vma, vpn))) return AGAIN;
    if (walk.path!.failedSplitIsError) return reportError(walk, unit);
  }
  return reportPmd(walk, unit, leaf);
}

function leafOf({ memory, range }: HmmVmaWalk, table: Table, i: number): Leaf {
  const lo = table.loLockless(i);
  const pfn = table.hiLockless(i);
  const kind = kindOf(lo);
  const isOwn = kind === Kind.devicePrivate && pageOwner(memory, pfn) === range.devPrivateOwner;
  const isMapped = kind === Kind.present || isOwn;
  const isZero = kind === Kind.present && (lo & Pte.special) !== 0;
  return { kind, pfn, isMapped, isOwn, isZero, cpuFlags: isMapped ? pmdToHmmPfnFlags(lo) : 0 };
}

/** Is the page to be split, or taken? The huge zero page counts as system memory. */
function isWanted({ memory, path }: HmmVmaWalk, { kind, pfn, isZero }: Leaf, filter: CollectFilter): boolean {
  if (path!.splitsUnselected) return true;
  return isZero ? (filter.select & MigrateSelect.system) !== 0 : isSelected(memory, kind, pfn, filter);
}

/** Why the entry can't be answered as it is; null when it can. */
function pmdStop(part: VmaWalk, leaf: Leaf, unit: PmdRange): Stop | null {
  const need = leaf.isOwn ? 0 : hmmRangeNeedFault(part.walk, unit, leaf.cpuFlags);
  if (need === 0) return null;
  if (leaf.kind === Kind.migration && part.walk.path !== null && !part.walk.path.waitsAtMigrationEntries) return null;
  if (leaf.kind === Kind.migration) return { type: 'wait', vpn: unit.vpn, resumeVpn: unit.vpn };
  return leaf.isMapped || leaf.kind === Kind.devicePrivate ? faultPart(part, need, unit) : fail(-EFAULT, unit.vpn);
}

/**
 * Prepares a folio as one, where 2 MiB migrate so; what is not taken is reported.
 * Linux: hmm_vma_handle_migrate_prepare_pmd() of the migrate-on-fault series
 */
function* hmmVmaHandleMigratePreparePmd(
  part: VmaWalk,
  leaf: Leaf,
  { pmd, unit, filter }: { pmd: Table; unit: PmdRange; filter: CollectFilter },
): Coroutine<Stop | AgainStop | null> {
  const { walk, vma } = part;
  const select = isCompoundWanted(part, unit) ? filter.select : filter.select & ~MigrateSelect.compound;
  const taken = yield* asCollect(walk.memory, migrateVmaCollectHugePmd(vma, unit, { ...filter, select }));
  if (taken === HugeTake.again) return AGAIN;
  if (taken === HugeTake.wait && !walk.path!.waitsAtMigrationEntries) return reportPmd(walk, unit, leaf);
  if (taken === HugeTake.wait) return { type: 'wait', vpn: unit.vpn, resumeVpn: unit.vpn };
  if (taken === HugeTake.hole) return fillHole(part, unit);
  if (taken === HugeTake.skip && walk.path!.failedSplitIsError && isWanted(walk, leaf, filter))
    return reportError(walk, unit);
  if (taken === HugeTake.skip) return reportPmd(walk, unit, leaf);
  walk.prepared++;
  // Another CPU may have changed the entry since it was read: what was taken is what stands there now.
  const pfn = pmd.hi(pmdIndex(unit.vpn));
  const isAsRead = leaf.isMapped && leaf.pfn === pfn;
  const taking = HmmPfn.valid | (taken & HmmPfn.write) | (HPAGE_PMD_ORDER << HmmPfn.orderShift);
  fillHuge(walk, unit, { pfn, cpuFlags: isAsRead ? leaf.cpuFlags : taking });
  // What is to be done with the folio stands in its first entry.
  walk.range.flags[unit.vpn - walk.firstVpn]! |= HmmPfn.migrate | HmmPfn.compound;
  return null;
}

function reportPmd(walk: HmmVmaWalk, unit: PmdRange, leaf: Leaf): null {
  if (leaf.isMapped) fillHuge(walk, unit, leaf);
  else hmmPfnsFill(walk, unit, leaf.kind === Kind.migration ? 0 : HmmPfn.error);
  return null;
}

function reportError(walk: HmmVmaWalk, unit: PmdRange): null {
  hmmPfnsFill(walk, unit, HmmPfn.error);
  return null;
}

/** Reports a part of a 2 MiB leaf. */
export function fillHuge(
  { range, firstVpn }: HmmVmaWalk,
  { vpn, end }: PmdRange,
  leaf: { readonly pfn: number; readonly cpuFlags: number },
): void {
  let pfn = leaf.pfn + (vpn % HPAGE_PMD_NR);
  for (let i = vpn - firstVpn; i < end - firstVpn; i++) {
    range.flags[i] = leaf.cpuFlags;
    range.pfns[i] = pfn++;
  }
}

/** The flags of a 2 MiB leaf; its order is told only when the CPU can use it. Linux: mm/hmm.c:pmd_to_hmm_pfn_flags() */
function pmdToHmmPfnFlags(lo: number): number {
  if (lo & Pte.protnone) return 0;
  return HmmPfn.valid | (lo & Pte.write ? HmmPfn.write : 0) | (HPAGE_PMD_ORDER << HmmPfn.orderShift);
}
