import type { Coroutine } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { anonVmaPrepare } from '../../mm/frames/anon-rmap.js';
import { folioAddLru, folioGet } from '../../mm/frames/folio.js';
import { ZERO_PFN } from '../../mm/frames/frame-allocator.js';
import { HPAGE_PMD_NR, PAGE_SIZE, PG, Zone } from '../../mm/frames/frames.js';
import { folioAddNewAnonRmap, folioAddNewAnonRmapPmd } from '../../mm/frames/rmap.js';
import { setPmd } from '../../mm/huge/thp-fault.js';
import { type PmdSlot, thpVmaSuitableOrder } from '../../mm/huge/thp-policy.js';
import { splitHugePmd } from '../../mm/huge/thp-split-pmd.js';
import { Kind, kindOf, Pte } from '../../mm/tables/entry.js';
import { type PageTable, pmdIndex, pteIndex, type Table } from '../../mm/tables/page-table.js';
import { maybeMkwrite, mkPte } from '../../mm/tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../../mm/tables/ptl.js';
import { flushPmdTlbRange, flushTlbPage } from '../../mm/tables/tlb.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import { type Vma, vmaIsAnonymous } from '../../mm/vmas/vma.js';
import type { MigrateVma } from './migrate-vma.js';

/** The part of an insert that may sleep; once is enough for all holes of a migration. */
export function* prepareInsert(migrate: MigrateVma): Coroutine<void> {
  const vma = migrate.vma!;
  vma.mm.memory.kernel.assertHeld(LockClass.mmapLock);
  vma.mm.memory.kernel.mightSleep();
  if (vmaIsAnonymous(vma)) yield* anonVmaPrepare(vma);
}

/**
 * Maps destination page `i` where nothing was, as a first fault would. False when something is there by now (somebody
 * faulted first), or the memory is not anonymous. Linux: mm/migrate_device.c:migrate_vma_insert_page()
 */
export function migrateVmaInsertPage(migrate: MigrateVma, i: number): boolean {
  const vma = migrate.vma!;
  const { mm } = vma;
  const { memory } = mm;
  const { frames } = memory;
  const addr = migrate.start + i * PAGE_SIZE;
  const pfn = migrate.dstPfn[i]!;
  memory.kernel.assertHeld(LockClass.mmapLock);
  frames.assertLocked(pfn);
  frames.assertUnmapped(pfn);
  if (!vmaIsAnonymous(vma)) return false;
  const { inject } = memory.kernel;
  if (inject.armed && inject.hit(InjectPoint.pageTableAlloc, addr) !== 0) return false;
  const leaf = leafTable(mm.pageTable, addr / PAGE_SIZE);
  if (leaf === null) return false;
  const at = pteIndex(addr / PAGE_SIZE);
  frames.setFlags(pfn, PG.uptodate);
  ptlLock(mm);
  // Somebody else serves such faults; backing off is all that can be done here.
  const isServed = (vma.flags & VM.uffdMissing) !== 0;
  const isFree = !mm.isUnstable && !isServed && isNoneOrZero(leaf.lo(at), leaf.hi(at));
  if (isFree) {
    mm.rss.anon++;
    folioAddNewAnonRmap(memory, pfn, vma, addr);
    if (frames.zone[pfn] === Zone.system) folioAddLru(memory, pfn);
    folioGet(memory, pfn);
    if (leaf.lo(at) !== Kind.none) flushTlbPage(mm, addr / PAGE_SIZE);
    leaf.set(at, newEntry(vma, frames.zone[pfn] === Zone.private), pfn);
  }
  ptlUnlock(mm);
  return isFree;
}

/**
 * As `insertPage` for a folio of 2 MiB and a place where no 2 MiB entry but the huge zero page's is, and no table.
 * Linux: mm/migrate_device.c:migrate_vma_insert_huge_pmd_page() of 6.19
 */
export function migrateVmaInsertHugePmdPage(migrate: MigrateVma, i: number): boolean {
  const vma = migrate.vma!;
  const { mm } = vma;
  const { frames, kernel } = mm.memory;
  const addr = migrate.start + i * PAGE_SIZE;
  const head = migrate.dstPfn[i]!;
  kernel.assertHeld(LockClass.mmapLock);
  frames.assertLocked(head);
  frames.assertUnmapped(head);
  if (!vmaIsAnonymous(vma) || !thpVmaSuitableOrder(vma, addr)) return false;
  if (kernel.inject.armed && kernel.inject.hit(InjectPoint.pageTableAlloc, addr) !== 0) return false;
  const vpn = addr / PAGE_SIZE;
  const slot: PmdSlot = { table: mm.pageTable.pmdTableAlloc(vpn), index: pmdIndex(vpn) };
  frames.setFlags(head, PG.uptodate);
  ptlLock(mm);
  const isNone = kindOf(slot.table.lo(slot.index)) === Kind.none || isHugeZero(mm.pageTable, vpn);
  const isFree = isNone && !mm.isUnstable && (vma.flags & VM.uffdMissing) === 0;
  if (isFree) {
    mm.rss.anon += HPAGE_PMD_NR;
    folioAddNewAnonRmapPmd(mm.memory, head, vma, addr);
    if (frames.zone[head] === Zone.system) folioAddLru(mm.memory, head);
    folioGet(mm.memory, head);
    if (kindOf(slot.table.lo(slot.index)) !== Kind.none) flushPmdTlbRange(mm, vpn);
    setPmd(slot, newEntry(vma, frames.zone[head] === Zone.private) | Pte.huge, head);
  }
  ptlUnlock(mm);
  return isFree;
}

/** A single page can't take the place of the huge zero page: that becomes 512 zero entries first. */
export function* splitHugeZero(migrate: MigrateVma, i: number): Coroutine<void> {
  const vma = migrate.vma!;
  const addr = migrate.start + i * PAGE_SIZE;
  if (isHugeZero(vma.mm.pageTable, addr / PAGE_SIZE)) yield* splitHugePmd(vma, addr);
}

/** Does the huge zero page stand at `vpn`? */
function isHugeZero(pageTable: PageTable, vpn: number): boolean {
  const pmd = pageTable.pmdTable(vpn);
  if (pmd === null) return false;
  const lo = pmd.lo(pmdIndex(vpn));
  return kindOf(lo) === Kind.present && (lo & Pte.special) !== 0;
}

/** The PTE table of `vpn`, made when missing; null when a 2 MiB entry is in the way. */
function leafTable(pageTable: PageTable, vpn: number): Table | null {
  const pmd = pageTable.pmdTableAlloc(vpn);
  const leaf = pmd.child(pmdIndex(vpn));
  if (leaf !== null) return leaf;
  return kindOf(pmd.lo(pmdIndex(vpn))) === Kind.none ? pageTable.pteTableAlloc(vpn) : null;
}

function isNoneOrZero(lo: number, pfn: number): boolean {
  return kindOf(lo) === Kind.none || (kindOf(lo) === Kind.present && (lo & Pte.special) !== 0 && pfn === ZERO_PFN);
}

function newEntry(vma: Vma, isPrivate: boolean): number {
  if (isPrivate) return maybeMkwrite(Kind.devicePrivate, vma);
  const lo = mkPte(vma);
  return vma.flags & VM.write ? lo | Pte.write | Pte.dirtied : lo;
}
