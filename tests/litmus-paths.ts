// The register of litmus tests that come to other outcomes on another path than on `unified`, and what explains each.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestReport } from '../tools/explore/explore-report.js';
import { type Explored, exploreLitmus } from '../tools/explore/explore-work.js';
import type { Litmus } from '../tools/explore/litmus-file.js';
import type { PathName } from '../uapi/path-name.js';

const FILE = join(import.meta.dirname, 'litmus/paths.jsonl');

/** Sets are compared where there are no more schedules than that. */
const MOST_SCHEDULES = { classic: 1000, 'posted-v1': 100, 'posted-late': 100 } as const;
export type OtherPath = keyof typeof MOST_SCHEDULES;
const OTHER_PATHS = Object.keys(MOST_SCHEDULES) as OtherPath[];

/** What `classic` comes to beside, by what the other call does between its two walks. docs/exploring.md prints this table. */
export const TWO_WALKS = {
  hole: 'DONTNEED takes away what `hmm_range_fault()` has faulted, before `migrate_vma_setup()` comes: `migrate_vma_collect_pmd()` selects the empty entry, where `migrate_vma_insert_page()` puts a page of zeroes without a fault. One walk has the page locked when it has seen it',
  'migration entry':
    "another migration unmaps a page that `hmm_range_fault()` has passed: `migrate_vma_collect_pmd()` skips its migration entry, so that the call answers -2. One walk waits for it, in `migration_entry_wait()`, and finds the other's page",
} as const;

/** Else a row or a defect of docs/series.md, or its races. */
type Why = keyof typeof TWO_WALKS | 'races' | 'row 3: did not move' | 'V2: mirrorsStructPages' | 'V6: stale mirror';

/** Outcomes of the other path alone, and of `unified` alone. */
interface Difference {
  readonly only: readonly string[];
  readonly never: readonly string[];
}

export interface Row extends Difference {
  readonly test: string;
  readonly path: OtherPath;
  readonly why: readonly Why[];
}

export function register(): Row[] {
  return readFileSync(FILE, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

export function writeRegister(rows: readonly Row[]): void {
  writeFileSync(FILE, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

function explored(test: Litmus, path: PathName, budget: number): Explored {
  const { profile = '6.12' } = test;
  return exploreLitmus(test, { path, profile, strategy: 'dpor', budget, seed: 1, isChecked: false });
}

/** Is this all that a path comes to, and few enough for the register? */
export function isCompared(
  { verdict, schedules }: Pick<TestReport, 'verdict' | 'schedules'>,
  path: OtherPath,
): boolean {
  return verdict === 'complete' && schedules <= MOST_SCHEDULES[path];
}

/** How the test's sets differ, of each path that is explored whole. */
export function rowsOf(test: Litmus): Row[] {
  const unified = explored(test, 'unified', Math.max(...Object.values(MOST_SCHEDULES)));
  return OTHER_PATHS.flatMap((path) => {
    if (!isCompared(unified, path)) return [];
    const other = explored(test, path, MOST_SCHEDULES[path]);
    return isCompared(other, path) ? rowsBetween(test, path, other.outcomes.keys(), unified.outcomes.keys()) : [];
  });
}

/** None where both come to the same. */
export function rowsBetween(test: Litmus, path: OtherPath, other: Iterable<string>, unified: Iterable<string>): Row[] {
  const [others, unifieds] = [[...other], [...unified]];
  const only = others.filter((outcome) => !unifieds.includes(outcome)).sort();
  const never = unifieds.filter((outcome) => !others.includes(outcome)).sort();
  if (only.length + never.length === 0) return [];
  const why = path === 'classic' ? whyTwoWalks(test, { only, never }) : whyPosted({ only, never });
  return [{ test: test.name, path, why, only, never }];
}

/** One walk comes to nothing that two don't. */
function whyTwoWalks({ threads: [, ...others] }: Litmus, { never }: Difference): Why[] {
  const does = (what: RegExp): boolean => others.flat().some((op) => what.test(op));
  if (never.length > 0) return [];
  return [
    ...(does(/ DONTNEED$/) ? (['hole'] as const) : []),
    ...(does(/ MIGRATE_\S+ /) ? (['migration entry'] as const) : []),
  ];
}

/**
 * `races`: some schedules hang, and all do where nothing else is left. Row 3: -2, but v1 answers 0 with what hmm reported.
 * V2: an oops. V6: the same answer of the call, and v1's mirror keeps what an invalidation should have taken.
 */
function whyPosted({ only, never }: Difference): Why[] {
  const answers = (outcomes: readonly string[]): Set<string> =>
    new Set(outcomes.map((outcome) => outcome.split(' => ')[0]!));
  const own = only.filter((outcome) => outcome !== 'hang' && !outcome.startsWith('oops'));
  const repaired = answers(never);
  return [
    ...(only.includes('hang') || only.length === 0 ? (['races'] as const) : []),
    ...(only.some((outcome) => outcome.startsWith('oops')) ? (['V2: mirrorsStructPages'] as const) : []),
    ...([...answers(own)].some((answer) => answer.startsWith('0 ') && !repaired.has(answer))
      ? (['row 3: did not move'] as const)
      : []),
    ...([...answers(own)].some((answer) => repaired.has(answer)) ? (['V6: stale mirror'] as const) : []),
  ];
}
