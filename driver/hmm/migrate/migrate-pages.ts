import { assert } from '../../core/assert.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { KernelOops } from '../../core/kernel-oops.js';
import { LockClass } from '../../core/lock-class.js';
import { InjectPoint, Phase } from '../../inject/inject-points.js';
import { HPAGE_PMD_NR, PAGE_SIZE, PG, Zone } from '../../mm/frames/frames.js';
import { folioSplitUnmapped } from '../../mm/huge/thp-split-folio.js';
import type { Memory } from '../../mm/memory.js';
import {
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  type NotifierRange,
} from '../../mm/notifier.js';
import { folioFreeSwap } from '../../mm/swap/swap-cache.js';
import { injectInvalidate, injectReference } from '../inject.js';
import { migrateVmaInsertHugePmdPage, migrateVmaInsertPage, prepareInsert, splitHugeZero } from './migrate-insert.js';
import { migrateStageDone } from './migrate-trace.js';
import { hasMapping, type MigrateArrays } from './migrate-unmap.js';
import { MigratePfn, type MigrateVma } from './migrate-vma.js';

const PAGES_POINT = preemptPoint('migrate_vma_pages');

/** What a page carries along to another frame; the exclusive mark travels in the migration entries. */
const MOVED_FLAGS = PG.uptodate | PG.dirty | PG.workingset | PG.swapbacked | PG.anon;

/**
 * Moves what `struct page` says from each source to its destination, and puts destinations without a source straight
 * into the page table. Entries where that can't be done, or that have no destination, lose MIGRATE.
 * Linux: mm/migrate_device.c:migrate_vma_pages()
 */
export function* migrateVmaPages(migrate: MigrateVma): Coroutine<void> {
  const { vma } = migrate;
  assert(vma !== null, 'the migration was not set up');
  const { memory } = vma.mm;
  memory.kernel.assertHeld(LockClass.mmapLock);
  if (memory.kernel.scheduler.contended) yield PAGES_POINT;
  yield* migrateDevicePagesAndHoles(memory, migrate, migrate);
}

/** As `migrateVmaPages` for device pages, which need no vma. Linux: mm/migrate_device.c:migrate_device_pages() */
export function* migrateDevicePages(memory: Memory, arrays: MigrateArrays): Coroutine<void> {
  if (memory.kernel.scheduler.contended) yield PAGES_POINT;
  yield* migrateDevicePagesAndHoles(memory, arrays, null);
}

/** Linux: mm/migrate_device.c:__migrate_device_pages() */
function* migrateDevicePagesAndHoles(
  memory: Memory,
  arrays: MigrateArrays,
  migrate: MigrateVma | null,
): Coroutine<void> {
  const { src, srcPfn, dst, dstPfn, npages } = arrays;
  const { inject } = memory.kernel;
  memory.kernel.mightSleep();
  if (inject.armed) inject.enter(Phase.pages);
  let event: NotifierRange | null = null;
  for (let i = 0, nr = 1; i < npages; i += nr) {
    nr = 1;
    if (inject.armed) yield* injectAtPage(memory, { migrate, i, from: srcPfn[i]! });
    if (dstPfn[i] === 0) {
      src[i]! &= ~MigratePfn.migrate;
    } else if (srcPfn[i] === 0) {
      checkDestination(memory, arrays, i);
      if ((src[i]! & MigratePfn.migrate) === 0) continue;
      assert(migrate !== null, 'a migration without vma has a hole');
      if (event === null) event = yield* beginInsert(migrate, i);
      nr = yield* fillHole(migrate, i);
    } else {
      checkDestination(memory, arrays, i);
      const isSplit = src[i]! & MigratePfn.compound && !(dst[i]! & MigratePfn.compound);
      if (isSplit && !(yield* migrateVmaSplitUnmappedFolio(memory, arrays, i))) {
        src[i]! &= ~(MigratePfn.migrate | MigratePfn.compound);
        continue;
      }
      if (memory.kernel.scheduler.isFine) yield FINE.refcount;
      const move = { from: srcPfn[i]!, to: dstPfn[i]!, faultPfn: arrays.faultPfn ?? 0 };
      if (!moveFolio(memory, move)) src[i]! &= ~MigratePfn.migrate;
    }
  }
  if (event !== null) yield* mmuNotifierInvalidateRangeEnd(event);
  migrateStageDone(memory, 'pages', arrays);
}

/**
 * A destination is locked by whoever put it into `dst`. Where another page is named there, as an earlier use of the array has left it,
 * Linux moves one page onto another, or stumbles over a lock that nobody has.
 */
export function checkDestination({ frames }: Memory, { dstPfn, start = 0 }: MigrateArrays, i: number): void {
  const pfn = dstPfn[i]!;
  if (frames.hasFlags(frames.head(pfn), PG.locked)) return;
  const what = 'a migration has a destination that nobody has locked for it, left in dst by an earlier chunk';
  throw new KernelOops(what, start + i * PAGE_SIZE, pfn);
}

/** Puts the destination of the hole at `i` into the page table, for a hole of 2 MiB one or 512. Answers how many entries are done. */
function* fillHole(migrate: MigrateVma, i: number): Coroutine<number> {
  const { src, dst, dstPfn, npages } = migrate;
  if (dst[i]! & MigratePfn.compound) {
    if (migrate.vma!.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
    if (!migrateVmaInsertHugePmdPage(migrate, i)) src[i]! &= ~MigratePfn.migrate;
    return 1;
  }
  const nr = src[i]! & MigratePfn.compound ? Math.min(HPAGE_PMD_NR, npages - i) : 1;
  src[i]! &= ~MigratePfn.compound;
  // Elsewhere the walk that collected has split it.
  const hasHugeZero = migrate.vma!.mm.memory.profile.deviceThp || migrate.path.hugeZeroIsHole;
  for (let j = i; j < i + nr; j++) {
    if (hasHugeZero) yield* splitHugeZero(migrate, j);
    if (migrate.vma!.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
    src[j] = dstPfn[j] !== 0 && migrateVmaInsertPage(migrate, j) ? MigratePfn.migrate : 0;
  }
  return nr;
}

/**
 * A folio whose destinations are single pages becomes 512 pages, each with an entry of its own. False when somebody has a reference
 * to it. Linux: mm/migrate_device.c:migrate_vma_split_unmapped_folio() of 6.19
 */
export function* migrateVmaSplitUnmappedFolio(
  memory: Memory,
  { src, srcPfn }: MigrateArrays,
  i: number,
): Coroutine<boolean> {
  const head = srcPfn[i]!;
  memory.kernel.mightSleep();
  memory.frames.assertLocked(head);
  memory.frames.assertUnmapped(head);
  if ((yield* folioSplitUnmapped(memory, head)) !== 0) return false;
  src[i]! &= ~MigratePfn.compound;
  for (let j = 1; j < HPAGE_PMD_NR; j++) {
    src[i + j] = src[i]!;
    srcPfn[i + j] = head + j;
  }
  return true;
}

/** What others do just before page `i` moves. */
function* injectAtPage(
  memory: Memory,
  { migrate, i, from }: { migrate: MigrateVma | null; i: number; from: number },
): Coroutine<void> {
  if (migrate !== null) {
    const addr = migrate.start + i * PAGE_SIZE;
    memory.kernel.inject.at(addr);
    yield* injectInvalidate(migrate.vma!.mm, addr);
  }
  if (from !== 0) yield* injectReference(memory, from);
}

/** Entries from the first hole on are about to be filled: a MIGRATE event of their own. */
function* beginInsert(migrate: MigrateVma, i: number): Coroutine<NotifierRange> {
  const { mm } = migrate.vma!;
  const start = migrate.start + i * PAGE_SIZE;
  mm.memory.kernel.assertHeld(LockClass.mmapLock);
  const event: NotifierRange = { mm, start, end: migrate.end, event: 'MIGRATE', owner: migrate.pgmapOwner };
  yield* mmuNotifierInvalidateRangeStart(event);
  yield* prepareInsert(migrate);
  return event;
}

/** False when the page can't go there: not anonymous, or somebody else holds a reference. */
function moveFolio(memory: Memory, { from, to, faultPfn }: { from: number; to: number; faultPfn: number }): boolean {
  const { frames } = memory;
  frames.assertLocked(from);
  frames.assertLocked(to);
  if (hasMapping(memory, from)) {
    assert(frames.zone[to] !== Zone.system, 'a page with a page cache entry moves to system memory');
    // Devices take anonymous memory only, and no swap slot goes with it.
    if (!frames.isAnon(from) || !folioFreeSwap(memory, from)) return false;
  }
  const { inject } = memory.kernel;
  if (inject.armed && inject.hit(InjectPoint.refcountPages) !== 0) return false;
  // The one reference of the migration, and that of the fault. Linux: mm/migrate.c:folio_migrate_mapping()
  if (!frames.hasRefcountAtMost(from, from === faultPfn ? 2 : 1)) return false;
  frames.setIndex(to, frames.index(from));
  frames.setMapping(to, frames.mapping(from));
  frames.setFlags(to, frames.flags(from) & MOVED_FLAGS);
  return true;
}
