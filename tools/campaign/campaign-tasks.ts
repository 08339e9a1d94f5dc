// What does a job of each kind, and how its findings are told.

import { type ProfileName, profileByName } from '../../driver/mm/profile.js';
import { MachinePool } from '../../driver/sys/machine/machine-pool.js';
import { inProcess } from '../../index.js';
import { allCases } from '../../tests/selftests/index.js';
import type { PathName } from '../../uapi/path-name.js';
import { divergenceMessage } from '../conform/conform-report.js';
import { type ReplayTask, replayWork } from '../conform/conform-worker.js';
import { asCase, runOne, type SuiteResult } from '../exec/suite/suite.js';
import type { SuiteRun } from '../exec/suite/suite-file.js';
import { type HowExplored, reportOf } from '../explore/explore-report.js';
import { exploreLitmus } from '../explore/explore-work.js';
import type { Litmus } from '../explore/litmus-file.js';
import { runPlan } from '../fault/plans/plan-run.js';
import type { Plan } from '../fault/plans/plan-schema.js';
import { casesByName } from '../fault/sweep/cases.js';
import { Sweeper, type SweepJob } from '../fault/sweep/sweep-job.js';
import { runCase } from '../report/runner.js';
import { finding, ofCaseError, ofRace, pageOf } from './campaign-finding.js';
import type { CampaignFinding, JobOutcome } from './campaign-job.js';

type Found = Omit<JobOutcome, 'ms'>;
interface OnMachine {
  readonly path: PathName;
  readonly profile: ProfileName;
  readonly seed: number;
}

const CASE_TIMEOUT_MS = 45_000;
const pool = new MachinePool();

function found(runs: number, findings: readonly CampaignFinding[], skips = false): Found {
  const [first] = findings;
  const status = first !== undefined ? 'fail' : skips ? 'skip' : 'pass';
  return { status, runs, findings, message: first?.message ?? '' };
}

export async function doCase({
  name,
  path,
  profile,
  seed,
  dialect,
}: OnMachine & { name: string; dialect: string }): Promise<Found> {
  const { deviceThp } = profileByName(profile)!;
  const testCase = allCases({ deviceThp }).find((one) => one.name === name);
  if (testCase === undefined) return found(0, [], true);
  const boot = (own: object) => inProcess({ checkInvariants: 'touched', dialect, profile, ...own }, pool);
  const now = (): number => performance.now();
  const findings: CampaignFinding[] = [];
  const onFailure = (error: unknown) => void findings.push(ofCaseError(error, name));
  const { status } = await runCase(testCase, { seed, path, boot, timeoutMs: CASE_TIMEOUT_MS, now, onFailure });
  return found(1, findings, status === 'skip');
}

export async function doSweep({ profile, seed, ...job }: Omit<OnMachine, 'path'> & SweepJob): Promise<Found> {
  const options = { profile, seed, pages: 66, rounds: 2, all: false, pairs: 0, defects: [], first: false };
  const { runs, findings, skipped } = await new Sweeper(casesByName(profile), options, pool).run(job);
  return found(
    runs,
    findings.map(({ kind, message, token, fired }) =>
      finding(kind, message, { of: job.name, token, functions: functionsOf(fired) }),
    ),
    skipped,
  );
}

function functionsOf(fired: readonly { readonly path: readonly string[] }[]): string[] {
  return [...new Set(fired.flatMap(({ path }) => path))];
}

const replay = replayWork({});

export function doRecording(task: ReplayTask): Found {
  const { divergence } = replay(task);
  if (divergence === null) return found(1, []);
  return found(1, [finding('recording', divergenceMessage(divergence))]);
}

export function doLitmus({ test, how: asked }: { test: Litmus; how: HowExplored }): Found {
  const how = { ...asked, path: test.path ?? asked.path, profile: test.profile ?? asked.profile };
  const explored = exploreLitmus(test, how);
  const { problems, schedules } = reportOf(test, explored, { how, ms: 0 });
  return found(
    schedules,
    problems.map(({ what, token = null }, i) => {
      const of = explored.findings[i];
      if (of !== undefined) return ofRace(of, { of: test.name, token });
      return finding('condition', what, { of: test.name, page: what, token });
    }),
  );
}

export async function doPlan({ plan, path, seed }: OnMachine & { plan: Plan }): Promise<Found> {
  const { failures, violations, fired, token } = await runPlan(plan, { path, seed, defects: [], pool });
  const more = { of: plan.name, token, functions: functionsOf(fired) };
  return found(1, [
    ...violations.map(({ kind, message }) => finding(kind, message, more)),
    ...failures.map((message) => finding('expectation', message, more)),
  ]);
}

export async function doSuite(
  folder: string,
  { run, words, path }: { run: SuiteRun; words: readonly string[]; path: PathName },
): Promise<Found> {
  const result = await runOne(folder, run, { words, now: () => performance.now(), children: new Set() });
  return foundOfSuite(run, result, path);
}

/** A test that failed, or what `exec` says of a program that could not go on. */
const WRONG = /^not ok\b| waits for |the machine broke/;

export function foundOfSuite(run: SuiteRun, result: SuiteResult, path: PathName): Found {
  const { name, status, message = '' } = asCase(run, result, path);
  // The status and the counts are what it comes to; of its output what it says went wrong.
  const wrong = result.output.split('\n').filter((line) => WRONG.test(line));
  const page = [message, ...wrong.map(pageOf)].join('; ');
  return found(1, status === 'fail' ? [finding('suite', message, { of: name, page })] : [], status === 'skip');
}
