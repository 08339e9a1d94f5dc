import { EFAULT } from '../../uapi/errno.js';
import { Phase } from '../inject/inject-points.js';
import { ZERO_PFN } from '../mm/frames/frame-allocator.js';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER, PAGE_SIZE } from '../mm/frames/frames.js';
import type { Memory } from '../mm/memory.js';
import { KIND_MASK, Kind, Pte } from '../mm/tables/entry.js';
import { pteIndex, type Table } from '../mm/tables/page-table.js';
import { ptlLock, ptlUnlock } from '../mm/tables/ptl.js';
import { flushTlbRange } from '../mm/tables/tlb.js';
import type { Mm } from '../mm/vmas/mm.js';
import { HmmPfn, type HmmRange } from './hmm-range.js';
import { COLLECT_SPLIT, type CollectFilter, collectEntry, pageOwner } from './migrate-entry.js';
import { isCompoundRange, type PmdRange } from './migrate-thp.js';
import { MIGRATE_SELECT_MASK, MigratePfn, MigrateSelect } from './migrate-vma.js';

/** What a page lacks. Linux: HMM_NEED_FAULT, HMM_NEED_WRITE_FAULT */
export const Need = { fault: 1, write: 2 } as const;
const NEED_ALL = Need.fault | Need.write;

/** Why the walk of a table stopped; errors are negative, 0 is its end. */
export const Stop = {
  /** The page at `stopVpn` must be faulted, as `need` says. */
  fault: 1,
  /** The entry at `stopVpn` is another's migration entry. */
  wait: 2,
  /** The walk has slept; whatever it saw may have changed. Linux: the internal -EBUSY */
  again: 3,
  /** The page at `stopVpn` is part of a large folio that must be split before it can be prepared. */
  split: 4,
} as const;

/**
 * The part of `hmmRangeFault` that never sleeps: reads the entries of one table at a time, reports them, and, when a
 * migration is wanted, prepares their pages in the same lock section, so that a page can't vanish between the two.
 */
export class RangeWalk {
  readonly mm: Mm;
  /** Where a fault or a wait is due, after `walkPtes` returned one of `Stop`. */
  stopVpn = 0;
  need = 0;
  /** Pages that are locked and replaced by migration entries. */
  prepared = 0;
  /** Entries of the table at hand that a TLB may hold have become migration entries. */
  private hasReplaced = false;
  /** Preparing is wanted at all: by the migration's flags, or by a REQ_MIGRATE. */
  readonly wantsMigrate: boolean;
  /** Bits of `MigrateSelect` that apply to an entry, without and with REQ_MIGRATE. */
  private readonly filter = { select: 0, owner: null as object | null, isAnonymousVma: false, faultPfn: 0 };
  private readonly baseSelect: number;
  /** The table that is being walked may have its pages prepared. */
  private canPrepare = false;
  /** MigrateSelect.compound where that is wanted. */
  private readonly compound: number;
  private readonly memory: Memory;
  private readonly firstVpn: number;
  private readonly canFault: boolean;
  private readonly hasInputs: boolean;

  constructor(
    readonly range: HmmRange,
    mm: Mm,
  ) {
    this.mm = mm;
    this.memory = mm.memory;
    this.firstVpn = range.start / PAGE_SIZE;
    const { migrate, defaultFlags, pfnFlagsMask } = range;
    this.canFault = ((defaultFlags | pfnFlagsMask) & HmmPfn.reqFault) !== 0;
    this.hasInputs = pfnFlagsMask !== 0;
    this.baseSelect = migrate === null ? 0 : migrate.flags & MIGRATE_SELECT_MASK;
    this.filter.owner = migrate?.pgmapOwner ?? null;
    this.filter.faultPfn = migrate?.faultPfn ?? 0;
    this.compound = (migrate?.flags ?? 0) & MigrateSelect.compound;
    // A range without notifier belongs to migrateVmaSetup, which collects holes whatever is selected.
    const isSetup = range.notifier === null;
    const request = (defaultFlags | pfnFlagsMask) & HmmPfn.reqMigrate;
    this.wantsMigrate = migrate !== null && (isSetup || this.baseSelect !== 0 || request !== 0);
  }

  /** Must precede the entries of a vma. */
  enterVma(isAnonymousVma: boolean): void {
    this.filter.isAnonymousVma = isAnonymousVma;
  }

  /** What is missing for one page. Linux: hmm_pte_need_fault() */
  pteNeed(input: number, cpuFlags: number): number {
    const request = (input & this.range.pfnFlagsMask) | this.range.defaultFlags;
    if ((request & HmmPfn.reqFault) === 0) return 0;
    if (request & HmmPfn.reqWrite && (cpuFlags & HmmPfn.write) === 0) return NEED_ALL;
    return cpuFlags & HmmPfn.valid ? 0 : Need.fault;
  }

  /** What is missing for any page of `[vpn, end)`. Linux: hmm_range_need_fault() */
  rangeNeed(vpn: number, end: number, cpuFlags: number): number {
    if (!this.canFault) return 0;
    if (!this.hasInputs) return this.pteNeed(0, cpuFlags);
    let need = 0;
    for (let i = vpn - this.firstVpn; i < end - this.firstVpn && need !== NEED_ALL; i++) {
      need |= this.pteNeed(this.range.flags[i]!, cpuFlags);
    }
    return need;
  }

  /** Reports the same for all of `[vpn, end)`. Linux: hmm_pfns_fill() */
  fill(vpn: number, end: number, flags: number): void {
    this.range.flags.fill(flags, vpn - this.firstVpn, end - this.firstVpn);
    this.range.pfns.fill(0, vpn - this.firstVpn, end - this.firstVpn);
  }

  /** Nothing is mapped, and nothing need be: a hole that a migration may fill, if the memory is anonymous. */
  fillHole(vpn: number, end: number): void {
    this.memory.stats.holes++;
    const { flags, pfns } = this.range;
    if (this.filter.isAnonymousVma && this.isCompoundWanted(vpn, end)) {
      this.fill(vpn, end, 0);
      flags[vpn - this.firstVpn] = HmmPfn.migrate | HmmPfn.compound;
      return;
    }
    for (let i = vpn - this.firstVpn; i < end - this.firstVpn; i++) {
      flags[i] = this.filter.isAnonymousVma && this.isPrepareWanted(flags[i]!) ? HmmPfn.migrate : 0;
      pfns[i] = 0;
    }
  }

  /** Reports a part of a 2 MiB leaf. Linux: hmm_vma_handle_pmd(), hmm_vma_walk_hugetlb_entry() */
  fillHuge(vpn: number, end: number, leaf: { pfn: number; cpuFlags: number }): void {
    const { flags, pfns } = this.range;
    let pfn = leaf.pfn + (vpn % HPAGE_PMD_NR);
    for (let i = vpn - this.firstVpn; i < end - this.firstVpn; i++) {
      flags[i] = leaf.cpuFlags;
      pfns[i] = pfn++;
    }
  }

  /** What `takeHugePmd` selects in `[vpn, end)`, where preparing is wanted. */
  hugeFilter(vpn: number, end: number): CollectFilter {
    this.isAnyPrepareWanted(vpn, end);
    if (!this.isCompoundWanted(vpn, end)) this.filter.select &= ~MigrateSelect.compound;
    return this.filter;
  }

  /** Reports a folio that `takeHugePmd` took: what is to be done with it stands in its first entry. */
  fillCompound(vpn: number, end: number, leaf: { pfn: number; cpuFlags: number }): void {
    this.prepared++;
    this.fillHuge(vpn, end, leaf);
    this.range.flags[vpn - this.firstVpn]! |= HmmPfn.migrate | HmmPfn.compound;
  }

  /** Is all of `[vpn, end)`, which lies under one entry, wanted as one? */
  private isCompoundWanted(vpn: number, end: number): boolean {
    if (this.compound === 0 || !isCompoundRange({ vpn, end })) return false;
    if (!this.hasInputs) return this.isPrepareWanted(0);
    const first = vpn - this.firstVpn;
    return this.range.flags.subarray(first, end - this.firstVpn).every((input) => this.isPrepareWanted(input));
  }

  /** Is there a page in `[vpn, end)` whose preparation is wanted? */
  isAnyPrepareWanted(vpn: number, end: number): boolean {
    if (!this.wantsMigrate || !this.hasInputs) return this.isPrepareWanted(0);
    for (let i = vpn - this.firstVpn; i < end - this.firstVpn; i++) {
      if (this.isPrepareWanted(this.range.flags[i]!)) return true;
    }
    return false;
  }

  /**
   * Entries `[vpn, end)` of one PTE table, until its end or a stop; without `canPrepare` they are reported only.
   * Linux: mm/hmm.c:hmm_vma_walk_pmd(), its loop
   */
  walkPtes(table: Table, { vpn, end }: PmdRange, canPrepare = true): number {
    this.canPrepare = canPrepare && this.wantsMigrate;
    const { mm } = this;
    const first = pteIndex(vpn);
    const count = end - vpn;
    let code = 0;
    let n = 0;
    this.hasReplaced = false;
    ptlLock(mm);
    for (; n < count; n++) {
      code = this.handlePte(table, first + n, vpn - this.firstVpn + n);
      if (code !== 0) break;
    }
    if (this.hasReplaced) flushTlbRange(mm, vpn, count);
    ptlUnlock(mm);
    this.stopVpn = vpn + n;
    this.memory.stats.pteEntries += Math.min(n + 1, count);
    return code;
  }

  /**
   * Whether one of the entries `[vpn, end)` must be faulted or waited for, which comes before a folio among them is split: a fault
   * finds the folio whole then, as it does where one walk faults and another collects. A stop's code, `stopVpn` and `need`, or 0.
   */
  findStop(table: Table, { vpn, end }: PmdRange): number {
    const { mm } = this;
    let code = 0;
    let at = vpn;
    ptlLock(mm);
    for (; at < end; at++) {
      const i = pteIndex(at);
      const lo = table.lo(i);
      const isOwn = this.isOwnPrivate(table, i);
      this.need = isOwn ? 0 : this.pteNeed(this.range.flags[at - this.firstVpn]!, presentFlags(lo));
      code = this.need === 0 ? 0 : stopFor(lo & KIND_MASK);
      if (code !== 0) break;
    }
    ptlUnlock(mm);
    this.stopVpn = at;
    return code;
  }

  /** Reports entry `i` as page `n` of the range, and prepares it. Linux: mm/hmm.c:hmm_vma_handle_pte() */
  private handlePte(table: Table, i: number, n: number): number {
    const { flags, pfns } = this.range;
    const input = flags[n]!;
    const lo = table.lo(i);
    const kind = lo & KIND_MASK;
    const isOwn = this.isOwnPrivate(table, i);
    let cpuFlags = presentFlags(lo);
    if (isOwn) cpuFlags = HmmPfn.valid | (lo & Pte.write ? HmmPfn.write : 0);
    // A private page of the caller's own is good as it is, even when it is read only and a write was asked for (Q4).
    this.need = isOwn ? 0 : this.pteNeed(input, cpuFlags);
    if (this.need !== 0) return stopFor(kind);
    const pfn = kind === Kind.present || isOwn ? table.hi(i) : 0;
    if (kind === Kind.present && lo & Pte.special && pfn !== ZERO_PFN) {
      // No struct page stands behind it: not for devices.
      if (this.pteNeed(input, 0) !== 0) return -EFAULT;
      cpuFlags = HmmPfn.error;
    }
    if (lo & Pte.special && flags[n] !== 0 && this.memory.kernel.defects.staleAfterSplit) return 0;
    flags[n] = cpuFlags;
    pfns[n] = cpuFlags & HmmPfn.error ? 0 : pfn;
    if (!this.canPrepare || !this.isPrepareWanted(input)) return 0;
    const stop = this.prepare(table, i, n);
    // It will be looked at again, as if for the first time.
    if (stop !== 0) flags[n] = input;
    return stop;
  }

  /** A page on the device that the range is walked for. */
  private isOwnPrivate(table: Table, i: number): boolean {
    if ((table.lo(i) & KIND_MASK) !== Kind.devicePrivate) return false;
    return pageOwner(this.memory, table.hi(i)) === this.range.devPrivateOwner;
  }

  /** Takes an entry that is reported already. Deviates from hmm's report: a hole has no VALID, a PROT_NONE page has. */
  private prepare(table: Table, i: number, n: number): number {
    const { flags, pfns } = this.range;
    const pfn = table.hi(i);
    const { inject } = this.memory.kernel;
    if (inject.armed) inject.at((this.firstVpn + n) * PAGE_SIZE);
    const phase = inject.armed ? inject.enter(Phase.collect) : 0;
    const isPresent = (table.lo(i) & KIND_MASK) === Kind.present;
    const taken = collectEntry(this.memory, table, i, this.filter);
    if (inject.armed) inject.enter(phase);
    if (taken === COLLECT_SPLIT) return Stop.split;
    if (taken === 0) return 0;
    if (taken & MigratePfn.valid) {
      if (isPresent) this.hasReplaced = true;
      this.prepared++;
      flags[n] = HmmPfn.valid | HmmPfn.migrate | (taken & MigratePfn.write ? HmmPfn.write : 0);
      pfns[n] = pfn;
    } else {
      flags[n] = HmmPfn.migrate;
      pfns[n] = 0;
    }
    return 0;
  }

  /** Sets what the filter selects for a page with these request bits; false when nothing. */
  private isPrepareWanted(input: number): boolean {
    if (!this.wantsMigrate) return false;
    const request = (input & this.range.pfnFlagsMask) | this.range.defaultFlags;
    const select = this.baseSelect | (request & HmmPfn.reqMigrate ? MigrateSelect.system : 0);
    this.filter.select = select | this.compound;
    return this.range.notifier === null || select !== 0;
  }
}

/** Of any PTE entry: 0 unless the CPU can use it. */
function presentFlags(lo: number): number {
  return (lo & KIND_MASK) === Kind.present ? pteFlags(lo) : 0;
}

/** Linux: pte_to_hmm_pfn_flags() */
function pteFlags(lo: number): number {
  if (lo & Pte.protnone) return 0;
  return lo & Pte.write ? HmmPfn.valid | HmmPfn.write : HmmPfn.valid;
}

/** The flags of a 2 MiB leaf; its order is told only when the CPU can use it. Linux: pmd_to_hmm_pfn_flags() */
export function pmdFlags(lo: number): number {
  return lo & Pte.protnone ? 0 : pteFlags(lo) | (HPAGE_PMD_ORDER << HmmPfn.orderShift);
}

/** The flags of a 2 MiB hugetlb leaf, whose order is always told, even where nothing is mapped. */
export function hugetlbFlags(lo: number): number {
  const present = (lo & KIND_MASK) === Kind.present;
  return (present ? pteFlags(lo) : 0) | (HPAGE_PMD_ORDER << HmmPfn.orderShift);
}

/** What can be done about an entry that does not do: fault it, wait, or give up. */
function stopFor(kind: number): number {
  if (kind === Kind.migration) return Stop.wait;
  return kind === Kind.hwpoison ? -EFAULT : Stop.fault;
}
