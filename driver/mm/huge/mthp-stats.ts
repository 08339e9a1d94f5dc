import { HPAGE_PMD_ORDER, PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';

/** What happened to large folios, by their size. Linux: enum mthp_stat_item */
export const MTHP_STATS = [
  'anon_fault_alloc',
  'anon_fault_fallback',
  'swpout_fallback',
  'split',
  'split_failed',
  'split_deferred',
] as const;
export type MthpStat = (typeof MTHP_STATS)[number];

export class MthpStats {
  private readonly counts = new Map<MthpStat, Uint32Array>(
    MTHP_STATS.map((name) => [name, new Uint32Array(HPAGE_PMD_ORDER + 1)]),
  );

  /** Linux: include/linux/huge_mm.h:count_mthp_stat() */
  countMthpStat(order: number, name: MthpStat): void {
    this.counts.get(name)![order]!++;
  }

  /** Linux: mm/huge_memory.c:sum_mthp_stat() */
  sumMthpStat(order: number, name: MthpStat): number {
    return this.counts.get(name)![order]!;
  }
}

/** Large anonymous folios of one size that exist now, and are all that `flags` say. Linux: MTHP_STAT_NR_ANON, MTHP_STAT_NR_ANON_PARTIALLY_MAPPED */
export function anonFoliosOf({ frames: { raw }, allocator }: Memory, order: number, flags = 0): number {
  const wanted = PG.head | PG.anon | flags;
  let count = 0;
  for (let head = 0; head < allocator.freshStart; head += 1 << order)
    if (raw.order[head] === order && raw.refcount[head]! > 0 && (raw.flags[head]! & wanted) === wanted) count++;
  return count;
}
