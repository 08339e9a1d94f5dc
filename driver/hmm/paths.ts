import { type NamedPath, PATH_NAMES, type PathName } from '../../uapi/path-name.js';

/**
 * How pages are collected for a migration: everything that differs between the kernel, the postings of the migrate-on-fault series and
 * what that series should be. Code asks for a property and never for a name, so another path is another record here, or in a file
 * (docs/series.md). What a path does is behaviour that somebody proposed or ships; bugs that are planted to test our tests are in
 * driver/inject/defects.ts.
 */
export interface MigrationPath {
  readonly name: string;
  /**
   * Whose page table walk collects, for `migrateVmaSetup` and MIGRATE_ON_FAULT_TO_DEV: one of its own (`migrateVmaCollect`), after a
   * range fault where one is asked for, or the range fault itself, which then also faults (`hmmRangeFault`).
   */
  readonly collectsBy: 'own-walk' | 'range-fault';
  /** MIGRATE_VMA_FAULT: `migrateVmaSetup` may fault. Postings: migrate_vma_setup() */
  readonly setupFaults: boolean;
  /**
   * Before the range fault sleeps, for a fault or at a migration entry, it puts back what it has prepared and begins again. Without, folios
   * stay locked meanwhile. Postings: hmm_range_fault(), which undoes nothing
   */
  readonly undoesBeforeSleep: boolean;
  /**
   * A range fault that fails leaves nothing prepared. Otherwise its caller goes on to finalize whatever it returned, or calls again.
   * Postings: hmm_range_fault(), dmirror_migrate_on_fault_to_device()
   */
  readonly undoesOnError: boolean;
  /** An error of the range fault makes migrate_vma_setup put everything back itself. v1: not, it returns with pages locked. Late: migrate_vma_setup() */
  readonly setupRestores: boolean;
  /** A REQ_MIGRATE of the range, or of a page, selects system pages in addition to what the migration selects. v1: hmm_want_migrate() */
  readonly requestSelectsSystem: boolean;
  /** `migrateVmaSetup` asks for REQ_MIGRATE. Postings: migrate_vma_setup() */
  readonly setupRequestsMigrate: boolean;
  /** At a migration entry of somebody else that must be a page the range fault waits; late: reports no page. hmm_vma_handle_pte() */
  readonly waitsAtMigrationEntries: boolean;
  /**
   * A word that already says that its page is prepared is not written again, so that those of an earlier pass survive. Late:
   * hmm_vma_handle_pte()
   */
  readonly keepsPreparedWords: boolean;
  /** Only a page that was reported VALID, or nothing at all, is prepared. Postings: hmm_vma_handle_migrate_prepare() */
  readonly preparesOnlyReported: boolean;
  /** An entry is reported without the ptl, which is then taken to read it anew and prepare it. v1: hmm_vma_walk_pmd() */
  readonly preparesApart: boolean;
  /** What preparing forgets of an entry: that it was young and dirty, in the folio too. v1: hmm_vma_handle_migrate_prepare() */
  readonly dropsYoungDirty: boolean;
  /** Where the exclusive mark can't be given up the folio is unlocked, also when a CPU fault has locked it. Postings: hmm_vma_handle_migrate_prepare() */
  readonly unlocksFaultFolio: boolean;
  /** Shared pages that were replaced before the walk stops for a fault are not flushed from TLBs. Late: hmm_vma_walk_pmd() */
  readonly skipsFlushAtStop: boolean;
  /** A huge page is split, or taken, whatever is selected; late: only when it is. hmm_vma_handle_migrate_prepare_pmd() */
  readonly splitsUnselected: boolean;
  /** After a split the walk ends and resumes, after a look at the sequence. Postings: hmm_vma_walk_pmd() */
  readonly resumesAfterSplit: boolean;
  /** A huge page that could not be split, or locked, is reported as ERROR, and the range fault still succeeds. Postings: hmm_vma_walk_split() */
  readonly failedSplitIsError: boolean;
  /** The huge zero page is a hole of the migration, split where a page is put into it. Late: hmm_vma_handle_migrate_prepare_pmd() */
  readonly hugeZeroIsHole: boolean;
  /** A large folio that small entries map: split after its lock was tried, after waiting for its lock with others held, or left alone. */
  readonly splitsMappedByPages: 'trylock' | 'lock' | 'never';
  /** The conversion to src words clears every dst word; v1: only where nothing migrates. migrate_hmm_range_setup() */
  readonly clearsDst: boolean;
  /**
   * CLEAR events of try_to_migrate() and __split_huge_pmd() name the running task, and the driver passes over those of its own task.
   * v1: patch 1 and dmirror_interval_invalidate()
   */
  readonly ignoresOwnClears: boolean;
  /** MIGRATE_ON_FAULT_TO_DEV compares the sequence after the range fault, and calls it again. dmirror_range_fault() */
  readonly checksAfterFault: boolean;
  /** MIGRATE_ON_FAULT_TO_DEV mirrors what hmm reported before it goes on, also where a page then can't move. v1: dmirror_do_fault() */
  readonly mirrorsReports: boolean;
  /** It does so with own device pages as well, by their struct page, which has no memory behind it. v1: dmirror_do_fault() */
  readonly mirrorsStructPages: boolean;
  /** And with holes and errors, as page frame 0. v1: dmirror_do_fault() */
  readonly mirrorsFrame0: boolean;
  /** MIGRATE_ON_FAULT_TO_DEV takes mmap_lock for read once more for its range fault. v1: dmirror_range_fault() */
  readonly locksMmapTwice: boolean;
  /** MIGRATE_ON_FAULT_TO_DEV moves as much at a time as MIGRATE_TO_DEV does, folios of 2 MiB as one. Postings: single pages, 64 at a time. */
  readonly onFaultTakesFolios: boolean;
}

/** Linux 6.12 to 7.3: mm/migrate_device.c has a walk of its own. */
const CLASSIC: MigrationPath = {
  name: 'classic',
  collectsBy: 'own-walk',
  setupFaults: false,
  undoesBeforeSleep: true,
  undoesOnError: true,
  setupRestores: false,
  requestSelectsSystem: true,
  setupRequestsMigrate: false,
  waitsAtMigrationEntries: true,
  keepsPreparedWords: false,
  preparesOnlyReported: false,
  preparesApart: false,
  dropsYoungDirty: false,
  unlocksFaultFolio: false,
  skipsFlushAtStop: false,
  splitsUnselected: true,
  resumesAfterSplit: false,
  failedSplitIsError: false,
  hugeZeroIsHole: false,
  splitsMappedByPages: 'trylock',
  clearsDst: true,
  ignoresOwnClears: false,
  checksAfterFault: true,
  mirrorsReports: false,
  mirrorsStructPages: false,
  mirrorsFrame0: false,
  locksMmapTwice: false,
  onFaultTakesFolios: true,
};

/** What the migrate-on-fault series should be: one walk, and the results of `classic`. What is prepared can't change any more. */
const UNIFIED: MigrationPath = {
  ...CLASSIC,
  name: 'unified',
  collectsBy: 'range-fault',
  setupFaults: true,
  checksAfterFault: false,
};

/** What the postings of the series have in common. */
const POSTED: MigrationPath = {
  ...UNIFIED,
  undoesBeforeSleep: false,
  undoesOnError: false,
  setupRequestsMigrate: true,
  preparesOnlyReported: true,
  unlocksFaultFolio: true,
  resumesAfterSplit: true,
  failedSplitIsError: true,
  checksAfterFault: true,
  onFaultTakesFolios: false,
};

/** The first posting, an RFC of 14 August 2025: 20250814072045.3637192-1 and its four patches. */
const POSTED_V1: MigrationPath = {
  ...POSTED,
  name: 'posted-v1',
  preparesApart: true,
  dropsYoungDirty: true,
  splitsMappedByPages: 'never',
  clearsDst: false,
  ignoresOwnClears: true,
  mirrorsReports: true,
  mirrorsStructPages: true,
  mirrorsFrame0: true,
  locksMmapTwice: true,
};

/** The late form, about v11 of May 2026: mm/hmm.c and mm/migrate_device.c of the author's tree at 03ff9ebe4ecf, the test driver at f3303452254e. */
const POSTED_LATE: MigrationPath = {
  ...POSTED,
  name: 'posted-late',
  setupRestores: true,
  requestSelectsSystem: false,
  waitsAtMigrationEntries: false,
  keepsPreparedWords: true,
  skipsFlushAtStop: true,
  splitsUnselected: false,
  hugeZeroIsHole: true,
  splitsMappedByPages: 'lock',
};

const PATHS: Readonly<Record<NamedPath, MigrationPath>> = {
  classic: CLASSIC,
  unified: UNIFIED,
  'posted-v1': POSTED_V1,
  'posted-late': POSTED_LATE,
};

export type PropertyName = Exclude<keyof MigrationPath, 'name'>;
type PropertyValue = MigrationPath[PropertyName];

/** Values of the properties that are not true or false. */
const WORDS: Readonly<Partial<Record<PropertyName, readonly string[]>>> = {
  collectsBy: ['own-walk', 'range-fault'],
  splitsMappedByPages: ['trylock', 'lock', 'never'],
};
const TRUE_OR_FALSE = ['true', 'false'];

/** Every property that a path can set. */
const PATH_PROPERTIES = Object.keys(CLASSIC).filter((key): key is PropertyName => key !== 'name');

/** What a property can be, as text. */
export function valuesOf(property: PropertyName): readonly string[] {
  return WORDS[property] ?? TRUE_OR_FALSE;
}

/** A path by its name; a record is one already. The name is one that `pathError` has nothing against. */
export function migrationPath(path: PathName | MigrationPath): MigrationPath {
  if (typeof path !== 'string') return path;
  const [base, ...changes] = path.split('+') as [NamedPath, ...string[]];
  if (changes.length === 0) return PATHS[base];
  return { ...PATHS[base], ...Object.fromEntries(changes.map(changeOf)), name: path };
}

function changeOf(text: string): [name: string, value: PropertyValue] {
  const [name, value] = propertyAndValue(text);
  return [name, TRUE_OR_FALSE.includes(value) ? value === 'true' : (value as PropertyValue)];
}

/** `NAME=VALUE`, or `NAME` for true. */
function propertyAndValue(text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, 'true'] : [text.slice(0, at), text.slice(at + 1)];
}

/** The name of `path` with these properties: as short as it can be, and the same for the same path of a base. */
export function pathWith(path: PathName, properties: Partial<MigrationPath>): PathName {
  const [base] = path.split('+') as [NamedPath];
  const wanted = { ...migrationPath(path), ...properties };
  const changes = PATH_PROPERTIES.filter((name) => wanted[name] !== PATHS[base][name]);
  return [base, ...changes.map((name) => (wanted[name] === true ? name : `${name}=${wanted[name]}`))].join(
    '+',
  ) as PathName;
}

/**
 * May a call of this path want a folio's lock while it holds others, or the same? Ours never do, so that it is an error there; with any
 * property of a posting it is a matter of what else the path does, and shows as a hang where it is one.
 */
export function mayNestFolioLocks(path: MigrationPath): boolean {
  return path.collectsBy === 'range-fault' && PATH_PROPERTIES.some((name) => path[name] !== UNIFIED[name]);
}

/** Which word of a path's name is wrong, and what could stand there; null when it is right. */
export function pathError(path: string): { what: string; word: string; known: readonly string[] } | null {
  const [base = '', ...changes] = path.split('+');
  if (!Object.hasOwn(PATHS, base)) return { what: 'path', word: base, known: PATH_NAMES };
  for (const change of changes) {
    const [name, value] = propertyAndValue(change) as [PropertyName, string];
    if (!PATH_PROPERTIES.includes(name)) return { what: 'property of a path', word: name, known: PATH_PROPERTIES };
    if (!valuesOf(name).includes(value)) return { what: `value of ${name}`, word: value, known: valuesOf(name) };
  }
  return null;
}
