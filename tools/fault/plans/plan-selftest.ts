import { MachinePool } from '../../../driver/sys/machine/machine-pool.js';
import type { SelftestCase } from '../../../tests/selftests/case.js';
import type { PathName } from '../../../uapi/path-name.js';
import { casesByName } from '../sweep/cases.js';
import { endOf, runUnderFaults } from '../sweep/run-case.js';
import { limitsOf, Served } from '../wire/served.js';
import { endSessions, ServedTransport } from '../wire/served-transport.js';
import { WireRules } from '../wire/wire-rules.js';
import { givenOptions, profileOf } from './plan-machine.js';
import { isServed } from './plan-parts.js';
import { compileRules } from './plan-rules.js';
import type { PlanOutcome, PlanRunOptions } from './plan-run.js';
import type { Plan } from './plan-schema.js';
import { MAIN_SESSION } from './plan-words.js';
import { PlanNameError, PlanWorld } from './plan-world.js';

interface CaseOutcome extends Omit<PlanOutcome, 'failures'> {
  readonly status: string;
  readonly message: string;
}

/** A case of the suite, unchanged, under the rules of a plan. They are armed on each machine that it boots. */
export async function runSelftestPlan(plan: Plan, run: PlanRunOptions): Promise<PlanOutcome> {
  const testCase = casesByName(profileOf(plan.machine)).get(plan.selftest!);
  if (testCase === undefined) throw new PlanNameError(`there is no selftest '${plan.selftest}'`);
  const outcome = isServed(plan) ? await runServed(plan, testCase, run) : await runDirect(plan, testCase, run);
  const { ret, error, fired = {} } = plan.expect ?? {};
  const { status, message, violations } = outcome;
  const failures: string[] = [];
  const hasFailed = status !== 'pass' && status !== 'skip';
  if (ret === 0 && hasFailed) failures.push(`the selftest fails: ${message}`);
  if (error !== undefined && error !== (hasFailed ? message.split(':')[0] : 'none'))
    failures.push(`error: expected ${error}, the selftest ends with: ${message || status}`);
  for (const [name, count] of Object.entries(fired)) {
    const got = outcome.fired.filter(({ rule }) => rule === name).length;
    if (got !== count) failures.push(`rule '${name}' fired: expected ${count}, got ${got}`);
  }
  return { failures, violations, fired: outcome.fired };
}

async function runDirect(plan: Plan, testCase: SelftestCase, run: PlanRunOptions): Promise<CaseOutcome> {
  const { pool, path, seed, defects, onMachine } = run;
  const empty = pool.take();
  const { kernel } = compileRules(plan.rules ?? [], new PlanWorld(empty));
  pool.give(empty);
  return await runUnderFaults(pool, testCase, {
    path,
    machine: givenOptions(plan.machine),
    seed,
    rules: kernel,
    defects,
    onBoot: ({ machine, watch }) => onMachine?.({ machine, watch, served: null }),
  });
}

/** Frames that a case sends when its machines are served. */
export async function framesOf(testCase: SelftestCase, path: PathName): Promise<number> {
  const booted: ServedTransport[] = [];
  const run = { path, seed: 1, defects: [], pool: new MachinePool() };
  await runServed({ name: 'frames' }, testCase, run, booted);
  return booted.reduce((sum, { served }) => sum + served.sessions.get(MAIN_SESSION)!.frames, 0);
}

/** Each machine is served, and the case is the client of one session of it. */
async function runServed(
  plan: Plan,
  testCase: SelftestCase,
  run: PlanRunOptions,
  booted: ServedTransport[] = [],
): Promise<CaseOutcome> {
  const { path, seed, defects, onMachine } = run;
  const boot = async (options: object = {}): Promise<ServedTransport> => {
    const machine = { checkInvariants: 'touched' as const, ...options, ...givenOptions(plan.machine), seed, path };
    const served = new Served({ machine, limits: limitsOf(plan.machine ?? {}) });
    const { inject, defects: planted } = served.machine.kernel;
    for (const name of defects) planted[name] = true;
    const world = new PlanWorld(served.machine, served);
    const { kernel, wire } = compileRules(plan.rules ?? [], world, [MAIN_SESSION]);
    inject.arm(kernel, { seed });
    served.rules = new WireRules(wire, inject, seed);
    const transport = new ServedTransport(served, world.watch);
    booted.push(transport);
    onMachine?.({ machine: served.machine, watch: world.watch, served });
    served.open(MAIN_SESSION);
    return transport;
  };
  const ignore = (): void => {};
  process.on('unhandledRejection', ignore);
  const ended = await endOf(testCase.run({ boot, seed, path }), booted);
  await new Promise<void>((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', ignore);
  for (const { served, watch } of booted) endSessions(served, watch);
  const violations = booted.flatMap(({ watch }) => watch.violations);
  return { ...ended, violations, fired: booted.flatMap(({ served }) => [...served.machine.kernel.inject.fired]) };
}
