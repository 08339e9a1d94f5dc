import { anonCases, anonRepeatedCases } from './anon.js';
import type { SelftestCase } from './case.js';
import { devicePageCases } from './device-pages.js';
import { exclusiveCases } from './exclusive.js';
import { fileCases } from './file.js';
import { migrateCases, migrateOnFaultCases } from './migrate.js';
import { openCases } from './open.js';
import { snapshotCases } from './snapshot.js';

/** Every case, in the kernel's order; migrate_on_fault, which mainline does not have, is last. */
export function allCases(): SelftestCase[] {
  return [
    ...openCases,
    ...anonCases,
    ...fileCases,
    ...migrateCases,
    ...anonRepeatedCases,
    ...snapshotCases,
    ...exclusiveCases,
    ...devicePageCases,
    ...migrateOnFaultCases,
  ];
}
