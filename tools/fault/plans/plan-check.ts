import { phasesIn } from '../../../driver/inject/inject-points.js';
import type { ProfileName } from '../../../driver/mm/profile.js';
import { checkMachineOptions, DEFAULT_MACHINE_OPTIONS } from '../../../driver/sys/machine/machine-options.js';
import { FAULT_POINTS, type FaultPointInfo, faultPoint } from '../fault-points.js';
import { wrongCaller } from './callers.js';
import { type Path, type PlanError, shapeErrors } from './plan-errors.js';
import { machineOptions, profileOf } from './plan-machine.js';
import { checkNames } from './plan-names.js';
import { asList, isServed, returnAt } from './plan-parts.js';
import type { Plan, Rule, Step } from './plan-schema.js';
import { ACTIONS, keysOf } from './plan-words.js';

/** Every mistake in `plan`, in order; empty when it can be run. */
export function checkPlan(plan: unknown): PlanError[] {
  const errors = shapeErrors(plan);
  if (errors.length > 0) return errors;
  const { rules = [], selftest, steps, setup } = plan as Plan;
  if (selftest === undefined && steps === undefined)
    errors.push({ path: [], message: "a plan has 'steps', or a 'selftest'" });
  if (selftest !== undefined && (steps ?? setup) !== undefined)
    errors.push({ path: ['selftest'], message: 'a selftest has its own setup and steps' });
  checkSteps(setup ?? [], ['setup'], errors);
  checkRules(rules, ['rules'], { errors, profile: profileOf((plan as Plan).machine) });
  checkSteps(steps ?? [], ['steps'], errors);
  checkMachine(plan as Plan, errors);
  checkEnd(plan as Plan, errors);
  if ((plan as Plan).machine?.served === false && isServed({ ...(plan as Plan), machine: {} }))
    errors.push({ path: ['machine', 'served'], message: 'rules and steps about sessions need a served machine' });
  if (errors.length > 0) return errors;
  return checkNames(plan as Plan);
}

function checkMachine({ machine = {} }: Plan, errors: PlanError[]): void {
  try {
    checkMachineOptions({ ...DEFAULT_MACHINE_OPTIONS, ...machineOptions(machine) });
  } catch (error) {
    errors.push({ path: ['machine'], message: error instanceof Error ? error.message : String(error) });
  }
}

/** What can be expected of a plan as a whole; of a selftest also how it ends. */
function checkEnd({ expect = {}, selftest }: Plan, errors: PlanError[]): void {
  const known = ['fired', ...(selftest === undefined ? ['session', 'sessions'] : ['ret', 'error'])];
  for (const key of Object.keys(expect)) {
    if (known.includes(key)) continue;
    errors.push({
      path: ['expect', key],
      message: `'${key}' means nothing at the end; there it can be: ${known.join(', ')}`,
      isKey: true,
    });
  }
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

/** What a rule runs is one call, whose answer nobody waits for. */
function checkAction(step: Step, path: Path, errors: PlanError[]): void {
  if (!ACTIONS.includes(step.do))
    errors.push({ path: [...path, 'do'], message: `a rule cannot run ${step.do}; it can: ${ACTIONS.join(', ')}` });
  if (step.expect !== undefined)
    errors.push({
      path: [...path, 'expect'],
      message: 'nothing is expected of what a rule runs; a step behind it can look',
      isKey: true,
    });
  checkStep(step, path, errors);
}

/** What narrows a rule to a place must leave something of it. */
function checkPlaces({ addresses, scope, fd }: Rule, wrong: Wrong): void {
  const [start, end] = (addresses ?? '0-1').split('-').map(Number);
  if (start! >= end!) wrong('addresses', `${addresses} ends before it begins`);
  if (scope === 'machine' && fd !== undefined) wrong('fd', "a rule about one open file has not 'scope: machine'");
}

type Wrong = (key: string, message: string) => void;

interface RuleCheck {
  readonly errors: PlanError[];
  readonly profile: ProfileName;
}

function checkRules(rules: readonly Rule[], path: Path, check: RuleCheck): void {
  const { errors, profile } = check;
  for (const [i, rule] of rules.entries()) {
    const at = [...path, i];
    const wrong: Wrong = (key, message) => void errors.push({ path: [...at, key], message });
    const infos = asList(rule.point).map((name) => faultPoint(name)!);
    for (const info of infos) checkPoint(rule, info, { wrong, profile });
    const ofWire = infos.filter(({ layer }) => layer === 'wire');
    if (ofWire.length > 0 && ofWire.length < infos.length)
      wrong('point', `${ofWire[0]!.name} is a point of the interface, which shares a rule with others of it alone`);
    for (const key of WIRE_KEYS)
      if (rule[key] !== undefined && ofWire.length === 0) wrong(key, `'${key}' is for points of the interface`);
    if (ofWire.length === 0 && rule.return === undefined && rule.delay === undefined && rule.run === undefined)
      errors.push({ path: at, message: "a rule has a 'return', a 'delay' or a 'run'" });
    if (rule.run !== undefined) checkAction(rule.run, [...at, 'run'], errors);
    const unknown = rule.caller === undefined ? undefined : wrongCaller(rule.caller);
    if (unknown !== undefined) wrong('caller', unknown);
    checkPlaces(rule, wrong);
    if (rule.then !== undefined) checkRules(rule.then, [...at, 'then'], check);
  }
}

function checkPoint(
  rule: Rule,
  info: FaultPointInfo,
  { wrong, profile }: { wrong: Wrong; profile: ProfileName },
): void {
  const { name, returns, sleeps, layer } = info;
  checkPhase(rule.phase, info, (message) => wrong('phase', message), profile);
  if (rule.return !== undefined && returnAt(name, rule.return) === undefined) {
    const asked = asList(rule.return).join(' or ');
    wrong('return', `${name} cannot return ${asked}; it can return: ${returns.join(', ') || 'nothing'}`);
  }
  if (rule.bytes !== undefined && layer === 'kernel' && !COPIES.includes(name))
    wrong('bytes', `'bytes' means nothing for ${name}; it is for: ${COPIES.join(', ')}`);
  if (layer === 'wire') checkWirePoint(rule, name, { wrong, profile });
  for (const key of ['delay', 'run'] as const) {
    if (layer !== 'wire' && rule[key] !== undefined && !sleeps)
      wrong(key, `${name} stands in an atomic step: no delay and no action is possible there`);
  }
}

/** Points at which some bytes are done before the failure. */
const COPIES: readonly string[] = ['device_copy', 'copy_from_user', 'copy_to_user'];
const WIRE_KEYS = ['session', 'while'] as const;
/** Keys that mean nothing for a frame, but where a point takes them. */
const NOT_OF_FRAMES = ['page', 'caller', 'run', 'bytes', 'delay', 'while'] as const;

/** A rule about a place where nobody comes by would never strike, and nobody would see why. */
function checkPhase(
  phase: Rule['phase'],
  info: FaultPointInfo,
  wrong: (message: string) => void,
  profile: ProfileName,
): void {
  const there = phasesIn(info, profile);
  if (phase === undefined || there.includes(phase)) return;
  const others = info.profiles[phase] ?? [];
  const where = others.length === 0 ? '' : ` in profile ${profile}, but in ${others.join(' and ')}`;
  wrong(`${info.name} is never in phase ${phase}${where}; it is in: ${there.join(', ')}`);
}

function checkWirePoint(rule: Rule, name: string, { wrong, profile }: { wrong: Wrong; profile: ProfileName }): void {
  const wire = FAULT_POINTS.filter(({ layer }) => layer === 'wire');
  for (const key of NOT_OF_FRAMES) {
    const takers = wire.filter(({ takes }) => takes.includes(key)).map((info) => info.name);
    if (rule[key] === undefined || takers.includes(name)) continue;
    wrong(key, `'${key}' means nothing for ${name}${takers.length === 0 ? '' : `; it is for: ${takers.join(', ')}`}`);
  }
  const at = faultPoint(rule.while?.point);
  if (at === undefined) return;
  if (!at.sleeps) wrong('while', `${at.name} stands in an atomic step: no session can go there`);
  checkPhase(rule.while!.phase, at, (message) => wrong('while', message), profile);
}

/** All steps of a plan, those of `together` and `run` included. */
export function allSteps(steps: readonly Step[]): Step[] {
  return steps.flatMap((step) => [step, ...allSteps(step.steps ?? [])]);
}
