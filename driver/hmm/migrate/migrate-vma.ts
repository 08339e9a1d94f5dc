import { EINVAL } from '../../../uapi/errno.js';
import { folioIsLocked } from '../../mm/frames/folio.js';
import { PAGE_SHIFT, PAGE_SIZE, Zone } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import { VM, VM_SPECIAL } from '../../mm/vmas/vm-flags.js';
import type { Vma } from '../../mm/vmas/vma.js';
import type { MigrationPath } from '../paths.js';
import { HmmPfn } from '../range/hmm-range.js';

/** Flag bits of `MigrateVma.src` and `.dst`. Deviates: the pfn, in Linux above bit 6 of the word, has an array of its own. */
export const MigratePfn = {
  valid: HmmPfn.valid,
  migrate: HmmPfn.migrate,
  write: HmmPfn.write,
  /** The entry stands for a folio of 2 MiB, or for a hole of that size; the 511 entries behind it are 0. */
  compound: HmmPfn.compound,
} as const;
/** All of them. */
export const MIGRATE_PFN_MASK = MigratePfn.valid | MigratePfn.migrate | MigratePfn.write | MigratePfn.compound;

/** Bits of `MigrateVma.flags`. Linux: enum migrate_vma_direction, and `fault` of the migrate-on-fault series. */
export const MigrateSelect = {
  system: 1,
  devicePrivate: 2,
  deviceCoherent: 4,
  /** Aligned 2 MiB are taken as one, in profiles with device folios of that size. */
  compound: 8,
  /** Also fault in what is not there, on paths whose setup can. Linux: MIGRATE_VMA_FAULT */
  fault: 16,
} as const;

/** The bits that say which pages are wanted. */
export const MIGRATE_SELECT_MASK = MigrateSelect.system | MigrateSelect.devicePrivate | MigrateSelect.deviceCoherent;

/** What a migration is about; the rest of `MigrateVma` is its state. */
export interface MigrateRequest {
  readonly vma: Vma | null;
  readonly start: number;
  readonly end: number;
  /** Bits of `MigrateSelect`. */
  readonly flags: number;
  /** Device pages of this owner may be selected; also the owner of the MIGRATE events. */
  readonly pgmapOwner: object | null;
  /** The private page whose CPU fault is being served (its fault holds one reference, maybe its folio's lock); 0 without. */
  readonly faultPfn?: number;
}

/**
 * One migration of a range of one vma, from setup to finalize, during which the caller holds the mmap_lock for read.
 * Page i has its flags in `src[i]`, its pfn in `srcPfn[i]` (0: no page); the driver puts its locked destination into
 * `dst[i]`, `dstPfn[i]`. The arrays are made once and may serve many migrations. Linux: struct migrate_vma
 */
export class MigrateVma {
  vma: Vma | null = null;
  start = 0;
  end = 0;
  flags = 0;
  pgmapOwner: object | null = null;
  faultPfn = 0;
  /** Entries of the arrays that are in use after setup. */
  npages = 0;
  /** Of these, how many were found fit to migrate, holes included: a forecast. */
  cpages = 0;
  /** Q7: as in 6.12, a huge page whose lock is taken keeps the reference of the attempt for ever. */
  leaksThpReference = false;
  readonly src: Uint32Array;
  readonly srcPfn: Uint32Array;
  readonly dst: Uint32Array;
  readonly dstPfn: Uint32Array;

  /** `capacity` in pages. */
  constructor(
    capacity: number,
    readonly path: MigrationPath,
  ) {
    this.src = new Uint32Array(capacity);
    this.srcPfn = new Uint32Array(capacity);
    this.dst = new Uint32Array(capacity);
    this.dstPfn = new Uint32Array(capacity);
  }

  /** Makes it describe another migration; the one before must have been finalized. */
  request({ vma, start, end, flags, pgmapOwner, faultPfn = 0 }: MigrateRequest): this {
    this.vma = vma;
    this.start = start;
    this.end = end;
    this.flags = flags;
    this.pgmapOwner = pgmapOwner;
    this.faultPfn = faultPfn;
    this.npages = 0;
    this.cpages = 0;
    return this;
  }
}

/** May pages of `vma` never migrate, whatever they are? */
export function isUnmigratableVma(vma: Vma): boolean {
  return (vma.flags & (VM.hugetlb | VM_SPECIAL)) !== 0;
}

/** Rounds the range to pages and checks the arguments in Linux's order; 0 or -EINVAL. Linux: part of mm/migrate_device.c:migrate_vma_setup() */
export function checkMigrateRequest(memory: Memory, migrate: MigrateVma, vma: Vma): number {
  const npages = Math.floor((migrate.end - migrate.start) / PAGE_SIZE);
  migrate.start -= migrate.start % PAGE_SIZE;
  migrate.end -= migrate.end % PAGE_SIZE;
  if (isUnmigratableVma(vma)) return -EINVAL;
  if (npages <= 0) return -EINVAL;
  if (migrate.start < vma.start || migrate.start >= vma.end) return -EINVAL;
  if (migrate.end <= vma.start || migrate.end > vma.end) return -EINVAL;
  if (migrate.src.length < pagesOf(migrate)) return -EINVAL;
  if (migrate.faultPfn !== 0 && memory.frames.zone[migrate.faultPfn] !== Zone.private) return -EINVAL;
  if (migrate.faultPfn !== 0 && memory.profile.faultLocksPage && !folioIsLocked(memory, migrate.faultPfn))
    return -EINVAL;
  return 0;
}

/** Is `pfn` of the folio whose lock the served CPU fault holds? It is neither locked nor unlocked again. */
export function isLockedByFault({ frames, profile }: Memory, faultPfn: number, pfn: number): boolean {
  return profile.faultLocksPage && faultPfn !== 0 && frames.head(faultPfn) === frames.head(pfn);
}

/** Pages between start and end. */
export function pagesOf(range: { readonly start: number; readonly end: number }): number {
  return (range.end - range.start) / 2 ** PAGE_SHIFT;
}
