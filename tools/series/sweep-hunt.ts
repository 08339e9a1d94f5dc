import type { Violation } from '../../driver/check/index.js';
import type { PathName } from '../../uapi/path-name.js';
import { RUN_TOKEN } from '../fault/run-token.js';
import { casesByName } from '../fault/sweep/cases.js';
import { Sweeper } from '../fault/sweep/sweep-job.js';
import { plain } from './mail-lines.js';
import { type Property, suspectsOf, withPropertyOf } from './properties.js';

/** What the sweep of a story has come to. */
export interface Swept {
  readonly runs: number;
  readonly findings: readonly SweptFinding[];
}

interface SweptFinding {
  /** Of the posting, or where that shows something else first, of one with that repaired. */
  readonly token: string;
  readonly message: string;
  /** The property without which it is gone; null: with none alone. */
  readonly cause: Property['name'] | null;
  /** The repaired path shows nothing in the same run. */
  readonly isCleanWhenRepaired: boolean;
}

/** Short stories whose every fault point is failed in turn. */
export const SWEPT_CASES = [
  'migrate_on_fault.rows.present',
  'migrate_on_fault.rows.swap',
  'migrate_on_fault.rows.exclusive_of_other',
  'migrate_on_fault.rows.own_private',
  'migrate_on_fault.rows.thp_zero',
  'migrate_on_fault.rows.thp_pinned',
  'migrate_on_fault.reviews.one_of_each',
  'hmm.hmm_device_private.migrate_release',
];
const OPTIONS = {
  profile: '6.12',
  seed: 1,
  pages: 8,
  rounds: 1,
  all: false,
  pairs: 0,
  defects: [],
  first: true,
} as const;
const REPAIRED: PathName = 'unified';

/**
 * Sweeps a story on `path` up to its first finding. What that comes from counts as repaired from then on, so that what it hid is found next.
 */
export async function sweepHunt(path: PathName, name: string): Promise<Swept> {
  const sweeper = new Sweeper(casesByName(OPTIONS.profile), OPTIONS);
  const findings: SweptFinding[] = [];
  let runs = 0;
  for (let repaired = path; ; ) {
    const swept = await firstOf(sweeper, { name, path: repaired });
    runs += swept.runs;
    if (swept.token === null) return { runs, findings };
    const finding = await explain(sweeper, swept.token, { path, repaired });
    findings.push(finding);
    if (finding.cause === null) return { runs, findings };
    repaired = withPropertyOf(repaired, finding.cause, REPAIRED);
  }
}

async function firstOf(
  sweeper: Sweeper,
  job: { readonly name: string; readonly path: PathName },
): Promise<{ readonly runs: number; readonly token: string | null }> {
  const { findings, chosen } = await sweeper.clean(job);
  // A story that expects another answer tells of no defect.
  const broken = findings.find(({ kind }) => kind !== 'case');
  if (broken !== undefined) return { runs: 1, token: broken.token };
  const slice = await sweeper.slice(job, chosen);
  return { runs: 1 + slice.runs, token: slice.findings[0]?.token ?? null };
}

async function explain(
  sweeper: Sweeper,
  token: string,
  { path, repaired }: { readonly path: PathName; readonly repaired: PathName },
): Promise<SweptFinding> {
  const id = RUN_TOKEN.read(token);
  const seenOn = async (on: PathName): Promise<readonly Violation[]> =>
    (await sweeper.runId({ ...id, path: on })).violations;
  const { message } = (await seenOn(repaired))[0]!;
  const isShownOn = async (on: PathName): Promise<boolean> =>
    (await seenOn(on)).some((violation) => plain(violation.message) === plain(message));
  let cause: Property['name'] | null = null;
  for (const { name } of suspectsOf(repaired, REPAIRED))
    if (cause === null && !(await isShownOn(withPropertyOf(repaired, name, REPAIRED)))) cause = name;
  return {
    token: (await isShownOn(path)) ? RUN_TOKEN.write({ ...id, path }) : token,
    message,
    cause,
    isCleanWhenRepaired: (await seenOn(REPAIRED)).length === 0,
  };
}
