// Fault plans for programs: the same as the YAML of `dmirror fault run`. Its types need nobody else's, so nothing that names a Node type
// is exported from here as it is.

import type { PlanOptions, PlanResult } from './fault/plans/plan-result.js';
import { runPlan as runWatchedPlan } from './fault/plans/plan-run.js';
import type { Plan } from './fault/plans/plan-schema.js';

export type { Violation } from '../driver/check/violation.js';
export {
  FAULT_POINTS,
  type FaultPhase as PhaseName,
  type FaultPointInfo,
  type FaultReturn,
} from './fault/fault-points.js';
export { definePlan } from './fault/plans/plan-parts.js';
export type { PlanOptions, PlanResult } from './fault/plans/plan-result.js';
export type { Expect, Plan, PlanMachine, Rule, Step } from './fault/plans/plan-schema.js';

/** Runs one plan on one path. Throws PlanNameError for a name that nothing has; a wrong plan object is an Error. */
export async function runPlan(plan: Plan, options: PlanOptions): Promise<PlanResult> {
  return await runWatchedPlan(plan, options);
}
