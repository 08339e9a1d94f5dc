import { type Coroutine, FINE } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { InjectPoint } from '../../inject/inject-points.js';
import {
  folioGet,
  folioLock,
  folioPut,
  folioSetLocked,
  folioTrylock,
  folioUnlock,
  folioUnlockAndPut,
} from '../../mm/frames/folio.js';
import { HPAGE_PMD_NR, PAGE_SIZE } from '../../mm/frames/frames.js';
import { setPmdMigrationEntry } from '../../mm/huge/thp-migration.js';
import { mmFindPmd, type PmdSlot } from '../../mm/huge/thp-policy.js';
import { splitFolio } from '../../mm/huge/thp-split-folio.js';
import { splitHugePmd } from '../../mm/huge/thp-split-pmd.js';
import type { Memory } from '../../mm/memory.js';
import { Kind, kindOf, Pte } from '../../mm/tables/entry.js';
import { pmdIndex } from '../../mm/tables/page-table.js';
import { ptlLock, ptlUnlock } from '../../mm/tables/ptl.js';
import type { Vma } from '../../mm/vmas/vma.js';
import { injectPin } from '../inject.js';
import type { MigrationPath } from '../paths.js';
import { type CollectFilter, isSelected } from './migrate-entry.js';
import { isLockedByFault, MigratePfn, MigrateSelect, type MigrateVma } from './migrate-vma.js';

/**
 * Splits the huge page mapped at `vpn`, for 6.12 migrates single pages only: the huge zero page's mapping becomes 512
 * zero entries, a folio becomes 512 folios. False when the folio is locked by somebody, referenced or pinned: then its
 * part of the range is left alone. Linux: part of mm/migrate_device.c:migrate_vma_collect_pmd()
 */
export function* splitHugeToCollect(migrate: MigrateVma, vma: Vma, vpn: number): Coroutine<boolean> {
  const { mm } = vma;
  const { memory } = mm;
  memory.kernel.assertHeld(LockClass.mmapLock);
  memory.kernel.mightSleep();
  if (memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(mm);
  const pmd = mm.pageTable.pmdTable(vpn);
  const i = pmdIndex(vpn);
  const lo = pmd === null ? Kind.none : pmd.lo(i);
  if (kindOf(lo) !== Kind.present) {
    ptlUnlock(mm);
    return true;
  }
  if (lo & Pte.special) {
    ptlUnlock(mm);
    yield* splitHugePmd(vma, vpn * PAGE_SIZE);
    return true;
  }
  const head = memory.frames.head(pmd!.hi(i));
  folioGet(memory, head);
  ptlUnlock(mm);
  const { inject, scheduler } = memory.kernel;
  if (scheduler.isFine) yield FINE.folioLock;
  if ((inject.armed && inject.hit(InjectPoint.folioTrylock, vpn * PAGE_SIZE) !== 0) || !folioTrylock(memory, head)) {
    if (scheduler.isFine) yield FINE.refcount;
    if (!migrate.leaksThpReference) folioPut(memory, head);
    return false;
  }
  const error = yield* splitFolio(memory, head);
  yield* folioUnlockAndPut(memory, head);
  return error === 0;
}

/** What `takeHugePmd` answers when it has not taken the folio. */
export const HugeTake = {
  /** Nothing is there, or the huge zero page: a hole. */
  hole: -1,
  /** Not wanted, or in somebody's hands: the part is left alone. */
  skip: -2,
  /** Small entries are there now, or something else: look again. */
  again: -3,
  /** Another migration has it: wait for that one, with no lock held, and look again. Linux: -EAGAIN */
  wait: -4,
} as const;

/** The part of a range that one PMD entry covers. */
export interface PmdRange {
  readonly vpn: number;
  readonly end: number;
}

/** Do both ends lie on borders of 2 MiB, so that compound migration can take what is between them? */
export function isCompoundRange({ vpn, end }: PmdRange): boolean {
  return vpn % HPAGE_PMD_NR === 0 && end % HPAGE_PMD_NR === 0;
}

/**
 * Takes the folio that a 2 MiB entry maps for migration as one, in profiles with device folios of that size: it is locked,
 * referenced, and the entry is a PMD-MIG. The flags of its `src` word then, else one of `HugeTake`. A folio that is wanted only in part,
 * or whose exclusive mark can't be given up, is split. Linux: mm/migrate_device.c:migrate_vma_collect_huge_pmd() of 6.19
 *
 * Deviates: coherent folios are selected as coherent pages are; Linux takes them for system memory.
 */
export function* migrateVmaCollectHugePmd(vma: Vma, part: PmdRange, filter: CollectFilter): Coroutine<number> {
  const { mm } = vma;
  const { memory } = mm;
  const { inject } = memory.kernel;
  memory.kernel.assertHeld(LockClass.mmapLock);
  memory.kernel.mightSleep();
  if (memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(mm);
  const slot = mmFindPmd(mm, part.vpn);
  const refused = refusal(memory, slot, filter);
  if (refused !== 0) {
    ptlUnlock(mm);
    return refused;
  }
  const head = slot!.table.hi(slot!.index);
  folioGet(memory, head);
  const isLocked = isLockedByFault(memory, filter.faultPfn, head);
  const isBusy = inject.armed && inject.hit(InjectPoint.folioTrylock, part.vpn * PAGE_SIZE) !== 0;
  if (isBusy || !(isLocked || folioTrylock(memory, head))) {
    ptlUnlock(mm);
    if (!memory.kernel.defects.trylockLeak) folioPut(memory, head);
    return HugeTake.skip;
  }
  const flags =
    filter.select & MigrateSelect.compound && isCompoundRange(part)
      ? freezePmd(vma, part.vpn, { slot: slot!, head })
      : 0;
  ptlUnlock(mm);
  if (flags !== 0) return flags;
  const error = yield* splitFolio(memory, head);
  if (!isLocked) folioUnlock(memory, head);
  folioPut(memory, head);
  return error === 0 ? HugeTake.again : HugeTake.skip;
}

/** Why the entry is not to be taken; 0 when it is. */
function refusal(memory: Memory, slot: PmdSlot | null, filter: CollectFilter): number {
  if (slot === null) return HugeTake.hole;
  if (slot.table.child(slot.index) !== null) return HugeTake.again;
  const lo = slot.table.lo(slot.index);
  const pfn = slot.table.hi(slot.index);
  switch (kindOf(lo)) {
    case Kind.none:
      return HugeTake.hole;
    case Kind.present:
      if (lo & Pte.special) return filter.select & MigrateSelect.system ? HugeTake.hole : HugeTake.skip;
      return isSelected(memory, Kind.present, pfn, filter) ? 0 : HugeTake.skip;
    case Kind.migration:
      return HugeTake.wait;
    case Kind.devicePrivate:
      return isSelected(memory, Kind.devicePrivate, pfn, filter) ? 0 : HugeTake.skip;
    default:
      return HugeTake.skip;
  }
}

/** PMD-MIG in place of the entry; 0 when the folio may be pinned. */
function freezePmd(vma: Vma, vpn: number, { slot, head }: { slot: PmdSlot; head: number }): number {
  const { memory } = vma.mm;
  const { inject } = memory.kernel;
  memory.kernel.assertHeld(LockClass.ptl);
  memory.frames.assertLocked(head);
  const write = slot.table.lo(slot.index) & Pte.write ? MigratePfn.write : 0;
  if (inject.armed) injectPin(memory, head);
  const isExclusive = memory.frames.isAnonExclusive(head);
  if (isExclusive && inject.armed && inject.hit(InjectPoint.anonShare) !== 0) return 0;
  if (!setPmdMigrationEntry(vma, head, { ...slot, vpn })) return 0;
  return MigratePfn.valid | MigratePfn.migrate | MigratePfn.compound | write;
}

/**
 * Splits a large folio that small entries map, so that its pages can be collected one by one. False when it is locked, referenced or
 * pinned. Linux: mm/migrate_device.c:migrate_vma_split_folio() of 6.19
 *
 * Deviates: Linux waits for the folio's lock with other folios locked, so that two migrations can wait for each other for ever; here
 * a locked folio is left alone, as everything else that is locked, but on paths that say otherwise.
 */
export function* migrateVmaSplitFolio(
  memory: Memory,
  pfn: number,
  { faultPfn, path }: { readonly faultPfn: number; readonly path: MigrationPath },
): Coroutine<boolean> {
  const { frames } = memory;
  const head = frames.head(pfn);
  memory.kernel.assertHeld(LockClass.mmapLock);
  memory.kernel.mightSleep();
  if (isLockedByFault(memory, faultPfn, pfn)) {
    frames.assertLocked(pfn);
    if ((yield* splitFolio(memory, head)) !== 0) return false;
    if (head === faultPfn) return true;
    // The fault's lock and reference go to the page that it is about.
    folioGet(memory, faultPfn);
    folioSetLocked(memory, faultPfn);
    folioUnlock(memory, head);
    folioPut(memory, head);
    return true;
  }
  const { inject, scheduler } = memory.kernel;
  if (scheduler.isFine) yield FINE.folioLock;
  if (path.splitsMappedByPages === 'lock') yield* folioLock(memory, head);
  else if ((inject.armed && inject.hit(InjectPoint.folioTrylock) !== 0) || !folioTrylock(memory, head)) return false;
  folioGet(memory, head);
  const error = yield* splitFolio(memory, head);
  yield* folioUnlockAndPut(memory, head);
  return error === 0;
}
