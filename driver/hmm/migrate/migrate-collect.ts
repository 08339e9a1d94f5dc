import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { Phase } from '../../inject/inject-points.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import {
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  type NotifierRange,
} from '../../mm/notifier.js';
import { Kind, kindOf } from '../../mm/tables/entry.js';
import { migrationEntryWait } from '../../mm/tables/migration-entries.js';
import { pmdIndex, pteIndex, type Table } from '../../mm/tables/page-table.js';
import { ptlLock, ptlUnlock } from '../../mm/tables/ptl.js';
import { flushTlbRange } from '../../mm/tables/tlb.js';
import { type Vma, vmaIsAnonymous } from '../../mm/vmas/vma.js';
import { pmdAddrEnd, upperHoleEnd } from '../range/pmd-part.js';
import { COLLECT_SPLIT, type CollectFilter, collectEntry } from './migrate-entry.js';
import {
  HugeTake,
  isCompoundRange,
  migrateVmaCollectHugePmd,
  migrateVmaSplitFolio,
  type PmdRange,
  splitHugeToCollect,
} from './migrate-thp.js';
import { MIGRATE_SELECT_MASK, MigratePfn, MigrateSelect, type MigrateVma } from './migrate-vma.js';

const COLLECT_POINT = preemptPoint('migrate_vma_collect');

/**
 * The classic path's own page table walk: fills `src` with what can migrate, each page locked, referenced and replaced
 * by a migration entry in this address space. Linux: mm/migrate_device.c:migrate_vma_collect()
 */
export function* migrateVmaCollect(migrate: MigrateVma, vma: Vma): Coroutine<void> {
  const { mm } = vma;
  const { kernel, stats } = mm.memory;
  const { start, end, pgmapOwner: owner } = migrate;
  kernel.assertHeld(LockClass.mmapLock);
  kernel.mightSleep();
  assert(migrate.npages === 0 && migrate.cpages === 0, 'a migration is collected twice');
  if (kernel.scheduler.contended) yield COLLECT_POINT;
  if (kernel.inject.armed) kernel.inject.enter(Phase.collect);
  const range: NotifierRange = { mm, start, end, event: 'MIGRATE', owner };
  yield* mmuNotifierInvalidateRangeStart(range);
  stats.walks++;
  kernel.emit('walk', { walk: 'collect', start, end });
  const filter: CollectFilter = {
    select: migrate.flags & (MIGRATE_SELECT_MASK | MigrateSelect.compound),
    owner,
    isAnonymousVma: vmaIsAnonymous(vma),
    faultPfn: migrate.faultPfn,
    path: migrate.path,
  };
  const { pageTable } = mm;
  const endVpn = end / PAGE_SIZE;
  for (let vpn = start / PAGE_SIZE; vpn < endVpn; ) {
    const pmd = pageTable.pmdTable(vpn);
    const next = pmd === null ? upperHoleEnd(pageTable, vpn, endVpn) : pmdAddrEnd(vpn, endVpn);
    if (pmd === null) migrateVmaCollectHole(mm.memory, migrate, { filter, vpn, end: next });
    else yield* migrateVmaCollectPmd(migrate, { vma, filter, pmd, vpn, end: next });
    vpn = next;
  }
  yield* mmuNotifierInvalidateRangeEnd(range);
  migrate.end = start + migrate.npages * PAGE_SIZE;
}

interface PmdPart {
  readonly vma: Vma;
  readonly filter: CollectFilter;
  readonly pmd: Table;
  readonly vpn: number;
  readonly end: number;
}

/**
 * What one PMD entry covers, whatever stands there; what becomes of each PTE is in `collectEntry`. No lock is held at any exit.
 * Linux: mm/migrate_device.c:migrate_vma_collect_pmd()
 */
function* migrateVmaCollectPmd(migrate: MigrateVma, { vma, filter, pmd, vpn, end }: PmdPart): Coroutine<void> {
  const { memory } = vma.mm;
  memory.kernel.assertHeld(LockClass.mmapLock);
  memory.kernel.mightSleep();
  const i = pmdIndex(vpn);
  memory.stats.pmdEntries++;
  for (let at = vpn; ; ) {
    if (memory.kernel.scheduler.isFine) yield FINE.ptl;
    const leaf = pmd.child(i);
    if (leaf !== null) {
      at = collectPtes(migrate, leaf, { vma, filter, vpn: at, end });
      if (at === end) return;
      const pfn = leaf.hi(pteIndex(at));
      if (yield* migrateVmaSplitFolio(memory, pfn, filter)) continue;
      return migrateVmaCollectSkip(migrate, end - at);
    }
    const kind = kindOf(pmd.lo(i));
    if (kind === Kind.none) return migrateVmaCollectHole(memory, migrate, { filter, vpn: at, end });
    if (memory.profile.deviceThp) {
      const taken = yield* migrateVmaCollectHugePmd(vma, { vpn: at, end }, filter);
      if (taken === HugeTake.wait) yield* migrationEntryWait(vma.mm, at);
      if (taken === HugeTake.again || taken === HugeTake.wait) continue;
      if (taken === HugeTake.hole) return migrateVmaCollectHole(memory, migrate, { filter, vpn: at, end });
      if (taken === HugeTake.skip) return migrateVmaCollectSkip(migrate, end - at);
      return collectCompound(migrate, { flags: taken, pfn: pmd.hi(i), npages: end - at });
    }
    if (kind !== Kind.present) return migrateVmaCollectSkip(migrate, end - at);
    if (!(yield* splitHugeToCollect(migrate, vma, at))) return migrateVmaCollectSkip(migrate, end - at);
  }
}

/** Answers `end`, or the page at which a large folio must be split before the walk can go on. */
function collectPtes(
  migrate: MigrateVma,
  leaf: Table,
  { vma, filter, vpn, end }: { vma: Vma; filter: CollectFilter; vpn: number; end: number },
): number {
  const { mm } = vma;
  const { src, srcPfn, dst, dstPfn } = migrate;
  const first = pteIndex(vpn);
  const last = first + (end - vpn);
  const { inject } = mm.memory.kernel;
  let n = migrate.npages;
  let i = first;
  let isReplaced = false;
  ptlLock(mm);
  for (; i < last; i++, n++) {
    if (inject.armed) inject.at((vpn + i - first) * PAGE_SIZE);
    const isPresent = kindOf(leaf.lo(i)) === Kind.present;
    const flags = collectEntry(mm.memory, leaf, i, filter);
    if (flags === COLLECT_SPLIT) break;
    isReplaced ||= isPresent && (flags & MigratePfn.valid) !== 0;
    src[n] = flags;
    srcPfn[n] = flags & MigratePfn.valid ? leaf.hi(i) : 0;
    dst[n] = 0;
    dstPfn[n] = 0;
    if (flags !== 0) migrate.cpages++;
  }
  if (isReplaced && !mm.memory.kernel.defects.flushLost) flushTlbRange(mm, vpn, end - vpn);
  ptlUnlock(mm);
  migrate.npages = n;
  mm.memory.stats.pteEntries += i - first;
  return vpn + i - first;
}

/** A 2 MiB folio, or a hole of that size, in one entry. */
function collectCompound(
  migrate: MigrateVma,
  { flags, pfn, npages }: { flags: number; pfn: number; npages: number },
): void {
  const first = migrate.npages;
  migrateVmaCollectSkip(migrate, npages);
  migrate.src[first] = flags;
  migrate.srcPfn[first] = pfn;
  migrate.cpages++;
}

/** Nothing is mapped: anonymous memory may be put on the device right away. Linux: mm/migrate_device.c:migrate_vma_collect_hole() */
function migrateVmaCollectHole(
  memory: Memory,
  migrate: MigrateVma,
  { filter, vpn, end }: { filter: CollectFilter } & PmdRange,
): void {
  const npages = end - vpn;
  if (!filter.isAnonymousVma) {
    migrateVmaCollectSkip(migrate, npages);
    return;
  }
  memory.stats.holes++;
  if (filter.select & MigrateSelect.compound && isCompoundRange({ vpn, end })) {
    collectCompound(migrate, { flags: MigratePfn.migrate | MigratePfn.compound, pfn: 0, npages });
    return;
  }
  const first = migrate.npages;
  migrateVmaCollectSkip(migrate, npages);
  migrate.src.fill(MigratePfn.migrate, first, first + npages);
  migrate.cpages += npages;
}

/** Linux: mm/migrate_device.c:migrate_vma_collect_skip() */
function migrateVmaCollectSkip(migrate: MigrateVma, npages: number): void {
  const first = migrate.npages;
  const last = first + npages;
  assert(last <= migrate.src.length, 'a migration has more pages than it has room for');
  migrate.src.fill(0, first, last);
  migrate.srcPfn.fill(0, first, last);
  migrate.dst.fill(0, first, last);
  migrate.dstPfn.fill(0, first, last);
  migrate.npages = last;
}
