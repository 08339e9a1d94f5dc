import { assert } from '../../core/assert.js';
import { LockClass } from '../../core/lock-class.js';
import { RwSem } from '../../core/locks.js';
import { Access, GET_ALIVE, lastDrop, Shared, type SharedKind } from '../../core/observer.js';
import { PAGE_SIZE } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import type { MmuNotifierOps } from '../notifier.js';
import { PageTable } from '../tables/page-table.js';
import type { HeldTranslation, Tlb } from '../tables/tlb.js';
import type { Vma } from './vma.js';

/** `mm_struct`: one address space. `mmapLock` protects `vmas` and the shape of the page table. */
export class Mm {
  readonly mmapLock: RwSem;
  readonly pageTable: PageTable;
  /** Ordered by start; never overlapping. */
  readonly vmas: Vma[] = [];
  /** mm_users: processes that live in it (and drivers that hold it for a moment). 0 = entries are gone. */
  users = 1;
  /** mm_count: one for all users together, one for each open device file. */
  count = 1;
  notifier: MmuNotifierOps | null = null;
  /** A task is about to be killed in the middle of an operation on this mm. Linux: MMF_UNSTABLE */
  isUnstable = false;
  /** Khugepaged has it on its list. Linux: MMF_VM_HUGEPAGE */
  isInKhugepaged = false;
  /** No huge pages, whatever the vmas say; its children's and the next program's too. Linux: MMF_DISABLE_THP */
  isThpDisabled = false;
  /** What prctl(2) was told of core dumps, which there are none of: 0 or 1. Linux: MMF_DUMPABLE_MASK */
  dumpable = 1;
  /** VM flags that new mappings get, set by mlockall(2). Linux: def_flags */
  defFlags = 0;
  /** What membarrier(2) was told to be ready for, as bits of its commands. Linux: membarrier_state */
  membarriers = 0;
  /** Of the core that it is on; null: on none. */
  tlb: Tlb | null = null;
  /** Whoever changes entries now and flushes them later counts itself here meanwhile. Linux: tlb_flush_pending */
  tlbFlushPending = 0;
  /** Translations that cores have looked up while somebody explores, until they are flushed. */
  readonly translations: HeldTranslation[] = [];
  /** Batches of unmapped pages that are still to be flushed. Linux: tlb_flush_batched */
  tlbBatches = 0;
  /** Resident pages by kind. Linux: MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, MM_SWAPENTS */
  readonly rss = { anon: 0, file: 0, shmem: 0, swap: 0 };

  constructor(
    readonly memory: Memory,
    readonly id: number,
  ) {
    this.mmapLock = new RwSem(memory.kernel, LockClass.mmapLock, 'mmap_lock');
    this.pageTable = new PageTable(memory.tables, id);
  }

  /** The first vma that ends behind `addr`, which may begin behind it too. Linux: mm/mmap.c:find_vma() */
  findVma(addr: number): Vma | null {
    return this.vmas[this.findVmaIndex(addr)] ?? null;
  }

  /** The vma that holds `addr`. Linux: include/linux/mm.h:vma_lookup() */
  vmaLookup(addr: number): Vma | null {
    const vma = this.findVma(addr);
    return vma !== null && vma.start <= addr ? vma : null;
  }

  /** Index in `vmas` of the first vma that ends behind `addr`; `vmas.length` when there is none. */
  findVmaIndex(addr: number): number {
    this.touch(Shared.vmaList, Access.read);
    let low = 0;
    let high = this.vmas.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.vmas[middle]!.end > addr) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Something of the address space as a whole is about to be read or written. */
  touch(kind: SharedKind, how: number): void {
    this.memory.kernel.observer?.touch(kind, this.id, how, 1);
  }
}

/** May `npages` more be mapped, once [start, end) is free? Deviates: RLIMIT_DATA is not known. Linux: mm/mmap.c:may_expand_vm() */
export function mayExpandVm({ memory, vmas }: Mm, npages: number, { start, end } = { start: 0, end: 0 }): boolean {
  const limit = memory.kernel.current.program?.limitAs ?? Infinity;
  if (limit === Infinity) return true;
  let bytes = npages * PAGE_SIZE;
  for (const vma of vmas) {
    const freed = Math.min(end, vma.end) - Math.max(start, vma.start);
    bytes += vma.end - vma.start - Math.max(0, freed);
  }
  return bytes <= limit;
}

/** May `npages` more be promised? Not more at once than there is, as 0 of vm.overcommit_memory means. Linux: mm/util.c:__vm_enough_memory() */
export function vmEnoughMemory({ frames, swap }: Memory, npages: number): boolean {
  return npages <= frames.systemFrames + swap.capacity;
}

/** Linux: include/linux/mmap_lock.h:mmap_assert_locked() */
export function mmapAssertLocked(mm: Mm): void {
  assert(mm.mmapLock.isHeld, 'mmap_lock is not held');
}

/** Linux: include/linux/mmap_lock.h:mmap_assert_write_locked() */
export function mmapAssertWriteLocked(mm: Mm): void {
  assert(mm.mmapLock.isWriteLocked, 'mmap_lock is not held for write');
}

/** Takes a reference to the mm structure itself, of who has one already. Linux: include/linux/sched/mm.h:mmgrab() */
export function mmgrab(mm: Mm): void {
  mm.touch(Shared.mmUsers, Access.add);
  mm.count++;
}

/** Drops one reference to the mm structure itself. Linux: include/linux/sched/mm.h:mmdrop() */
export function mmdrop(mm: Mm): void {
  mm.touch(Shared.mmUsers, Access.drop);
  assert(mm.count > 0, 'mm % is gone', mm.id);
  mm.count--;
  mm.touch(Shared.mmUsers, lastDrop(mm.count));
}

/** Takes a user reference for a moment's work unless the last one is gone. Linux: include/linux/sched/mm.h:mmget_not_zero() */
export function mmgetNotZero(mm: Mm): boolean {
  mm.touch(Shared.mmUsers, GET_ALIVE);
  if (mm.users === 0) {
    mm.touch(Shared.mmUsers, Access.read);
    return false;
  }
  mm.users++;
  return true;
}
