import { UnknownCommandError } from '../../uapi/client/dmirror.js';
import { anonCases, anonRepeatedCases } from './anon.js';
import { type SelftestCase, SkipError } from './case.js';
import { devicePageCases } from './device-pages.js';
import { exclusiveCases } from './exclusive.js';
import { fileCases } from './file.js';
import { migrateCases, migrateOnFaultCases } from './migrate.js';
import { errorCases } from './migrate-on-fault/errors.js';
import { raceCases } from './migrate-on-fault/races.js';
import { reviewCases } from './migrate-on-fault/reviews.js';
import { pageRowCases } from './migrate-on-fault/rows-pages.js';
import { vmaRowCases } from './migrate-on-fault/rows-vmas.js';
import { walkCases } from './migrate-on-fault/walks.js';
import { openCases } from './open.js';
import { snapshotCases } from './snapshot.js';

/** Every case: the kernel's in its order, with migrate_on_fault, which mainline does not have, at their end; then our own. */
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
    ...pageRowCases,
    ...vmaRowCases,
    ...walkCases,
    ...errorCases,
    ...reviewCases,
    ...raceCases(),
  ].map(skippedWithoutCommand);
}

/** The same case, skipped where the dialect lacks a command that it needs. */
function skippedWithoutCommand(testCase: SelftestCase): SelftestCase {
  return {
    ...testCase,
    async run(ctx) {
      try {
        await testCase.run(ctx);
      } catch (error) {
        throw error instanceof UnknownCommandError ? new SkipError(error.message) : error;
      }
    },
  };
}
