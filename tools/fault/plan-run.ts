import type { DefectName } from '../../driver/core/defects.js';
import type { Fired } from '../../driver/core/fault-engine.js';
import type { ProfileName } from '../../driver/mm/profile.js';
import type { Machine } from '../../driver/sys/machine.js';
import type { PathName } from '../../tests/selftests/case.js';
import { MachinePool } from './machine-pool.js';
import { machineOptions, profileOf } from './plan-machine.js';
import { checkPlan } from './plan-schema.js';
import { runSelftestPlan } from './plan-selftest.js';
import { PlanRun } from './plan-steps.js';
import { isServed, type Plan } from './plan-types.js';
import { MAIN_SESSION } from './plan-words.js';
import { PlanWorld } from './plan-world.js';
import { limitsOf, Served } from './served.js';
import { planToken } from './token.js';
import type { Violation, Watch } from './watch.js';

export interface PlanResult {
  readonly name: string;
  readonly path: PathName;
  readonly profile: ProfileName;
  readonly seed: number;
  readonly defects: readonly DefectName[];
  readonly status: 'pass' | 'fail';
  /** What was expected and did not come, with its step. */
  readonly failures: readonly string[];
  readonly violations: readonly Violation[];
  readonly fired: readonly Fired[];
  /** Repeats it, with `dmirror fault replay`. */
  readonly token: string;
}

export interface PlanOptions {
  readonly path: PathName;
  readonly seed?: number | undefined;
  readonly defects?: readonly DefectName[];
  /** Machines of earlier runs; results do not depend on it. */
  readonly pool?: MachinePool;
  /** Sees each machine before its first call, and again when the rules are armed. */
  readonly onMachine?: (seen: { machine: Machine; watch: Watch; served: Served | null }) => void;
}

export type PlanRunOptions = Required<Omit<PlanOptions, 'onMachine'>> &
  Pick<PlanOptions, 'onMachine'> & { readonly seed: number };

/** Runs one plan on one path. Throws PlanNameError for a name that nothing has; a wrong plan object is an Error. */
export async function runPlan(plan: Plan, options: PlanOptions): Promise<PlanResult> {
  const errors = checkPlan(plan);
  if (errors.length > 0) throw new Error(errors.map((e) => `${e.path.join('.')}: ${e.message}`).join('\n'));
  const { path, seed = plan.machine?.seed ?? 1, defects = [], pool = new MachinePool(), onMachine } = options;
  const run: PlanRunOptions = { path, seed, defects, pool, ...(onMachine === undefined ? {} : { onMachine }) };
  const { failures, violations, fired } = await outcomeOf(plan, run);
  const status = failures.length + violations.length > 0 ? 'fail' : 'pass';
  const token = planToken({ plan, path, seed, defects });
  const profile = profileOf(plan.machine);
  return { name: plan.name, path, profile, seed, defects, status, failures, violations, fired, token };
}

export type PlanOutcome = Pick<PlanResult, 'failures' | 'violations' | 'fired'>;

function outcomeOf(plan: Plan, run: PlanRunOptions): PlanOutcome | Promise<PlanOutcome> {
  if (plan.selftest !== undefined) return runSelftestPlan(plan, run);
  return isServed(plan) ? runServedPlan(plan, run) : runDirectPlan(plan, run);
}

function runDirectPlan(plan: Plan, { path, seed, defects, pool, onMachine }: PlanRunOptions): PlanOutcome {
  const options = { ...machineOptions(plan.machine), seed, path };
  const pooled = pool.take(options, { rules: [], counts: false, defects });
  const { machine } = pooled;
  machine.kernel.faults.disarm();
  const outcome = runSteps(plan, new PlanWorld(machine), { seed, onMachine });
  pool.give(pooled, outcome.violations.length === 0);
  return outcome;
}

/** Over a daemon in this thread, whose connections are memory. */
function runServedPlan(plan: Plan, { path, seed, defects, onMachine }: PlanRunOptions): PlanOutcome {
  const options = { ...machineOptions(plan.machine), seed, path };
  const served = new Served({ machine: options, limits: limitsOf(plan.machine ?? {}) });
  for (const name of defects) served.machine.kernel.defects[name] = true;
  const world = new PlanWorld(served.machine, served);
  served.open(MAIN_SESSION);
  return runSteps(plan, world, { seed, onMachine });
}

function runSteps(
  plan: Plan,
  world: PlanWorld,
  { seed, onMachine }: { seed: number; onMachine: PlanOptions['onMachine'] },
): PlanOutcome {
  const { machine, watch, served } = world;
  const seen = (): void => onMachine?.({ machine, watch, served });
  seen();
  const run = new PlanRun(plan, world, seen);
  run.all(seed);
  return { failures: run.failures, violations: watch.violations, fired: [...machine.kernel.faults.fired] };
}
