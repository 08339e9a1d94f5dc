import { FAULT_POINTS, type FaultPointInfo } from '../../driver/core/fault-points.js';
import { PLAN } from './plan-language.js';
import { checkNames } from './plan-names.js';
import { checkShape, type Path, type PlanError } from './plan-shape.js';
import { asList, isServed, type Plan, type Rule, returnAt, type Step } from './plan-types.js';
import { keysOf } from './plan-words.js';

/** Every mistake in `plan`, in order; empty when it can be run. */
export function checkPlan(plan: unknown): PlanError[] {
  const errors: PlanError[] = [];
  checkShape(plan, PLAN, { path: [], errors });
  if (errors.length > 0) return errors;
  const { rules = [], selftest, steps, setup } = plan as Plan;
  if (selftest === undefined && steps === undefined)
    errors.push({ path: [], message: "a plan has 'steps', or a 'selftest'" });
  if (selftest !== undefined && (steps ?? setup) !== undefined)
    errors.push({ path: ['selftest'], message: 'a selftest has its own setup and steps' });
  checkSteps(setup ?? [], ['setup'], errors);
  checkRules(rules, ['rules'], errors);
  checkSteps(steps ?? [], ['steps'], errors);
  if ((plan as Plan).machine?.served === false && isServed({ ...(plan as Plan), machine: {} }))
    errors.push({ path: ['machine', 'served'], message: 'rules and steps about sessions need a served machine' });
  if (errors.length > 0) return errors;
  return checkNames(plan as Plan);
}

/** Keys that mean nothing for what a step does would be passed over in silence. */
function checkSteps(steps: readonly Step[], path: Path, errors: PlanError[]): void {
  for (const [i, step] of steps.entries()) checkStep(step, [...path, i], errors);
}

function checkStep(step: Step, path: Path, errors: PlanError[]): void {
  const known = keysOf(step.do);
  for (const key of Object.keys(step)) {
    if (step[key as keyof Step] === undefined || known.includes(key)) continue;
    errors.push({
      path: [...path, key],
      message: `'${key}' means nothing for ${step.do}; it takes: ${known.join(', ')}`,
      isKey: true,
    });
  }
  if (step.do === 'together' && (step.steps ?? []).length === 0)
    errors.push({ path: [...path, 'do'], message: 'together needs steps' });
  checkSteps(step.steps ?? [], [...path, 'steps'], errors);
}

type Wrong = (key: string, message: string) => void;

function checkRules(rules: readonly Rule[], path: Path, errors: PlanError[]): void {
  for (const [i, rule] of rules.entries()) {
    const at = [...path, i];
    const wrong: Wrong = (key, message) => void errors.push({ path: [...at, key], message });
    const infos = asList(rule.point).map((name) => FAULT_POINTS.find((info) => info.name === name)!);
    for (const info of infos) checkPoint(rule, info, wrong);
    const ofWire = infos.filter(({ profile }) => profile === 'wire');
    if (ofWire.length > 0 && ofWire.length < infos.length)
      wrong('point', `${ofWire[0]!.name} is a point of the interface, which shares a rule with others of it alone`);
    for (const key of WIRE_KEYS)
      if (rule[key] !== undefined && ofWire.length === 0) wrong(key, `'${key}' is for points of the interface`);
    if (ofWire.length === 0 && rule.return === undefined && rule.delay === undefined && rule.run === undefined)
      errors.push({ path: at, message: "a rule has a 'return', a 'delay' or a 'run'" });
    if (rule.run !== undefined) checkStep(rule.run, [...at, 'run'], errors);
    if (rule.then !== undefined) checkRules(rule.then, [...at, 'then'], errors);
  }
}

function checkPoint(rule: Rule, { name, phases, returns, sleeps, profile }: FaultPointInfo, wrong: Wrong): void {
  if (rule.phase !== undefined && !phases.includes(rule.phase))
    wrong('phase', `${name} is never in phase ${rule.phase}; it is in: ${phases.join(', ')}`);
  if (rule.return !== undefined && returnAt(name, rule.return) === undefined) {
    const asked = asList(rule.return).join(' or ');
    wrong('return', `${name} cannot return ${asked}; it can return: ${returns.join(', ') || 'nothing'}`);
  }
  if (profile === 'wire') checkWirePoint(rule, name, wrong);
  for (const key of ['delay', 'run'] as const) {
    if (profile !== 'wire' && rule[key] !== undefined && !sleeps)
      wrong(key, `${name} stands in an atomic step: no delay and no action is possible there`);
  }
}

const WIRE_KEYS = ['session', 'while'] as const;
/** Keys that mean nothing for a frame, but where a point takes them. */
const NOT_OF_FRAMES = ['page', 'run', 'bytes', 'delay', 'while'] as const;

function checkWirePoint(rule: Rule, name: string, wrong: Wrong): void {
  const wire = FAULT_POINTS.filter(({ profile }) => profile === 'wire');
  for (const key of NOT_OF_FRAMES) {
    const takers = wire.filter(({ takes }) => takes.includes(key)).map((info) => info.name);
    if (rule[key] === undefined || takers.includes(name)) continue;
    wrong(key, `'${key}' means nothing for ${name}${takers.length === 0 ? '' : `; it is for: ${takers.join(', ')}`}`);
  }
  const at = FAULT_POINTS.find((info) => info.name === rule.while?.point);
  if (at === undefined) return;
  if (!at.sleeps) wrong('while', `${at.name} stands in an atomic step: no session can go there`);
  if (rule.while!.phase !== undefined && !at.phases.includes(rule.while!.phase))
    wrong('while', `${at.name} is never in phase ${rule.while!.phase}; it is in: ${at.phases.join(', ')}`);
}

/** All steps of a plan, those of `together` and `run` included. */
export function allSteps(steps: readonly Step[]): Step[] {
  return steps.flatMap((step) => [step, ...allSteps(step.steps ?? [])]);
}
