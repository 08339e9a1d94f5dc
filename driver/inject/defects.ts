/**
 * Bugs that code like this has had, planted to test our own tests. Apart from the quirks, which are bugs of the real
 * driver, and from properties of a path, which somebody has posted: nobody but a test switches these on, and with all of them off they cost one boolean test each.
 */
export const DEFECTS = {
  unwindForgotten: 'hmm_range_fault returns -EBUSY, -EFAULT or -EPERM without undoing the pages that it has prepared',
  writeLost: 'entries that are restored after a failed migration lose their write permission',
  notifierEndSkipped: 'hmm_range_fault does not end its MIGRATE event when it returns an error',
  doubleUnlock: 'a folio that setup gives back is unlocked twice',
  trylockLeak: 'collect keeps the reference of a folio whose lock it could not get',
  staleAfterSplit: 'the output words of a huge page are not cleared when it is split and walked again',
  holeAsPage: 'the conversion to src words takes a hole for a prepared page',
  ownerHides: 'the owner filter of the invalidate callback hides every event of a MIGRATE, whoever owns it',
  shareUnlocksFaultPage: 'a failing exclusive share leaves the page locked on the CPU fault path and unlocks another',
  finalizeWithoutPages: 'after a failed allocation MIGRATE_TO_SYS finalizes without the pages stage',
  lockLeftTrue: 'the file mutex stays locked when a mirror store fails',
  setSeqOutside: 'the invalidate callback forgets to move the sequence when it erases the mirror',
  copyUnchecked: 'a short device copy is taken for a whole one',
  flushLost: 'collect takes entries away and does not flush what the CPUs know of them',
  wakeupLost: 'the end of an invalidation wakes nobody who waits for it',
  retrySkipped: 'mmu_interval_read_retry never says that something was invalidated',
} as const;
export type DefectName = keyof typeof DEFECTS;

/** No failure of one task shows these: an exploration of two finds them. */
export const NEED_TWO_TASKS = ['flushLost', 'wakeupLost', 'retrySkipped'] as const satisfies readonly DefectName[];

/** The switches of one machine; all off. */
export type Defects = Record<DefectName, boolean>;

export function noDefects(): Defects {
  return Object.fromEntries(Object.keys(DEFECTS).map((name) => [name, false])) as Defects;
}
