import { EINTR, ENOMEM } from '../../../uapi/errno.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { anonVmaFork } from '../frames/anon-rmap.js';
import { copyPage, folioAddLru, folioGet } from '../frames/folio.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddFileRmapPte, folioAddNewAnonRmap, folioTryDupAnonRmapPte } from '../frames/rmap.js';
import { copyHugetlbPageRange } from '../huge/hugetlb-copy.js';
import { khugepagedFork } from '../huge/khugepaged-enter.js';
import { copyHugePmd } from '../huge/thp-fork.js';
import { splitHugePmd } from '../huge/thp-split-pmd.js';
import type { Memory } from '../memory.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pteIndex, type Table } from '../tables/page-table.js';
import { folioPteBatch } from '../tables/pte-batch.js';
import { addMmCounter, isCowMapping, maybeMkwrite, mkPte, pteMkuffdWp, userfaultfdPteWp } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from '../tables/ptl.js';
import { mayAllocTable } from '../tables/table-alloc.js';
import { decTlbFlushPending, flushTlbMm, incTlbFlushPending } from '../tables/tlb.js';
import {
  completeEvents,
  dupUserfaultfd,
  dupUserfaultfdFail,
  type PendingEvents,
} from '../userfault/userfault-events.js';
import { COPY_RESTORED, copyNonpresentPte, keptUffdWp } from './fork-non-present.js';
import { Mm, vmEnoughMemory } from './mm.js';
import { VM, VM_LOCKED_MASK } from './vm-flags.js';
import { Vma } from './vma.js';
import { lockRmap, unlockRmap } from './vma-list.js';

const FORK_POINT = preemptPoint('fork');

/** A new, empty address space with one user; the next of who had `old`. Linux: part of kernel/fork.c:mm_init() */
export function mmCreate(memory: Memory, old: Mm | null = null): Mm {
  const mm = new Mm(memory, memory.newMmId());
  mm.isThpDisabled = old?.isThpDisabled ?? false;
  memory.mms.add(mm);
  return mm;
}

/**
 * Copies `parent` into the empty `child` as fork does; -ENOMEM leaves a half filled child, which the caller puts. The
 * parent is held for write for the whole time. Linux: kernel/fork.c:dup_mmap()
 */
export function* dupMmap(child: Mm, parent: Mm): Coroutine<number> {
  yield* parent.mmapLock.writeLock();
  yield* child.mmapLock.writeLock({ nested: true });
  let ret = 0;
  const events: PendingEvents = [];
  child.membarriers = parent.membarriers;
  incTlbFlushPending(parent);
  const { scheduler } = parent.memory.kernel;
  for (const vma of parent.vmas) {
    if (vma.flags & VM.dontcopy) continue;
    if (child.memory.kernel.current.killed) ret = -EINTR;
    else ret = yield* dupVma(child, vma, events);
    if (ret < 0) break;
  }
  if (ret < 0) child.isUnstable = true;
  else khugepagedFork(child, parent);
  if (scheduler.isFine) yield FINE.tlb;
  flushTlbMm(parent);
  decTlbFlushPending(parent);
  child.mmapLock.writeUnlock();
  parent.mmapLock.writeUnlock();
  if (ret < 0) dupUserfaultfdFail(events);
  else yield* completeEvents(events);
  return ret;
}

function* dupVma(child: Mm, vma: Vma, events: PendingEvents): Coroutine<number> {
  const { kernelMemory } = child.memory;
  if (!kernelMemory.has(1)) return -ENOMEM;
  if (vma.flags & VM.account && !vmEnoughMemory(child.memory, (vma.end - vma.start) / PAGE_SIZE)) return -ENOMEM;
  const copy = new Vma(child, vma.start, vma.end, vma.flags & ~VM_LOCKED_MASK, vma.pgoff);
  copy.file = vma.file;
  copy.ops = vma.ops;
  dupUserfaultfd(copy, vma, events);
  const locks = yield* lockRmap(vma);
  if (!(vma.flags & VM.wipeonfork)) anonVmaFork(copy, vma);
  child.vmas.push(copy);
  kernelMemory.take('object', 1);
  copy.ops?.open?.(copy);
  if (copy.file !== null) {
    copy.file.get();
    const mappers = copy.file.mapping?.vmas;
    mappers?.splice(mappers.indexOf(vma) + 1, 0, copy);
  }
  unlockRmap(locks);
  return vma.flags & VM.wipeonfork ? 0 : yield* copyPageRange(copy, vma);
}

/** Linux: mm/memory.c:copy_page_range(); 0 or -ENOMEM. */
function* copyPageRange(dst: Vma, src: Vma): Coroutine<number> {
  const isSpecial = (src.flags & (VM.pfnmap | VM.mixedmap)) !== 0;
  const needsCopy = src.anonVma !== null || isSpecial || (dst.flags & VM.uffdWp) !== 0;
  if (!needsCopy) return 0;
  if (src.flags & VM.hugetlb) return yield* copyHugetlbPageRange(dst, src);
  const isCow = isCowMapping(src.flags);
  const range: NotifierRange = { mm: src.mm, start: src.start, end: src.end, event: 'PROTECTION_PAGE', owner: null };
  if (isCow) yield* mmuNotifierInvalidateRangeStart(range);
  const ret = yield* copyTables(dst, src);
  if (isCow) yield* mmuNotifierInvalidateRangeEnd(range);
  return ret < 0 ? -ENOMEM : 0;
}

function* copyTables(dst: Vma, src: Vma): Coroutine<number> {
  const endVpn = src.end / PAGE_SIZE;
  let vpn = src.start / PAGE_SIZE;
  while (vpn < endVpn) {
    const next = Math.min(endVpn, (Math.floor(vpn / 512) + 1) * 512);
    const pmd = src.mm.pageTable.pmdTable(vpn);
    if (pmd === null) {
      vpn = Math.min(endVpn, (Math.floor(vpn / 262144) + 1) * 262144);
      continue;
    }
    const kind = kindOf(pmd.lo(Math.floor(vpn / 512) % 512));
    if (kind !== Kind.none && kind !== Kind.table) {
      if (dst.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
      ptlLock(dst.mm);
      ptlLock(src.mm, true);
      const ret = copyHugePmd(dst, src, vpn);
      ptlUnlock(src.mm);
      ptlUnlock(dst.mm);
      if (ret === -ENOMEM) return ret;
      if (ret === 0) {
        vpn = next;
        continue;
      }
      yield* splitHugePmd(src, vpn * PAGE_SIZE);
    }
    const ret = yield* copyPteRange(dst, src, { vpn, next });
    if (ret < 0) return ret;
    vpn = next;
    // Both address spaces are locked, so that this is for whoever runs the machine in slices. Linux: include/linux/sched.h:cond_resched()
    if (dst.mm.memory.kernel.scheduler.isPreemptive) yield FORK_POINT;
  }
  return 0;
}

/** Linux: mm/memory.c:copy_pte_range(). A pinned page needs a copy, for which the locks are dropped and memory is allocated. */
function* copyPteRange(dst: Vma, src: Vma, part: { vpn: number; next: number }): Coroutine<number> {
  const from = src.mm.pageTable.pteTable(part.vpn);
  if (from === null) return 0;
  if (!mayAllocTable(dst.mm)) return -ENOMEM;
  const { kernel } = dst.mm.memory;
  const to = dst.mm.pageTable.pteTableAlloc(part.vpn);
  let ret = 0;
  for (let vpn = part.vpn; vpn < part.next && ret === 0; ) {
    const { isFine } = kernel.scheduler;
    if (isFine) yield FINE.ptl;
    ptlLock(dst.mm);
    ptlLock(src.mm, true);
    let batchEnd = vpn;
    for (let copied = 0; vpn < part.next && ret === 0; vpn++) {
      const i = pteIndex(vpn);
      if (isFine && vpn >= batchEnd && copied >= PTES_BEFORE_RESCHED) break;
      if (kindOf(from.lo(i)) === Kind.none) continue;
      if (isFine && vpn >= batchEnd) batchEnd = vpn + presentBatch(src, from, { index: i, max: part.next - vpn });
      ret = copyPte(dst, src, { from, to, i, vpn });
      copied++;
    }
    ptlUnlock(src.mm);
    ptlUnlock(dst.mm);
  }
  return ret;
}

/** Entries that Linux copies in one step. Linux: part of mm/memory.c:copy_present_ptes() */
function presentBatch(src: Vma, from: Table, part: { index: number; max: number }): number {
  const ignored = Pte.write | Pte.young | (src.flags & VM.notSoftDirty ? 0 : Pte.softDirty);
  return folioPteBatch(src.mm.memory, from, { ...part, ignored });
}

/** Entries after which Linux lets go of the locks if the CPU is wanted for something else; an explorer always tries that. */
const PTES_BEFORE_RESCHED = 4;

function copyPte(dst: Vma, src: Vma, at: { from: Table; to: Table; i: number; vpn: number }): number {
  const { from, to, i } = at;
  if (kindOf(from.lo(i)) !== Kind.present) {
    const ret = copyNonpresentPte(dst, src, at);
    if (ret !== COPY_RESTORED) return ret;
  }
  const { memory } = src.mm;
  let lo = from.lo(i);
  const pfn = from.hi(i);
  if (!(lo & Pte.special)) {
    if (memory.frames.isAnon(pfn)) {
      if (!folioTryDupAnonRmapPte(memory, pfn)) return copyPresentPage(dst, at, { pfn, old: lo });
    } else {
      folioAddFileRmapPte(memory, pfn);
    }
    folioGet(memory, pfn);
    addMmCounter(dst.mm, pfn, 1);
  }
  if (isCowMapping(src.flags) && lo & Pte.write) {
    lo &= ~Pte.write;
    from.setLo(i, lo);
  }
  if (src.flags & VM.shared) lo &= ~Pte.dirty;
  to.set(i, keptUffdWp(dst, lo) & ~Pte.young, pfn);
  return 0;
}

/** The child gets its own copy of a page that the parent may have pinned. Under the ptl. Linux: mm/memory.c:copy_present_page() */
function copyPresentPage(
  dst: Vma,
  { to, i, vpn }: { to: Table; i: number; vpn: number },
  { pfn, old }: { pfn: number; old: number },
): number {
  ptlAssertHeld(dst.mm);
  const { memory } = dst.mm;
  const copy = memory.allocator.allocate();
  if (copy === 0) return -ENOMEM;
  copyPage(memory, copy, pfn);
  memory.frames.setFlags(copy, PG.uptodate);
  folioAddNewAnonRmap(memory, copy, dst, vpn * PAGE_SIZE);
  folioAddLru(memory, copy);
  dst.mm.rss.anon++;
  const lo = maybeMkwrite(mkPte(dst) | Pte.dirtied, dst);
  to.set(i, userfaultfdPteWp(dst, old) ? pteMkuffdWp(lo) : lo, copy);
  return 0;
}
