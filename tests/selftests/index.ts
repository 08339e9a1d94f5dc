import { UnknownCommandError } from '../../uapi/client/dmirror-device.js';
import { anonCases, anonRepeatedCases } from './anon.js';
import { type SelftestCase, SkipError } from './case.js';
import { devicePageCases } from './device-pages.js';
import { deviceThpCases } from './device-thp.js';
import { exclusiveCases } from './exclusive.js';
import { fileCases } from './file.js';
import { migrateCases, migrateOnFaultCases } from './migrate.js';
import { entryCases } from './migrate-on-fault/entries.js';
import { errorCases } from './migrate-on-fault/errors.js';
import { hugeEntryCases } from './migrate-on-fault/huge-entries.js';
import { raceCases } from './migrate-on-fault/races.js';
import { reviewCases } from './migrate-on-fault/reviews.js';
import { pageRowCases } from './migrate-on-fault/rows-pages.js';
import { vmaRowCases } from './migrate-on-fault/rows-vmas.js';
import { walkCases } from './migrate-on-fault/walks.js';
import { openCases } from './open.js';
import { snapshotCases } from './snapshot.js';

/**
 * Every case: the kernel's in its order, with migrate_on_fault, which mainline does not have, at their end; then our own. With `deviceThp`
 * for a profile whose devices have folios of 2 MiB: then the kernel's cases about those too.
 */
export function allCases({ deviceThp = false } = {}): SelftestCase[] {
  return [
    ...openCases,
    ...anonCases,
    ...fileCases,
    ...migrateCases,
    ...anonRepeatedCases,
    ...snapshotCases,
    ...exclusiveCases,
    ...devicePageCases,
    ...(deviceThp ? deviceThpCases : []),
    ...migrateOnFaultCases,
    ...pageRowCases,
    ...vmaRowCases,
    ...entryCases,
    ...hugeEntryCases.map((testCase) => (deviceThp ? testCase : skipped(testCase, 'no device has folios of 2 MiB'))),
    ...walkCases,
    ...errorCases,
    ...reviewCases,
    ...raceCases(),
  ].map((testCase) => skippedWithoutCommand(deviceThp ? skippedAfter612(testCase) : testCase));
}

/** Our own cases that spell out entries, or numbers, as 6.12 has them. */
const OF_6_12: ReadonlySet<string> = new Set(
  ['rows.exclusive_of_other', 'rows.thp', 'rows.thp_zero', 'rows.thp_mapped_by_pages']
    .concat(['errors.command_numbers', 'reviews.one_of_each'])
    .map((name) => `migrate_on_fault.${name}`),
);

function skippedAfter612(testCase: SelftestCase): SelftestCase {
  return OF_6_12.has(testCase.name) ? skipped(testCase, 'what it expects is spelled as in 6.12') : testCase;
}

function skipped(testCase: SelftestCase, why: string): SelftestCase {
  return { ...testCase, run: () => Promise.reject(new SkipError(why)) };
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
