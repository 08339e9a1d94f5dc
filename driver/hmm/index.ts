// The public face of this layer.

export { makeDeviceExclusive } from './exclusive-page.js';
export { HmmPfn, type HmmRange, hmmPfnToMapOrder } from './hmm-range.js';
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
export { makeDeviceExclusiveRange } from './make-device-exclusive.js';
export {
  migrateDeviceCoherentFolio,
  migrateDeviceRange,
  registerHmmHooks,
} from './migrate-device.js';
export { migrateDeviceFinalize, migrateVmaFinalize } from './migrate-finalize.js';
export { migrateDevicePages, migrateVmaPages, migrateVmaSplitUnmappedFolio } from './migrate-pages.js';
export { migrateHmmRangeSetup, migrateVmaSetup } from './migrate-setup.js';
export { migrateStageDone } from './migrate-trace.js';
export type { MigrateArrays } from './migrate-unmap.js';
export {
  isUnmigratableVma,
  MigratePfn,
  MigrateSelect,
  MigrateVma,
} from './migrate-vma.js';
export { type MigrationPath, migrationPath } from './paths.js';
export { hmmRangeFault } from './range-fault.js';
export { hmmRangeFaultUnlockedTimeout } from './range-fault-unlocked.js';
