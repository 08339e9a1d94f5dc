import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import type { ProfileName } from '../../driver/mm/profile.js';
import type { PathName } from '../../uapi/path-name.js';
import { recordingInput } from '../conform/recording-input.js';
import { planRuns } from '../exec/suite/suite.js';
import { UsageError } from '../exit-code.js';
import { namedTests } from '../explore/shipped-tests.js';
import { loadPlan } from '../fault/plans/plan-parse.js';
import { jobsOf } from '../fault/sweep/sweep.js';
import { sliceName, slicesOf } from '../fault/sweep/sweep-slices.js';
import { didYouMean } from '../nearest.js';
import { shipped, shippedFiles } from '../package-root.js';
import type { Wrong } from '../yaml-file.js';
import { type Job, jobOf } from './campaign-job.js';
import type { Campaign, What } from './campaign-schema.js';

/** One point of the matrix. */
interface Machine {
  readonly path: PathName;
  readonly profile: ProfileName;
  readonly dialect: string;
  readonly seed: number;
}

/** All jobs of a campaign, in the order of its report. Throws UsageError. */
export function jobsOfCampaign(campaign: Campaign, wrong: Wrong): Job[] {
  const jobs = campaign.what.flatMap((what, i) => {
    try {
      return jobsOfItem(what, campaign);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw wrong(['what', i, Object.keys(what)[0]], `what.${i}: ${error.message}; ${error.hint}`);
    }
  });
  // What two items name alike is done once.
  return [...new Map(jobs.map((job) => [job.token, job])).values()];
}

function jobsOfItem(what: What, campaign: Campaign): Job[] {
  const machines = campaign.paths.flatMap((path) =>
    campaign.profiles.flatMap((profile) =>
      campaign.dialects.flatMap((dialect) =>
        campaign.seeds.map((seed) => ({ path: path as PathName, profile, dialect, seed })),
      ),
    ),
  );
  // What does not depend on a dimension is done once for all of it.
  const at = (...same: (keyof Machine)[]): Machine[] => {
    const fixed = Object.fromEntries(same.map((key) => [key, machines[0]![key]]));
    const all = machines.map((machine) => ({ ...machine, ...fixed }));
    return [...new Map(all.map((machine) => [JSON.stringify(machine), machine])).values()];
  };
  const { cases = [], sweeps = [], recordings = [], litmus = [], plans = [], suites = [], probes } = what;
  return [
    ...at().flatMap((machine) => caseJobs(cases, machine)),
    ...at('dialect').flatMap((machine) => sweepJobs(sweeps, machine)),
    ...recordings.flatMap((name) => recordingJobs(name, { ...machines[0]!, profile: '6.12', dialect: 'dmirror' })),
    ...litmusJobs(litmus, campaign, at),
    ...at('dialect').flatMap((machine) => planJobs(plans, machine)),
    ...at().flatMap((machine) => suites.flatMap((folder) => suiteJobs(folder, machine))),
    ...(probes === undefined ? [] : probeJobs(probes, machines[0]!)),
  ];
}

function caseJobs(names: readonly string[], machine: Machine): Job[] {
  if (names.length === 0) return [];
  return jobsOf(names, machine).map(({ name }) => jobOf({ kind: 'case', name, ...machine }, { name, ...machine }));
}

function sweepJobs(names: readonly string[], { dialect: _, ...machine }: Machine): Job[] {
  if (names.length === 0) return [];
  return slicesOf(jobsOf(names, machine)).map((job) =>
    jobOf({ kind: 'sweep', ...machine, name: sliceName(job) }, { ...machine, ...job }),
  );
}

function recordingJobs(name: string, machine: Machine): Job[] {
  const file = /[./\\]/.test(name) ? name : shippedRecording(name);
  const found = recordingInput(file);
  const path = found.path ?? 'classic';
  return found.sequences.map((sequence) =>
    jobOf({ kind: 'recording', name: sequence.seq, ...machine, path, seed: 0 }, { file: name, sequence, path }),
  );
}

const SUFFIX = '.jsonl.gz';

function shippedRecording(name: string): string {
  const files = shippedFiles('tests/conform/recordings', SUFFIX);
  const names = files.map((file) => file.slice(shipped('tests/conform/recordings').length + 1, -SUFFIX.length));
  const at = names.indexOf(name);
  if (at < 0)
    throw new UsageError(`no recording is named '${name}'${didYouMean(name, names)}`, `they are: ${names.join(', ')}`);
  return files[at]!;
}

function litmusJobs(
  names: readonly string[],
  { strategies, faults, schedules: budget }: Campaign,
  at: (...same: (keyof Machine)[]) => Machine[],
): Job[] {
  if (names.length === 0) return [];
  // A job goes to machines that have not the file, so its tokens have the whole test.
  const tests = namedTests(names).map(({ file: _, ...test }) => test);
  return strategies.flatMap((strategy) => {
    const isDrawn = strategy === 'random' || strategy === 'pct';
    return at(...(isDrawn ? [] : (['seed'] as const))).flatMap(({ seed, ...machine }) =>
      faults.flatMap((faults) =>
        tests.map((test) => {
          const how = { ...machine, strategy, seed, budget, faults, isChecked: true };
          return jobOf({ kind: 'litmus', name: `${test.name} ${strategy} ${faults}`, ...machine, seed }, { test, how });
        }),
      ),
    );
  });
}

function planJobs(files: readonly string[], { dialect: _, ...machine }: Machine): Job[] {
  return files.map((file) => {
    const loaded = loadPlan(file, machine.profile);
    const plan = { ...loaded, machine: { scheduler: 'random' as const, ...loaded.machine, seed: machine.seed } };
    return jobOf({ kind: 'plan', name: plan.name, ...machine }, { plan, ...machine });
  });
}

function suiteJobs(folder: string, { path, profile, dialect, seed }: Machine): Job[] {
  const file = join(folder, 'suite.yaml');
  const expect = existsSync(file) ? file : undefined;
  const words = ['--path', path, '--profile', profile, '--dialect', dialect, '--seed', String(seed)];
  return planRuns(folder, { expect, only: [] }).map((run) => {
    const program = deflateRawSync(readFileSync(join(folder, run.program))).toString('base64');
    const name = [run.program, ...run.args].join(' ');
    return jobOf({ kind: 'suite', name, path, profile, dialect, seed }, { run, words, program, path });
  });
}

function probeJobs({ count, ms }: NonNullable<What['probes']>, machine: Machine): Job[] {
  return Array.from({ length: count }, (_, i) => jobOf({ kind: 'probe', name: String(i), ...machine }, { i, ms }));
}
