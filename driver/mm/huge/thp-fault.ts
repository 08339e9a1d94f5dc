import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { FAULT, VM_FAULT } from '../faults/fault-code.js';
import type { VmFault } from '../faults/vm-fault.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import { folioAddLru, folioGet, folioLock, folioPut, folioTrylock, folioUnlock } from '../frames/folio.js';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER, HPAGE_PMD_SIZE, PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddNewAnonRmapPmd, folioMoveAnonRmap } from '../frames/rmap.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { pmdIndex } from '../tables/page-table.js';
import { maybeMkwrite, mkPte } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from '../tables/ptl.js';
import { flushPmdTlbRange } from '../tables/tlb.js';
import { handleUserfault } from '../userfault/handle-userfault.js';
import { mmapAssertLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { clearHugePage, mmGetHugeZeroFolio } from './huge-zero.js';
import { khugepagedEnterVma } from './khugepaged-enter.js';
import { hugeStart, hugeVpn, mmFindPmd, type PmdSlot, thpVmaSuitableOrder } from './thp-policy.js';
import { changeHugePmd } from './thp-protect.js';
import { splitHugePmd } from './thp-split-pmd.js';

/**
 * A fault where the PMD entry is none: a read maps the huge zero folio, a write a new 2 MiB folio. 0, or VM_FAULT.*:
 * `fallback` asks the caller to go on with a small page. The caller holds mmap_lock for read.
 * Linux: mm/huge_memory.c:do_huge_pmd_anonymous_page()
 */
export function* doHugePmdAnonymousPage(vmFault: VmFault): Coroutine<number> {
  const { vma, addr, flags } = vmFault;
  mmapAssertLocked(vma.mm);
  if (!thpVmaSuitableOrder(vma, addr)) return VM_FAULT.fallback;
  yield* anonVmaPrepare(vma);
  khugepagedEnterVma(vma);
  const { memory } = vma.mm;
  const isWrite = (flags & FAULT.write) !== 0 || !memory.usesHugeZero;
  const head = isWrite ? memory.allocator.allocateHuge() : mmGetHugeZeroFolio(memory);
  if (head === 0 && isWrite) memory.mthpStats.countMthpStat(HPAGE_PMD_ORDER, 'anon_fault_fallback');
  if (head === 0) return VM_FAULT.fallback;
  if (isWrite) {
    clearHugePage(memory, head);
    memory.frames.setFlags(head, PG.uptodate);
  }
  if (memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(vma.mm);
  const { fault, isUsed } = insertHugePmd(vma, hugeStart(addr), { head, isWrite });
  ptlUnlock(vma.mm);
  if (isWrite && !isUsed) folioPut(memory, head);
  return fault & VM_FAULT.retry ? yield* handleUserfault(vmFault, VM.uffdMissing) : fault;
}

/** Maps `head` if nobody was faster. Under the ptl. Linux: part of mm/huge_memory.c:do_huge_pmd_anonymous_page() */
function insertHugePmd(
  vma: Vma,
  start: number,
  { head, isWrite }: { head: number; isWrite: boolean },
): { fault: number; isUsed: boolean } {
  ptlAssertHeld(vma.mm);
  const { mm } = vma;
  const vpn = start / PAGE_SIZE;
  const table = mm.pageTable.pmdTableAlloc(vpn);
  const index = pmdIndex(vpn);
  if ((table.lo(index) & KIND_MASK) !== Kind.none) return { fault: 0, isUsed: false };
  if (mm.isUnstable) return { fault: VM_FAULT.sigbus, isUsed: false };
  if (vma.flags & VM.uffdMissing) return { fault: VM_FAULT.retry, isUsed: false };
  if (isWrite) mapHugeFolio(vma, start, { slot: { table, index }, head });
  else setPmd({ table, index }, mkPte(vma) | Pte.huge | Pte.special, head);
  return { fault: 0, isUsed: true };
}

/** Writes a PMD leaf; no table hangs there. */
export function setPmd({ table, index }: PmdSlot, lo: number, pfn: number): void {
  assert(table.child(index) === null, 'a huge entry would replace a table');
  table.set(index, lo, pfn);
}

/**
 * A write (or unsharing) fault on a read-only HUGE or HUGE_ZERO entry: made writable when the folio is this process's
 * alone, else split, and `fallback` returned for a small copy. mmap_lock is held.
 * Linux: mm/huge_memory.c:do_huge_pmd_wp_page()
 */
export function* doHugePmdWpPage(vma: Vma, addr: number, flags: number): Coroutine<number> {
  mmapAssertLocked(vma.mm);
  const { memory } = vma.mm;
  const { frames } = memory;
  const slot = mmFindPmd(vma.mm, hugeVpn(addr));
  if (slot === null) return 0;
  const lo = slot.table.lo(slot.index);
  const head = slot.table.hi(slot.index);
  if ((lo & (KIND_MASK | Pte.huge)) !== (Kind.present | Pte.huge)) return 0;
  if (!(lo & Pte.special)) {
    let isExclusive = frames.isAnonExclusive(head);
    if (!isExclusive) {
      if (memory.kernel.scheduler.isFine) yield FINE.folioLock;
      if (slot.table.lo(slot.index) !== lo || slot.table.hi(slot.index) !== head) return 0;
      if (!(yield* lockHugeFolio(memory, head, { slot, lo }))) return 0;
      isExclusive = reuseHugeFolio(vma, head);
      folioUnlock(memory, head);
    }
    if (isExclusive) {
      if (!(flags & FAULT.unshare)) makeHugePmdWritable(vma, slot);
      return 0;
    }
  }
  if (lo & Pte.special && memory.profile.hugeZeroWriteIsHuge) {
    const ret = yield* doHugeZeroWpPmd(vma, addr);
    if (!(ret & VM_FAULT.fallback)) return ret;
  }
  yield* splitHugePmd(vma, addr);
  return VM_FAULT.fallback;
}

/** A new huge page takes the place of the huge zero page. Linux: mm/huge_memory.c:do_huge_zero_wp_pmd() of 6.19 */
function* doHugeZeroWpPmd(vma: Vma, addr: number): Coroutine<number> {
  const { mm } = vma;
  const { memory } = mm;
  const start = hugeStart(addr);
  yield* anonVmaPrepare(vma);
  const head = memory.allocator.allocateHuge();
  if (head === 0) memory.mthpStats.countMthpStat(HPAGE_PMD_ORDER, 'anon_fault_fallback');
  if (head === 0) return VM_FAULT.fallback;
  clearHugePage(memory, head);
  memory.frames.setFlags(head, PG.uptodate);
  const range: NotifierRange = { mm, start, end: start + HPAGE_PMD_SIZE, event: 'CLEAR', owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  ptlLock(mm);
  const slot = mmFindPmd(mm, start / PAGE_SIZE);
  const wanted = Kind.present | Pte.huge | Pte.special;
  const isSame = slot !== null && (slot.table.lo(slot.index) & (KIND_MASK | Pte.huge | Pte.special)) === wanted;
  if (isSame && !mm.isUnstable) {
    flushPmdTlbRange(mm, start / PAGE_SIZE);
    mapHugeFolio(vma, start, { slot, head });
  }
  ptlUnlock(mm);
  yield* mmuNotifierInvalidateRangeEnd(range);
  if (isSame && !mm.isUnstable) return 0;
  folioPut(memory, head);
  return isSame ? VM_FAULT.sigbus : 0;
}

/** Maps a new anonymous folio writable, under the ptl. Linux: part of mm/huge_memory.c:__do_huge_pmd_anonymous_page() */
function mapHugeFolio(vma: Vma, start: number, { slot, head }: { slot: PmdSlot; head: number }): void {
  ptlAssertHeld(vma.mm);
  const { mm } = vma;
  folioAddNewAnonRmapPmd(mm.memory, head, vma, start);
  folioAddLru(mm.memory, head);
  mm.rss.anon += HPAGE_PMD_NR;
  mm.memory.mthpStats.countMthpStat(HPAGE_PMD_ORDER, 'anon_fault_alloc');
  setPmd(slot, maybeMkwrite(mkPte(vma) | Pte.huge | Pte.dirtied, vma), head);
}

/** Locks the folio, sleeping with a reference when somebody has the lock. False when the entry changed meanwhile. */
function* lockHugeFolio(
  memory: Vma['mm']['memory'],
  head: number,
  { slot, lo }: { slot: PmdSlot; lo: number },
): Coroutine<boolean> {
  if (folioTrylock(memory, head)) return true;
  folioGet(memory, head);
  yield* folioLock(memory, head);
  const { table } = slot;
  const isSame = table.lo(slot.index) === lo && table.hi(slot.index) === head;
  if (!isSame) folioUnlock(memory, head);
  folioPut(memory, head);
  return isSame;
}

/** Marks the locked folio exclusive when nobody else has a reference. */
function reuseHugeFolio(vma: Vma, head: number): boolean {
  vma.mm.memory.frames.assertLocked(head);
  const { memory } = vma.mm;
  const { frames } = memory;
  if (frames.isAnonExclusive(head)) return true;
  if (frames.refcount(head) > 1) return false;
  folioMoveAnonRmap(memory, head, vma);
  frames.setFlags(head, PG.anonExclusive);
  return true;
}

function makeHugePmdWritable(vma: Vma, { table, index }: PmdSlot): void {
  ptlLock(vma.mm);
  table.setLo(index, maybeMkwrite(table.lo(index) | Pte.young | Pte.dirtied, vma));
  ptlUnlock(vma.mm);
}

/**
 * A PROT_NONE 2 MiB entry in a vma that has rights again gets those of the vma.
 * Linux: mm/huge_memory.c:do_huge_pmd_numa_page()
 */
export function* doHugePmdNumaPage(vma: Vma, addr: number, lo: number): Coroutine<number> {
  if (vma.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(vma.mm);
  const slot = mmFindPmd(vma.mm, hugeVpn(addr));
  if (slot !== null && slot.table.lo(slot.index) === lo) changeHugePmd(vma, hugeVpn(addr));
  ptlUnlock(vma.mm);
  return 0;
}
