import type { IntervalNotifier } from '../interval-notifier.js';
import type { MigrateVma } from '../migrate/migrate-vma.js';

/**
 * Flag bits of one entry of `HmmRange.flags`. As input: VALID asks for a fault of what is not present, WRITE for write
 * access, MIGRATE for preparing the page for migration.
 *
 * Deviates: Linux keeps these in the top bits of the pfn word (VALID 63, WRITE 62, ERROR 61, order above bit 56), and has other bits in
 * `migrate_vma.src`. Here the pfn has an array of its own, and what a walk prepares has the bits that `src` has (`MigratePfn`), so that
 * nothing is converted on the way from a page table entry to the driver.
 */
export const HmmPfn = {
  valid: 1,
  /** Output: the page is locked, referenced and replaced by a migration entry (with VALID), or a hole may be filled (without). */
  migrate: 2,
  error: 4,
  write: 8,
  /** Output, with MIGRATE: of a whole folio of 2 MiB, or a hole of that size, of which this is the first page. */
  compound: 16,
  reqFault: 1,
  reqMigrate: 2,
  reqWrite: 8,
  orderShift: 8,
} as const;

/** The order of the mapping that `flags` was read from: 9 for a 2 MiB leaf. Linux: include/linux/hmm.h:hmm_pfn_to_map_order() */
export function hmmPfnToMapOrder(flags: number): number {
  return flags >>> HmmPfn.orderShift;
}

/**
 * Arguments of `hmmRangeFault`. Page i of `[start, end)` has its request bits, and later its answer, in `flags[i]` and
 * `pfns[i]`. Linux: struct hmm_range
 */
export interface HmmRange {
  /** Null only for a range that `migrateVmaSetup` walks: then nobody mirrors it and no sequence is checked. */
  readonly notifier: IntervalNotifier | null;
  /** From `mmuIntervalReadBegin`. */
  notifierSeq: number;
  readonly start: number;
  readonly end: number;
  readonly flags: Uint32Array;
  readonly pfns: Uint32Array;
  /** Request bits for every page. */
  readonly defaultFlags: number;
  /** Which request bits of `flags` count. */
  readonly pfnFlagsMask: number;
  /** Private pages of this owner are reported instead of being brought back to system memory. */
  readonly devPrivateOwner: object | null;
  /** Where prepared pages go; must be there when REQ_MIGRATE is asked for. */
  readonly migrate: MigrateVma | null;
  /** Set by `hmmRangeFault`, for errors: the pages below this address lacked nothing. */
  failedAt?: number;
  /** Set by `hmmRangeFault` with -EBUSY: another try with this object counts as a resumption of the walk, not as a new one. */
  isContinued?: boolean;
}
