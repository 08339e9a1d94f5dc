import type { PathName } from '../../uapi/path-name.js';

/**
 * How pages are collected for a migration: everything that differs between the kernel, the posted series and what a series should be.
 * Code asks for a property and never for a name, so another path is another record here. What a path does is behaviour that somebody
 * proposed or ships; bugs that are planted to test our tests are in driver/core/defects.ts.
 */
export interface MigrationPath {
  readonly name: string;
  /**
   * Whose page table walk collects, for `migrateVmaSetup` and MIGRATE_ON_FAULT_TO_DEV: one of its own (`migrateVmaCollect`), after a
   * range fault where one is asked for, or the range fault itself, which then also faults (`hmmRangeFault`).
   */
  readonly collectsBy: 'own-walk' | 'range-fault';
  /** MIGRATE_VMA_FAULT: `migrateVmaSetup` may fault. */
  readonly setupFaults: boolean;
  /** Before the range fault sleeps, for a fault or at a migration entry, it puts back what it has prepared and begins again. */
  readonly undoesBeforeSleep: boolean;
  /** A range fault that fails leaves nothing prepared. Otherwise its caller must go on to finalize. */
  readonly undoesOnError: boolean;
  /** A REQ_MIGRATE of the range, or of a page, selects system pages in addition to what the migration selects. */
  readonly requestSelectsSystem: boolean;
  /** MIGRATE_ON_FAULT_TO_DEV mirrors what hmm reported, also where a page then can't move. */
  readonly mirrorsReports: boolean;
}

/** Linux 6.12 to 7.3: mm/migrate_device.c has a walk of its own. */
const CLASSIC: MigrationPath = {
  name: 'classic',
  collectsBy: 'own-walk',
  setupFaults: false,
  undoesBeforeSleep: true,
  undoesOnError: true,
  requestSelectsSystem: true,
  mirrorsReports: true,
};

/** What the migrate-on-fault series should be: one walk, and the results of `classic`. */
const UNIFIED: MigrationPath = { ...CLASSIC, name: 'unified', collectsBy: 'range-fault', setupFaults: true };

const PATHS: Readonly<Record<PathName, MigrationPath>> = { classic: CLASSIC, unified: UNIFIED };

export function migrationPath(name: PathName): MigrationPath {
  return PATHS[name];
}
