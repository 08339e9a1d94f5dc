import { FAULT_POINTS, FAULT_RETURNS, type FaultPointInfo, PHASES } from '../../driver/core/fault-points.js';
import { hint } from './nearest.js';
import { asList, isServed, PLAN_LIMITS, type Plan, type Rule, returnAt, type Step } from './plan-types.js';
import { ADVICE, VERBS } from './plan-words.js';

/** A mistake in a plan: where, as keys from the top, and what. `isKey`: the key itself is wrong, not its value. */
export interface PlanError {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly isKey?: boolean;
}

type Shape =
  | { readonly kind: 'text' | 'number' | 'flag' }
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'either'; readonly shapes: readonly Shape[] }
  | { readonly kind: 'list'; readonly of: () => Shape }
  | { readonly kind: 'some'; readonly of: Shape }
  /** Any keys. */
  | { readonly kind: 'named'; readonly of: Shape }
  | { readonly kind: 'map'; readonly keys: Readonly<Record<string, Shape>>; readonly required: readonly string[] };

const text: Shape = { kind: 'text' };
const number: Shape = { kind: 'number' };
const flag: Shape = { kind: 'flag' };
const words = (...list: string[]): Shape => ({ kind: 'words', words: list });
const either = (...shapes: Shape[]): Shape => ({ kind: 'either', shapes });
const list = (of: () => Shape): Shape => ({ kind: 'list', of });
/** One, or a list of at least one. */
const some = (of: Shape): Shape => ({ kind: 'some', of });
const map = (keys: Record<string, Shape>, required: string[] = []): Shape => ({ kind: 'map', keys, required });

const EXPECT = map({
  ret: either(number, text),
  cpages: number,
  faults: number,
  signal: number,
  memory: number,
  data: number,
  page_table: text,
  snapshot: either(text, number),
  walks: number,
  resumptions: number,
  remote_faults: number,
  fired: { kind: 'named', of: number },
  error: text,
  session: words('open', 'ended'),
  sessions: { kind: 'named', of: words('open', 'ended') },
});

const STEP_KEYS: Record<string, Shape> = {
  do: words(...VERBS),
  process: text,
  session: text,
  device: text,
  on: text,
  pages: either(number, text),
  name: text,
  prot: words('none', 'r', 'rw'),
  advice: words(...Object.keys(ADVICE)),
  value: number,
  shared: flag,
  huge: flag,
  minor: number,
  dialect: text,
  file: flag,
  steps: list(() => STEP),
  expect: EXPECT,
};
const STEP: Shape = map(STEP_KEYS, ['do']);

const POINT = words(...FAULT_POINTS.map(({ name }) => name));
const RULE: Shape = map(
  {
    name: text,
    point: some(POINT),
    phase: words(...PHASES),
    process: text,
    fd: text,
    scope: words('file', 'machine'),
    session: text,
    device: number,
    command: text,
    dialect: text,
    on: text,
    pages: either(number, text),
    page: number,
    nth: number,
    probability: number,
    interval: number,
    times: number,
    space: number,
    after: text,
    return: some(words(...Object.keys(FAULT_RETURNS))),
    bytes: number,
    delay: either(number, text),
    run: STEP,
    while: map({ point: POINT, phase: words(...PHASES), page: number, nth: number }, ['point']),
    // biome-ignore lint/suspicious/noThenProperty: the word of the plan language
    then: list(() => RULE),
  },
  ['point'],
);

const PLAN: Shape = map(
  {
    name: text,
    about: text,
    machine: map({
      path: words('classic', 'unified'),
      seed: number,
      scheduler: words('round-robin', 'random'),
      coherent: flag,
      swap_mib: number,
      ram_mib: number,
      huge_pages: number,
      thp: words('always', 'madvise', 'never'),
      served: flag,
      limits: map(Object.fromEntries(Object.keys(PLAN_LIMITS).map((name) => [name, number]))),
    }),
    selftest: text,
    setup: list(() => STEP),
    rules: list(() => RULE),
    steps: list(() => STEP),
    expect: EXPECT,
  },
  ['name'],
);

type Path = readonly (string | number)[];

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
  checkRules(rules, ['rules'], errors);
  if ((plan as Plan).machine?.served === false && isServed({ ...(plan as Plan), machine: {} }))
    errors.push({ path: ['machine', 'served'], message: 'rules and steps about sessions need a served machine' });
  return errors;
}

function checkShape(value: unknown, shape: Shape, at: { path: Path; errors: PlanError[] }): void {
  const { path, errors } = at;
  const wrong = (what: string): void => void errors.push({ path, message: `${what} is wanted here` });
  switch (shape.kind) {
    case 'text':
      if (typeof value !== 'string') wrong('text');
      break;
    case 'number':
      if (typeof value !== 'number') wrong('a number');
      break;
    case 'flag':
      if (typeof value !== 'boolean') wrong('true or false');
      break;
    case 'words':
      if (typeof value !== 'string' || !shape.words.includes(value))
        errors.push({ path, message: `'${String(value)}' is not known here${hint(String(value), shape.words)}` });
      break;
    case 'either': {
      const tries = shape.shapes.map((one) => {
        const found: PlanError[] = [];
        checkShape(value, one, { path, errors: found });
        return found;
      });
      if (tries.every((found) => found.length > 0)) wrong(shape.shapes.map(({ kind }) => kind).join(' or '));
      break;
    }
    case 'some':
      if (Array.isArray(value) && value.length === 0) wrong('at least one');
      else if (!Array.isArray(value)) checkShape(value, shape.of, at);
      else for (const [i, item] of value.entries()) checkShape(item, shape.of, { path: [...path, i], errors });
      break;
    case 'list':
      if (!Array.isArray(value)) wrong('a list');
      else for (const [i, item] of value.entries()) checkShape(item, shape.of(), { path: [...path, i], errors });
      break;
    default:
      checkMap(value, shape, at);
  }
}

function checkMap(
  value: unknown,
  shape: Shape & { kind: 'map' | 'named' },
  { path, errors }: { path: Path; errors: PlanError[] },
): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    errors.push({ path, message: 'keys and values are wanted here' });
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const known = shape.kind === 'named' ? shape.of : shape.keys[key];
    if (known !== undefined) checkShape(item, known, { path: [...path, key], errors });
    else if (shape.kind === 'map')
      errors.push({
        path: [...path, key],
        message: `no key '${key}' here${hint(key, Object.keys(shape.keys))}`,
        isKey: true,
      });
  }
  if (shape.kind === 'named') return;
  for (const key of shape.required) if (!(key in value)) errors.push({ path, message: `'${key}' is missing` });
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
