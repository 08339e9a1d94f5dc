import type { Watch } from '../../../driver/check/index.js';
import type { Machine } from '../../../driver/sys/machine/machine.js';
import { MachinePool } from '../../../driver/sys/machine/machine-pool.js';
import { takeArmed } from '../armed-machine.js';
import { PLAN_TOKEN } from '../run-token.js';
import { limitsOf, Served } from '../wire/served.js';
import { checkPlan } from './plan-check.js';
import { machineOptions, profileOf } from './plan-machine.js';
import { isServed } from './plan-parts.js';
import type { PlanOptions, PlanResult } from './plan-result.js';
import type { Plan } from './plan-schema.js';
import { runSelftestPlan } from './plan-selftest.js';
import { PlanRun } from './plan-steps.js';
import { MAIN_SESSION } from './plan-words.js';
import { PlanWorld } from './plan-world.js';

/** The options of whoever runs plans one after the other, or looks on. */
interface PlanRunnerOptions extends PlanOptions {
  /** Machines of earlier runs; results do not depend on it. */
  readonly pool?: MachinePool;
  /** Sees each machine before its first call, and again when the rules are armed. */
  readonly onMachine?: (seen: { machine: Machine; watch: Watch; served: Served | null }) => void;
}

export type PlanRunOptions = Required<Omit<PlanRunnerOptions, 'onMachine'>> &
  Pick<PlanRunnerOptions, 'onMachine'> & { readonly seed: number };

/** Runs one plan on one path. Throws PlanNameError for a name that nothing has; a wrong plan object is an Error. */
export async function runPlan(plan: Plan, options: PlanRunnerOptions): Promise<PlanResult> {
  const errors = checkPlan(plan);
  if (errors.length > 0) throw new Error(errors.map((e) => `${e.path.join('.')}: ${e.message}`).join('\n'));
  const { path, seed = plan.machine?.seed ?? 1, defects = [], pool = new MachinePool(), onMachine } = options;
  const run: PlanRunOptions = { path, seed, defects, pool, ...(onMachine === undefined ? {} : { onMachine }) };
  const { failures, violations, fired } = await outcomeOf(plan, run);
  const status = failures.length + violations.length > 0 ? 'fail' : 'pass';
  const token = PLAN_TOKEN.write({ plan, path, seed, defects });
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
  const { machine } = takeArmed(pool, options, { defects });
  machine.kernel.inject.disarm();
  const outcome = runSteps(plan, new PlanWorld(machine), { seed, onMachine });
  if (outcome.violations.length === 0) pool.give(machine);
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
  { seed, onMachine }: { seed: number; onMachine: PlanRunnerOptions['onMachine'] },
): PlanOutcome {
  const { machine, watch, served } = world;
  const seen = (): void => onMachine?.({ machine, watch, served });
  seen();
  const run = new PlanRun(plan, world, seen);
  run.all(seed);
  return { failures: run.failures, violations: watch.violations, fired: [...machine.kernel.inject.fired] };
}
