import { migrationPath, type PropertyName, pathWith } from '../../driver/hmm/index.js';
import type { PathName } from '../../uapi/path-name.js';

/** What a property of a path is about, for reports: what goes wrong with the value that a posting has, where, and who said so. */
export interface Property {
  readonly name: PropertyName;
  /** Null: only another way to the same end. */
  readonly cause: string | null;
  /** Function of the posting. */
  readonly where: string;
  readonly raisedBy?: string;
  /** What those called it who ran the first posting on a kernel. */
  readonly defect?: string;
}

/**
 * From the most special to the most general, so that the first one with which a finding goes away tells most of its cause. A path file may
 * set each of them; what they mean is in driver/hmm/paths.ts.
 */
export const PROPERTIES: readonly Property[] = [
  {
    name: 'mirrorsStructPages',
    defect: 'V2',
    cause:
      "the mirror is filled with what hmm reported, and of the device's own private pages that is the struct page, which has no memory behind it, in place of its backing page",
    where: 'lib/test_hmm.c:dmirror_do_fault()',
  },
  {
    name: 'mirrorsFrame0',
    defect: 'V7',
    cause:
      'a word of hmm_range_fault that is no page, though it returned 0 and FAULT was asked for, becomes a mirror entry of page frame 0, whose content the user sees',
    where: 'lib/test_hmm.c:dmirror_do_fault(), mm/hmm.c:hmm_vma_walk_split()',
  },
  {
    name: 'clearsDst',
    defect: 'V3 or V5',
    cause:
      'the conversion does not clear dst where something migrates, so that an entry of the chunk before is taken for the destination of a page that the driver gave none: one page is moved onto another, or unlocked and freed while it is mapped',
    where: 'mm/migrate_device.c:migrate_hmm_range_setup()',
  },
  {
    name: 'dropsYoungDirty',
    defect: 'V3 or V5',
    cause:
      'a page table entry that is replaced loses its dirty bit without marking the folio dirty: when the page stays where it is, reclaim throws away what was written to it',
    where: 'mm/hmm.c:hmm_vma_handle_migrate_prepare()',
  },
  {
    name: 'ignoresOwnClears',
    defect: 'V6',
    cause:
      'CLEAR events of try_to_migrate() and __split_huge_pmd() name current as their owner, and callbacks run in that very task, so that the driver passes over all of them, for the mirrors of other processes too: the device goes on with pages that are gone',
    where: 'lib/test_hmm.c:dmirror_interval_invalidate(), mm/rmap.c:try_to_migrate_one()',
    raisedBy: 'Gunthorpe, August 2025: the owner of a range may not mean "I am the invalidator"',
  },
  {
    name: 'unlocksFaultFolio',
    cause:
      'where the exclusive mark of a page can not be given up, its folio is unlocked though the CPU fault holds the lock',
    where: 'mm/hmm.c:hmm_vma_handle_migrate_prepare()',
    raisedBy: 'review of v11: unlock and undo on errors',
  },
  {
    name: 'splitsMappedByPages',
    cause:
      'the lock of a large folio that small entries map is waited for with folios of the range locked: two migrations wait for each other',
    where: 'mm/migrate_device.c:migrate_vma_split_folio()',
    raisedBy: 'automatic review of a late posting: ABBA of folio locks',
  },
  {
    name: 'skipsFlushAtStop',
    cause: 'shared pages that were replaced stay in TLBs when the walk leaves for a fault',
    where: 'mm/hmm.c:hmm_vma_walk_pmd()',
  },
  {
    name: 'keepsPreparedWords',
    cause:
      'a word that says VALID and MIGRATE is believed on a second pass, whatever its entry is by then: the page that it names stays locked, and the one that is there now is named by no word',
    where: 'mm/hmm.c:hmm_vma_handle_pte()',
    raisedBy: 'automatic review of a late posting: words of the first pass survive the walk after a split',
  },
  {
    name: 'preparesApart',
    cause:
      'between the report of a page and its preparation nothing is locked, so that another page is prepared than was reported',
    where: 'mm/hmm.c:hmm_vma_walk_pmd()',
    raisedBy: 'Singh, August 2025: race between fault and migrate',
  },
  {
    name: 'locksMmapTwice',
    cause: 'mmap_lock is taken for read while it is held for read: with a writer in between both wait for ever',
    where: 'lib/test_hmm.c:dmirror_range_fault()',
  },
  {
    name: 'setupRequestsMigrate',
    defect: 'V4',
    cause:
      'REQ_MIGRATE, which migrate_vma_setup() always sets, selects system pages whatever the caller selects: they are isolated, unmapped and put back for nothing',
    where: 'mm/hmm.c:hmm_want_migrate(), mm/migrate_device.c:migrate_vma_setup()',
  },
  { name: 'requestSelectsSystem', cause: null, where: 'mm/hmm.c:hmm_want_migrate()' },
  {
    name: 'setupRestores',
    cause: 'migrate_vma_setup() returns an error with pages locked and replaced by migration entries',
    where: 'mm/migrate_device.c:migrate_vma_setup()',
    raisedBy: 'review of v11: error contract of migrate_vma_setup()',
  },
  {
    name: 'checksAfterFault',
    cause:
      'when the sequence has moved since, the range is walked again with the pages of the first walk locked and prepared: the second one meets their migration entries, or what has come in their place',
    where: 'lib/test_hmm.c:dmirror_range_fault()',
  },
  {
    name: 'undoesOnError',
    defect: 'V1',
    cause:
      'hmm_range_fault() leaves with -EBUSY without undoing, and its caller calls it again: pages that it has prepared itself are migration entries now, and it waits for a lock that it holds',
    where: 'mm/hmm.c:hmm_range_fault(), hmm_vma_walk_pmd()',
    raisedBy: 'review of v11: unlock and undo on errors',
  },
  {
    name: 'undoesBeforeSleep',
    cause:
      'it faults and waits while folios of its range are locked: what the fault needs may be held by somebody who waits for one of them',
    where: 'mm/hmm.c:hmm_range_fault(), hmm_vma_fault()',
  },
  { name: 'waitsAtMigrationEntries', cause: null, where: 'mm/hmm.c:hmm_vma_handle_pte()' },
  {
    name: 'failedSplitIsError',
    cause:
      'a huge page that can not be split, as somebody has pinned it, becomes ERROR words and hmm_range_fault returns 0, though a fault was asked for: who trusts that takes page frame 0 for the page',
    where: 'mm/hmm.c:hmm_vma_walk_split()',
  },
  { name: 'hugeZeroIsHole', cause: null, where: 'mm/hmm.c:hmm_vma_handle_migrate_prepare_pmd()' },
  { name: 'splitsUnselected', cause: null, where: 'mm/hmm.c:hmm_vma_handle_migrate_prepare_pmd()' },
  { name: 'resumesAfterSplit', cause: null, where: 'mm/hmm.c:hmm_vma_walk_pmd()' },
  { name: 'preparesOnlyReported', cause: null, where: 'mm/hmm.c:hmm_vma_handle_migrate_prepare()' },
  { name: 'onFaultTakesFolios', cause: null, where: 'lib/test_hmm.c:dmirror_migrate_on_fault_to_device()' },
  { name: 'setupFaults', cause: null, where: 'mm/migrate_device.c:migrate_vma_setup()' },
  { name: 'mirrorsReports', cause: null, where: 'lib/test_hmm.c:dmirror_do_fault()' },
  { name: 'collectsBy', cause: null, where: 'mm/migrate_device.c:migrate_vma_setup()' },
];

/** `path` with one property as `like` has it. */
export function withPropertyOf(path: PathName, name: PropertyName, like: PathName): PathName {
  return pathWith(path, { [name]: migrationPath(like)[name] });
}

/** What a path has otherwise than the one that shows nothing, from the most special to the most general. */
export function suspectsOf(path: PathName, like: PathName): readonly Property[] {
  return PROPERTIES.filter(({ name }) => migrationPath(path)[name] !== migrationPath(like)[name]);
}
