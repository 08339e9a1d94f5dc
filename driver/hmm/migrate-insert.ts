import type { Coroutine } from '../core/effect.js';
import { FaultPoint } from '../core/fault-points.js';
import { anonVmaPrepare } from '../mm/anon-rmap.js';
import { Kind, kindOf, Pte } from '../mm/entry.js';
import { folioAddLru, folioGet } from '../mm/folio.js';
import { ZERO_PFN } from '../mm/frame-allocator.js';
import { PAGE_SIZE, PG, Zone } from '../mm/frames.js';
import { type PageTable, pmdIndex, pteIndex, type Table } from '../mm/page-table.js';
import { maybeMkwrite, mkPte } from '../mm/pte-build.js';
import { ptlLock, ptlUnlock } from '../mm/ptl.js';
import { folioAddNewAnonRmap } from '../mm/rmap.js';
import { flushTlbPage } from '../mm/tlb.js';
import { VM } from '../mm/vm-flags.js';
import type { Vma } from '../mm/vma.js';
import type { MigrateVma } from './migrate-vma.js';

/** The part of an insert that may sleep; once is enough for all holes of a migration. */
export function* prepareInsert(migrate: MigrateVma): Coroutine<void> {
  const vma = migrate.vma!;
  if (vma.isAnonymous) yield* anonVmaPrepare(vma);
}

/**
 * Maps destination page `i` where nothing was, as a first fault would. False when something is there by now (somebody
 * faulted first), or the memory is not anonymous. Linux: mm/migrate_device.c:migrate_vma_insert_page()
 */
export function insertPage(migrate: MigrateVma, i: number): boolean {
  const vma = migrate.vma!;
  const { mm } = vma;
  const { memory } = mm;
  const { frames } = memory;
  const addr = migrate.start + i * PAGE_SIZE;
  const pfn = migrate.dstPfn[i]!;
  if (!vma.isAnonymous) return false;
  const { faults } = memory.kernel;
  if (faults.armed && faults.hit(FaultPoint.pageTableAlloc, addr) !== 0) return false;
  const leaf = leafTable(mm.pageTable, addr / PAGE_SIZE);
  if (leaf === null) return false;
  const { entries } = leaf;
  const at = 2 * pteIndex(addr / PAGE_SIZE);
  frames.flags[pfn]! |= PG.uptodate;
  ptlLock(mm);
  const isFree = !mm.isUnstable && isNoneOrZero(entries[at]!, entries[at + 1]!);
  if (isFree) {
    mm.rss.anon++;
    folioAddNewAnonRmap(memory, pfn, vma, addr);
    if (frames.zone[pfn] === Zone.system) folioAddLru(memory, pfn);
    folioGet(memory, pfn);
    if (entries[at] !== Kind.none) flushTlbPage(mm, addr / PAGE_SIZE);
    entries[at] = newEntry(vma, frames.zone[pfn] === Zone.private);
    entries[at + 1] = pfn;
  }
  ptlUnlock(mm);
  return isFree;
}

/** The PTE table of `vpn`, made when missing; null when a 2 MiB entry is in the way. */
function leafTable(pageTable: PageTable, vpn: number): Table | null {
  const pmd = pageTable.pmdTableAlloc(vpn);
  const leaf = pmd.children![pmdIndex(vpn)]!;
  if (leaf !== null) return leaf;
  return kindOf(pmd.entries[2 * pmdIndex(vpn)]!) === Kind.none ? pageTable.pteTableAlloc(vpn) : null;
}

function isNoneOrZero(lo: number, pfn: number): boolean {
  return kindOf(lo) === Kind.none || (kindOf(lo) === Kind.present && (lo & Pte.special) !== 0 && pfn === ZERO_PFN);
}

function newEntry(vma: Vma, isPrivate: boolean): number {
  if (isPrivate) return maybeMkwrite(Kind.devicePrivate, vma);
  const lo = mkPte(vma);
  return vma.flags & VM.write ? lo | Pte.write | Pte.dirty : lo;
}
