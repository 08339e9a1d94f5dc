import { TICKS_PER_MS } from '../../driver/core/clock.js';
import { faultAttr } from '../../driver/core/fault-attr.js';
import type { FaultRule, FaultWhere } from '../../driver/core/fault-engine.js';
import { FAULT_POINTS, FAULT_RETURNS, type FaultPointId, PHASES } from '../../driver/core/fault-points.js';
import { asList, type Rule, returnAt, type Step } from './plan-types.js';
import { PlanNameError, type PlanWorld } from './plan-world.js';

const PAGE_SIZE = 4096;

/** The rules of a plan as the machine's engine takes them; names are looked up in what the setup made. */
export function compileRules(rules: readonly Rule[], world: PlanWorld): FaultRule[] {
  const compiled: FaultRule[] = [];
  const names = new Set<string>();
  const add = (rule: Rule, after: string | null): void => {
    const name = rule.name ?? `rule ${compiled.length + 1}`;
    if (names.has(name)) throw new PlanNameError(`two rules are called '${name}'`);
    const previous = rule.after ?? after;
    if (previous !== null && !names.has(previous))
      throw new PlanNameError(`rule '${name}' comes after '${previous}', which is not before it`);
    names.add(name);
    compiled.push(compile(rule, { name, after: previous, world }));
    for (const next of rule.then ?? []) add(next, name);
  };
  for (const rule of rules) add(rule, null);
  return compiled;
}

function compile(
  rule: Rule,
  { name, after, world }: { name: string; after: string | null; world: PlanWorld },
): FaultRule {
  const { probability, interval, times, space } = rule;
  const knobs = Object.fromEntries(
    Object.entries({ probability, interval, times, space }).filter(([, value]) => value !== undefined),
  );
  return {
    name,
    where: whereOf(rule, world),
    attr: faultAttr(knobs),
    nth: rule.nth ?? 0,
    after,
    returns: returnsOf(rule),
    bytes: rule.bytes ?? 0,
    delayTicks: rule.delay === undefined ? 0 : ticksOf(rule.delay),
    run: rule.run === undefined ? null : actionOf(rule.run, world),
  };
}

function whereOf(rule: Rule, world: PlanWorld): FaultWhere {
  const points = asList(rule.point).map(pointId);
  const isWide = rule.scope === 'machine' || (rule.scope === undefined && rule.process !== undefined);
  const where: { -readonly [K in keyof FaultWhere]: FaultWhere[K] } = { points };
  // Deviates from the kernel's knobs, which strike everybody: a rule is about one open file unless it says otherwise.
  // A selftest opens its own: the first file of a machine has the number 0.
  if (!isWide) where.file = world.devices.size > 0 ? world.device(rule.fd).file : 0;
  if (rule.phase !== undefined) where.phase = PHASES.indexOf(rule.phase);
  if (rule.process !== undefined) where.pid = world.process(rule.process).pid;
  if (rule.device !== undefined) where.device = rule.device;
  if (rule.command !== undefined) where.command = rule.command;
  if (rule.dialect !== undefined) where.dialect = rule.dialect;
  if (rule.page !== undefined) where.page = rule.page;
  if (rule.on !== undefined || rule.pages !== undefined) {
    const { addr, npages } = world.range(rule);
    where.range = { start: addr, end: addr + npages * PAGE_SIZE };
  }
  return where;
}

function pointId(name: string): FaultPointId {
  return FAULT_POINTS.findIndex((info) => info.name === name) as FaultPointId;
}

/** Of several words in `return`, each point gives the first that it can. */
function returnsOf({ point, return: wanted }: Rule): FaultRule['returns'] {
  const returns: Partial<Record<FaultPointId, number>> = {};
  for (const name of asList(point)) {
    const word = returnAt(name, wanted);
    if (word !== undefined) returns[pointId(name)] = FAULT_RETURNS[word];
  }
  return returns;
}

/** Whoever acts has a thread for it, which is there before the rule strikes. */
function actionOf(step: Step, world: PlanWorld): FaultRule['run'] {
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
  return Number(found[1]) * unit;
}
