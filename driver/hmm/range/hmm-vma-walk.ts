import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { Phase } from '../../inject/inject-points.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import type { NotifierRange } from '../../mm/notifier.js';
import type { Mm } from '../../mm/vmas/mm.js';
import { type Vma, vmaIsAnonymous } from '../../mm/vmas/vma.js';
import type { CollectFilter } from '../migrate/migrate-entry.js';
import type { PmdRange } from '../migrate/migrate-thp.js';
import { MIGRATE_SELECT_MASK, MigrateSelect, type MigrateVma, pagesOf } from '../migrate/migrate-vma.js';
import type { MigrationPath } from '../paths.js';
import { HmmPfn, type HmmRange } from './hmm-range.js';

/** What a page lacks. Linux: HMM_NEED_FAULT, HMM_NEED_WRITE_FAULT */
export const Need = { fault: 1, write: 2 } as const;
const NEED_ALL = Need.fault | Need.write;

/**
 * Why a walk has ended before its end. Every level of the walk answers this or null, and holds no lock when it does; what sleeps is
 * done by the outermost loop, which then has entries be walked again from `resumeVpn` on.
 */
export type Stop =
  | { readonly type: 'fail'; readonly errno: number; readonly resumeVpn: number }
  /** Pages `[vpn, end)` must be faulted, as `need` says. */
  | {
      readonly type: 'fault';
      readonly vma: Vma;
      readonly need: number;
      readonly vpn: number;
      readonly end: number;
      readonly resumeVpn: number;
    }
  /** The entry at `vpn` is a migration entry of somebody else. */
  | { readonly type: 'wait'; readonly vpn: number; readonly resumeVpn: number }
  /** A huge page was split, and the walk goes on there after a look at the sequence. */
  | { readonly type: 'resume'; readonly resumeVpn: number };

/** The page at `vpn` can't be had. */
export function fail(errno: number, vpn: number): Stop {
  return { type: 'fail', errno, resumeVpn: vpn };
}

/** One call of `hmmRangeFault`. Linux: struct hmm_vma_walk */
export class HmmVmaWalk {
  /** Entries below this address are answers, entries from it on still requests. */
  last: number;
  /** Pages that are locked and replaced by migration entries of ours. */
  prepared = 0;
  /** The open MIGRATE event, one a call whatever happens. */
  migrateEvent: NotifierRange | null = null;

  readonly mm: Mm;
  readonly memory: Memory;
  readonly firstVpn: number;
  /** A migration is wanted at all: by its flags, or by a REQ_MIGRATE. Then the range is of one vma and begins with a MIGRATE event. */
  readonly wantsMigrate: boolean;
  /** This walk prepares its pages. Otherwise another one collects them, after this one has faulted them in. */
  readonly prepares: boolean;
  /** The path of the migration, null when none is wanted. */
  readonly path: MigrationPath | null;
  /** A copy of the requests for restarts, which would otherwise read answers as requests. */
  readonly requests: Uint32Array | null;

  constructor(readonly range: HmmRange) {
    const { migrate, defaultFlags, pfnFlagsMask, notifier } = range;
    const mm = notifier?.mm ?? migrate?.vma?.mm;
    assert(mm !== undefined, 'the range belongs to no address space');
    this.mm = mm;
    this.memory = mm.memory;
    this.last = range.start;
    this.firstVpn = range.start / PAGE_SIZE;
    const request = (defaultFlags | pfnFlagsMask) & HmmPfn.reqMigrate;
    this.wantsMigrate = migrate !== null && (isSetup(range) || selected(migrate) !== 0 || request !== 0);
    this.path = this.wantsMigrate ? migrate!.path : null;
    this.prepares = this.wantsMigrate && migrate!.path.collectsBy === 'range-fault';
    this.requests = this.wantsMigrate && pfnFlagsMask !== 0 ? range.flags.slice(0, pagesOf(range)) : null;
  }
}

/** The part of a walk that lies in one vma. */
export interface VmaWalk {
  readonly walk: HmmVmaWalk;
  readonly vma: Vma;
  /** What is prepared of a page that has no REQ_MIGRATE, and of one that has; null: nothing, not even holes. */
  readonly unasked: CollectFilter | null;
  readonly asked: CollectFilter | null;
}

export function vmaWalk(walk: HmmVmaWalk, vma: Vma): VmaWalk {
  const { migrate } = walk.range;
  if (migrate === null || !walk.prepares) return { walk, vma, unasked: null, asked: null };
  const select = selected(migrate);
  const filter: CollectFilter = {
    select: select | (migrate.flags & MigrateSelect.compound),
    owner: migrate.pgmapOwner,
    isAnonymousVma: vmaIsAnonymous(vma),
    faultPfn: migrate.faultPfn,
    path: migrate.path,
  };
  const system = migrate.path.requestSelectsSystem ? MigrateSelect.system : 0;
  return {
    walk,
    vma,
    unasked: isSetup(walk.range) || select !== 0 ? filter : null,
    asked: { ...filter, select: filter.select | system },
  };
}

/** A range without notifier belongs to `migrateVmaSetup`, which collects holes whatever is selected. */
function isSetup(range: HmmRange): boolean {
  return range.notifier === null;
}

function selected(migrate: MigrateVma): number {
  return migrate.flags & MIGRATE_SELECT_MASK;
}

/** What is to be prepared of a page with these request bits, null when nothing. */
export function hmmSelectMigrate({ walk, unasked, asked }: VmaWalk, input: number): CollectFilter | null {
  const { pfnFlagsMask, defaultFlags } = walk.range;
  return ((input & pfnFlagsMask) | defaultFlags) & HmmPfn.reqMigrate ? asked : unasked;
}

/** The same for the first page of `[vpn, end)` of which something is. */
export function hmmRangeSelectMigrate(part: VmaWalk, { vpn, end }: PmdRange): CollectFilter | null {
  const { range, firstVpn, wantsMigrate } = part.walk;
  if (!wantsMigrate || range.pfnFlagsMask === 0) return hmmSelectMigrate(part, 0);
  for (let i = vpn - firstVpn; i < end - firstVpn; i++) {
    const filter = hmmSelectMigrate(part, range.flags[i]!);
    if (filter !== null) return filter;
  }
  return null;
}

/** What is missing for one page. Linux: mm/hmm.c:hmm_pte_need_fault() */
export function hmmPteNeedFault({ range }: HmmVmaWalk, input: number, cpuFlags: number): number {
  const request = (input & range.pfnFlagsMask) | range.defaultFlags;
  if ((request & HmmPfn.reqFault) === 0) return 0;
  if (request & HmmPfn.reqWrite && (cpuFlags & HmmPfn.write) === 0) return NEED_ALL;
  return cpuFlags & HmmPfn.valid ? 0 : Need.fault;
}

/** What is missing for any page of `[vpn, end)`. Linux: mm/hmm.c:hmm_range_need_fault() */
export function hmmRangeNeedFault(walk: HmmVmaWalk, { vpn, end }: PmdRange, cpuFlags: number): number {
  const { flags, defaultFlags, pfnFlagsMask } = walk.range;
  if (((defaultFlags | pfnFlagsMask) & HmmPfn.reqFault) === 0) return 0;
  if (pfnFlagsMask === 0) return hmmPteNeedFault(walk, 0, cpuFlags);
  let need = 0;
  for (let i = vpn - walk.firstVpn; i < end - walk.firstVpn && need !== NEED_ALL; i++) {
    need |= hmmPteNeedFault(walk, flags[i]!, cpuFlags);
  }
  return need;
}

/** Reports the same for all of `[vpn, end)`. Linux: mm/hmm.c:hmm_pfns_fill() */
export function hmmPfnsFill({ range, firstVpn }: HmmVmaWalk, { vpn, end }: PmdRange, word: number): void {
  range.flags.fill(word, vpn - firstVpn, end - firstVpn);
  range.pfns.fill(0, vpn - firstVpn, end - firstVpn);
}

/** Faults all of a part. */
export function faultPart({ vma }: VmaWalk, need: number, { vpn, end }: PmdRange): Stop {
  return { type: 'fault', vma, need, vpn, end, resumeVpn: vpn };
}

/** What takes pages for a migration is the collect, on this path as on the other. */
export function* asCollect<T>({ kernel }: Memory, work: Coroutine<T>): Coroutine<T> {
  const { inject } = kernel;
  const phase = inject.armed ? inject.enter(Phase.collect) : 0;
  const result = yield* work;
  if (inject.armed) inject.enter(phase);
  return result;
}
