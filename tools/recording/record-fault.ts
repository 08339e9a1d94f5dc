import type { Violation } from '../../driver/check/index.js';
import type { ProfileName } from '../../driver/mm/profile.js';
import type { Machine } from '../../driver/sys/machine/machine.js';
import { MachinePool } from '../../driver/sys/machine/machine-pool.js';
import { UsageError } from '../exit-code.js';
import { runPlan } from '../fault/plans/plan-run.js';
import { PlanNameError } from '../fault/plans/plan-world.js';
import { PLAN_TOKEN, type PlanRunId, RUN_TOKEN, type RunId } from '../fault/run-token.js';
import { casesByName } from '../fault/sweep/cases.js';
import { Sweeper } from '../fault/sweep/sweep-job.js';
import { didYouMean } from '../nearest.js';
import { injectionText } from '../token/parts.js';
import { MachineRecorders, type RecordedRun, type RecordOptions } from './recorded-run.js';

/** Machines stay as their run has left them, to be read. */
class NoPool extends MachinePool {
  override give(): void {}
}

export function recordRunToken(token: string, options: RecordOptions): Promise<RecordedRun> {
  return recordCase(RUN_TOKEN.read(token), options);
}

/** A case of the suite, as the fault sweep runs it. */
export async function recordCase(id: RunId, options: RecordOptions): Promise<RecordedRun> {
  const { profile, seed, pages, rounds, defects, injections, path, name } = id;
  const cases = casesByName(profile);
  if (!cases.has(name))
    throw new UsageError(
      `there is no case '${name}'${didYouMean(name, [...cases.keys()])}`,
      'see the names with `dmirror selftest --list`',
    );
  const sweep = { profile, seed, pages, rounds, defects, all: false, pairs: 0, first: false };
  const recorders = new MachineRecorders(options);
  const wrong = new Map<Machine, readonly Violation[]>();
  const outcome = await new Sweeper(cases, sweep, new NoPool()).runId(id, {
    onBoot: ({ machine, watch }) => {
      wrong.set(machine, watch.violations);
      recorders.see(machine);
    },
  });
  const faults = injections.length === 0 ? '' : `, with ${injections.map(injectionText).join(', ')}`;
  const recording = recorders.end((machine) => wrong.get(machine)!.length > 0);
  return {
    title: `case ${name} on ${path}, ${profile}, seed ${seed}${planted(defects)}${faults}`,
    recording,
    outcome: [outcome.status, outcome.message.split('\n')[0]!].filter((text) => text !== '').join(': '),
    findings: outcome.violations.map(violationText),
  };
}

export function recordPlanToken(token: string, options: RecordOptions): Promise<RecordedRun> {
  return recordPlan(PLAN_TOKEN.read(token), options);
}

export async function recordPlan({ plan, ...run }: PlanRunId, options: RecordOptions): Promise<RecordedRun> {
  const recorders = new MachineRecorders(options);
  try {
    const onMachine = ({ machine }: { machine: Machine }): void => recorders.see(machine);
    const result = await runPlan(plan, { ...run, pool: new NoPool(), onMachine });
    const { status, failures, violations, path, seed, fired } = result;
    const struck = fired.map(
      ({ rule, command, page }) => `struck: ${rule} in ${command}${page < 0 ? '' : `, page ${page}`}`,
    );
    const recording = recorders.end();
    return {
      title: `plan ${plan.name} on ${path}, seed ${seed}${planted(run.defects)}`,
      recording,
      outcome: [
        status,
        ...struck.slice(0, STRUCK),
        ...(struck.length > STRUCK ? [`${struck.length - STRUCK} more`] : []),
      ].join('; '),
      findings: [...failures, ...violations.map(violationText)],
    };
  } catch (error) {
    if (error instanceof PlanNameError) throw new UsageError(`the plan: ${error.message}`, 'print the token anew');
    throw error;
  }
}

/** What a run of a case begins with where nobody says otherwise, as the sweep has it. */
export function plainRun(name: string, of: Pick<RunId, 'path' | 'seed' | 'defects'> & { profile: ProfileName }): RunId {
  return { ...of, name, ...DEFAULT_SCALE, injections: [] };
}

const DEFAULT_SCALE = { pages: 66, rounds: 2 };

/** Rules that struck, of which a text says more than their number. */
const STRUCK = 3;

function planted(defects: readonly string[]): string {
  return defects.length === 0 ? '' : `, defect ${defects.join(', ')}`;
}

function violationText({ kind, message, after }: Violation): string {
  return `${kind}: ${message.split('\n')[0]} (after ${after})`;
}
