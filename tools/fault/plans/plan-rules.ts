import { TICKS_PER_MS } from '../../../driver/core/clock.js';
import { type FaultAttr, faultAttr } from '../../../driver/inject/fault-attr.js';
import type { InjectRule, InjectWhere } from '../../../driver/inject/inject-engine.js';
import {
  INJECT_POINTS,
  INJECT_RETURNS,
  type InjectPointId,
  type InjectReturn,
  PHASES,
  type PhaseName,
  pointByName,
} from '../../../driver/inject/inject-points.js';
import { dialectByName } from '../../../uapi/dialect.js';
import type { WirePoint } from '../wire/wire-points.js';
import type { WireRule } from '../wire/wire-rules.js';
import { functionsOf } from './callers.js';
import { asList, isWirePoint, returnAt } from './plan-parts.js';
import type { Rule, Step } from './plan-schema.js';
import { MAIN_SESSION } from './plan-words.js';
import { PlanNameError, type PlanWorld } from './plan-world.js';

const PAGE_SIZE = 4096;

/** Rules as those take them who apply them: the machine's engine, and the connections. */
interface CompiledRules {
  readonly kernel: InjectRule[];
  readonly wire: WireRule[];
}

/** The rules of a plan, with what names mean in what the setup made. `sessions` are those that are there or will be. */
export function compileRules(
  rules: readonly Rule[],
  world: PlanWorld,
  sessions: readonly string[] = [],
): CompiledRules {
  const compiled: CompiledRules = { kernel: [], wire: [] };
  const names = new Set<string>();
  const add = (rule: Rule, after: string | null): void => {
    const name = rule.name ?? `rule ${names.size + 1}`;
    if (names.has(name)) throw new PlanNameError(`two rules are called '${name}'`);
    const previous = rule.after ?? after;
    if (previous !== null && !names.has(previous))
      throw new PlanNameError(`rule '${name}' comes after '${previous}', which is not before it`);
    names.add(name);
    const from: RuleContext = { name, after: previous, world };
    if (rule.session !== undefined && !sessions.includes(rule.session))
      throw new PlanNameError(`rule '${name}' is about session '${rule.session}', which nobody opens`);
    if (!asList(rule.point).some(isWirePoint)) compiled.kernel.push(compile(rule, from));
    else {
      compiled.wire.push(compileWire(rule, from));
      if (asList(rule.point).includes('session_drop')) compiled.kernel.push(dropInKernel(rule, from));
    }
    for (const next of rule.then ?? []) add(next, name);
  };
  for (const rule of rules) add(rule, null);
  return compiled;
}

interface RuleContext {
  readonly name: string;
  readonly after: string | null;
  readonly world: PlanWorld;
}

function attrOf({ probability, interval, times, space }: Rule): FaultAttr {
  const knobs = Object.entries({ probability, interval, times, space }).filter(([, value]) => value !== undefined);
  return faultAttr(Object.fromEntries(knobs));
}

function compile(rule: Rule, { name, after, world }: RuleContext): InjectRule {
  return {
    name,
    where: whereOf(rule, world),
    attr: attrOf(rule),
    nth: rule.nth ?? 0,
    after,
    returns: returnsOf(rule),
    bytes: rule.bytes ?? 0,
    delayTicks: rule.delay === undefined ? 0 : ticksOf(rule.delay),
    run: rule.run === undefined ? null : actionOf(rule.run, world),
  };
}

function compileWire(rule: Rule, { name, after, world }: RuleContext): WireRule {
  const { file, ...where } = whereOf(rule, world);
  const isWide = rule.scope === 'machine' || rule.process !== undefined;
  return {
    ...where,
    // One open file only if it is named: frames are of a session, which is the scope here.
    ...(rule.fd === undefined || file === undefined ? {} : { file }),
    name,
    points: asList(rule.point) as WirePoint[],
    session: rule.session ?? (isWide ? null : MAIN_SESSION),
    attr: attrOf(rule),
    nth: rule.nth ?? 0,
    after,
    bytes: rule.bytes ?? null,
    delayTicks: rule.delay === undefined ? 0 : ticksOf(rule.delay),
  };
}

/** Where the call of a frame is when its session goes: at the first point where it may sleep, unless the plan says. */
function dropInKernel({ while: place }: Rule, { name, world }: RuleContext): InjectRule {
  const served = world.served!;
  const points =
    place === undefined ? INJECT_POINTS.filter(({ sleeps }) => sleeps).map((info) => info.name) : [place.point];
  const where: { -readonly [K in keyof InjectWhere]: InjectWhere[K] } = { points: points.map(pointByName) };
  if (place?.phase !== undefined) where.phase = PHASES.indexOf(place.phase);
  if (place?.page !== undefined) where.page = place.page;
  return {
    name,
    as: 'session_drop',
    where,
    attr: faultAttr({ times: -1 }),
    nth: place?.nth ?? 0,
    after: null,
    isReady: (context) => served.isDoomed(name, context),
    returns: {},
    bytes: 0,
    delayTicks: 0,
    *run(context) {
      served.dropIn(name, context);
    },
  };
}

function whereOf(rule: Rule, world: PlanWorld): InjectWhere {
  const points = asList(rule.point).map(pointByName);
  const isWide = rule.scope === 'machine' || (rule.scope === undefined && rule.process !== undefined);
  const where: { -readonly [K in keyof InjectWhere]: InjectWhere[K] } = { points };
  // Deviates from the kernel's knobs, which strike everybody: a rule is about one open file unless it says otherwise.
  // A selftest opens its own: the first file of a machine has the number 0.
  if (!isWide) where.file = world.devices.size > 0 ? world.device(rule.fd).file : 0;
  if (rule.phase !== undefined) where.phase = PHASES.indexOf(rule.phase as PhaseName);
  if (rule.process !== undefined) where.pid = world.process(rule.process).pid;
  if (rule.device !== undefined) where.device = rule.device;
  if (rule.command !== undefined) where.command = rule.command;
  if (rule.dialect !== undefined) where.dialect = dialectByName(rule.dialect)?.id ?? rule.dialect;
  if (rule.caller !== undefined) where.caller = functionsOf(rule.caller)!;
  if (rule.page !== undefined) where.page = rule.page;
  if (rule.on !== undefined || rule.pages !== undefined) {
    const { addr, npages } = world.range(rule);
    where.range = { start: addr, end: addr + npages * PAGE_SIZE };
  }
  if (rule.addresses !== undefined) where.range = overlap(addressesOf(rule.addresses), where.range);
  return where;
}

/** `0x1000-0x3000`. */
function addressesOf(text: string): { start: number; end: number } {
  const [start, end] = text.split('-').map(Number);
  return { start: start!, end: end! };
}

function overlap(
  a: { start: number; end: number },
  b: { start: number; end: number } | undefined,
): { start: number; end: number } {
  return b === undefined ? a : { start: Math.max(a.start, b.start), end: Math.min(a.end, b.end) };
}

/** Of several words in `return`, each point gives the first that it can. */
function returnsOf({ point, return: wanted }: Rule): InjectRule['returns'] {
  const returns: Partial<Record<InjectPointId, number>> = {};
  for (const name of asList(point)) {
    const word = returnAt(name, wanted);
    if (word !== undefined) returns[pointByName(name)] = INJECT_RETURNS[word as InjectReturn];
  }
  return returns;
}

/** Whoever acts has a thread for it, which is there before the rule strikes. */
function actionOf(step: Step, world: PlanWorld): InjectRule['run'] {
  if (step.do === 'drop') {
    const { name } = world.session(step.session);
    return function* () {
      world.dropSession(name);
    };
  }
  const process =
    step.do === 'kill' ? world.machine.createProcess() : world.process(step.process ?? ownerOf(step, world));
  const thread = process.addThread(world.machine.newPid());
  const call = world.callOf(step, thread);
  if (call.name === 'ioctlBytes') world.sync({ ...call, args: [call.args[0]!, 0, new Uint8Array(40)] });
  return function* () {
    yield* world.act(call);
  };
}

function ownerOf(step: Step, world: PlanWorld): string {
  if (step.device !== undefined) return world.device(step.device).process;
  return step.on === undefined ? 'p' : world.map(step.on).process;
}

/** Microseconds of virtual time. */
function ticksOf(delay: number | string): number {
  if (typeof delay === 'number') return delay;
  const found = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(delay);
  if (found === null) throw new PlanNameError(`'${delay}' is no time; write 5ms, 20us or 1s`);
  const unit = { us: 1, ms: TICKS_PER_MS, s: 1000 * TICKS_PER_MS }[found[2] as 'us' | 'ms' | 's'];
  return Math.ceil(Number(found[1]) * unit);
}
