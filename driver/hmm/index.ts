// The public face of this layer.

export { makeDeviceExclusive } from './exclusive/exclusive-page.js';
export { makeDeviceExclusiveRange } from './exclusive/make-device-exclusive.js';
export { injectInvalidate } from './inject.js';
export {
  IntervalNotifier,
  type IntervalNotifierOps,
  mmuIntervalNotifierInsert,
  mmuIntervalNotifierRemove,
  mmuIntervalReadBegin,
  mmuIntervalReadRetry,
  mmuIntervalSetSeq,
} from './interval-notifier.js';
export {
  migrateDeviceCoherentFolio,
  migrateDeviceRange,
  registerHmmHooks,
} from './migrate/migrate-device.js';
export { migrateDeviceFinalize, migrateVmaFinalize } from './migrate/migrate-finalize.js';
export { migrateDevicePages, migrateVmaPages, migrateVmaSplitUnmappedFolio } from './migrate/migrate-pages.js';
export { migrateHmmRangeSetup, migrateVmaSetup } from './migrate/migrate-setup.js';
export { migrateStageDone } from './migrate/migrate-trace.js';
export type { MigrateArrays } from './migrate/migrate-unmap.js';
export {
  isUnmigratableVma,
  MigratePfn,
  MigrateSelect,
  MigrateVma,
} from './migrate/migrate-vma.js';
export {
  type MigrationPath,
  mayNestFolioLocks,
  migrationPath,
  type PropertyName,
  pathError,
  pathWith,
  valuesOf,
} from './paths.js';
export { HmmPfn, type HmmRange, hmmPfnToMapOrder } from './range/hmm-range.js';
export { hmmRangeFault } from './range/range-fault.js';
export { hmmRangeFaultUnlockedTimeout } from './range/range-fault-unlocked.js';
