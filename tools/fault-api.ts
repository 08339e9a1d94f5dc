// Fault plans for programs: the same as the YAML of `dmirror fault run`.

export { FAULT_POINTS, type FaultPointInfo, type FaultReturn, type PhaseName } from '../driver/core/fault-points.js';
export { type PlanOptions, type PlanResult, runPlan } from './fault/plan-run.js';
export { definePlan, type Expect, type Plan, type PlanMachine, type Rule, type Step } from './fault/plan-types.js';
export type { Violation } from './fault/watch.js';
