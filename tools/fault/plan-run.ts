import type { DefectName } from '../../driver/core/defects.js';
import type { Fired } from '../../driver/core/fault-engine.js';
import type { MachineOptions } from '../../driver/sys/machine-options.js';
import type { PathName } from '../../tests/selftests/case.js';
import { allCases } from '../../tests/selftests/index.js';
import type { CallResult } from '../../uapi/client/transport.js';
import { MachinePool } from './machine-pool.js';
import { checkExpect, checkFired, type StatsBefore } from './plan-expect.js';
import { compileRules } from './plan-rules.js';
import { checkPlan } from './plan-schema.js';
import type { Plan, PlanMachine, Step } from './plan-types.js';
import { PlanNameError, PlanWorld } from './plan-world.js';
import { runUnderFaults } from './run-case.js';
import type { Violation } from './watch.js';

const MIB = 2 ** 20;

export interface PlanResult {
  readonly name: string;
  readonly path: PathName;
  readonly seed: number;
  readonly status: 'pass' | 'fail';
  /** What was expected and did not come, with its step. */
  readonly failures: readonly string[];
  readonly violations: readonly Violation[];
  readonly fired: readonly Fired[];
}

export interface PlanOptions {
  readonly path: PathName;
  readonly seed?: number | undefined;
  readonly defects?: readonly DefectName[];
  /** Machines of earlier runs; results do not depend on it. */
  readonly pool?: MachinePool;
}

/** Runs one plan on one path. Throws PlanNameError for a name that nothing has; a wrong plan object is an Error. */
export async function runPlan(
  plan: Plan,
  { path, seed = plan.machine?.seed ?? 1, defects = [], pool = new MachinePool() }: PlanOptions,
): Promise<PlanResult> {
  const errors = checkPlan(plan);
  if (errors.length > 0) throw new Error(errors.map((e) => `${e.path.join('.')}: ${e.message}`).join('\n'));
  if (plan.selftest !== undefined) return await runSelftestPlan(plan, { pool, path, seed, defects });
  const options = { ...optionsOf(plan.machine ?? {}), seed, path };
  const pooled = pool.take(options, { rules: [], counts: false, defects });
  const { machine } = pooled;
  machine.kernel.faults.disarm();
  const run = new PlanRun(plan, new PlanWorld(machine));
  run.all(seed);
  const { failures, world } = run;
  const { violations } = world.watch;
  const status = failures.length + violations.length > 0 ? 'fail' : 'pass';
  const fired = [...machine.kernel.faults.fired];
  pool.give(pooled, violations.length === 0);
  return { name: plan.name, path, seed, status, failures, violations, fired };
}

async function runSelftestPlan(
  plan: Plan,
  { pool, path, seed, defects }: { pool: MachinePool; path: PathName; seed: number; defects: readonly DefectName[] },
): Promise<PlanResult> {
  const testCase = allCases().find(({ name }) => name === plan.selftest);
  if (testCase === undefined) throw new PlanNameError(`there is no selftest '${plan.selftest}'`);
  const empty = pool.take({}, { rules: [], counts: false, defects: [] });
  const rules = compileRules(plan.rules ?? [], new PlanWorld(empty.machine));
  pool.give(empty, true);
  const outcome = await runUnderFaults(pool, testCase, { path, seed, rules, defects });
  const failures: string[] = [];
  const wanted = plan.expect?.ret;
  const hasFailed = outcome.status !== 'pass' && outcome.status !== 'skip';
  if (wanted === 0 && hasFailed) failures.push(`the selftest fails: ${outcome.message}`);
  for (const [name, count] of Object.entries(plan.expect?.fired ?? {})) {
    const got = outcome.fired.filter(({ rule }) => rule === name).length;
    if (got !== count) failures.push(`rule '${name}' fired: expected ${count}, got ${got}`);
  }
  const { violations, fired } = outcome;
  const status = failures.length + violations.length > 0 ? 'fail' : 'pass';
  return { name: plan.name, path, seed, status, failures, violations, fired };
}

function optionsOf({ scheduler, coherent, swap_mib, ram_mib, huge_pages, thp }: PlanMachine): Partial<MachineOptions> {
  return {
    ramBytes: (ram_mib ?? 64) * MIB,
    swapBytes: (swap_mib ?? 4) * MIB,
    hugePages: huge_pages ?? 0,
    coherent: coherent ?? true,
    thpEnabled: thp ?? 'madvise',
    scheduler: scheduler ?? 'round-robin',
    checkInvariants: 'touched',
  };
}

/** Setup without faults, then the steps with them. */
class PlanRun {
  readonly failures: string[] = [];

  constructor(
    private readonly plan: Plan,
    readonly world: PlanWorld,
  ) {}

  all(seed: number): void {
    const { plan, world } = this;
    const { faults } = world.machine.kernel;
    for (const [i, step] of (plan.setup ?? []).entries()) this.step(step, `setup ${i + 1} (${step.do})`, true);
    if (this.isOver) return;
    faults.arm(compileRules(plan.rules ?? [], world), { seed });
    for (const [i, step] of (plan.steps ?? []).entries()) {
      if (!this.isOver) this.step(step, `step ${i + 1} (${step.do})`, false);
    }
    faults.disarm();
    checkFired(plan.expect ?? {}, world, (what, wanted, got) => {
      if (wanted !== got) this.failures.push(`at the end: ${what}: expected ${wanted}, got ${got}`);
    });
    if (!this.isOver) this.tearDown();
  }

  private get isOver(): boolean {
    return this.world.watch.violations.length > 0;
  }

  private step(step: Step, label: string, mustSucceed: boolean): void {
    const { world } = this;
    const { walks, resumptions, remoteFaults } = world.machine.stats;
    const before: StatsBefore = { walks, resumptions, remoteFaults };
    const result = step.do === 'together' ? this.together(step.steps ?? [], label) : this.single(step);
    if (result === null && step.do !== 'together')
      world.watch.violated('stuck', `${step.do} never returned`, { after: label });
    if (mustSucceed && (result === null || result.ret < 0)) this.failures.push(`${label} failed`);
    if (step.expect !== undefined && !this.isOver) {
      const wrong = checkExpect(step.expect, { step, result, world, before });
      this.failures.push(...wrong.map((line) => `${label}: ${line}`));
    }
    world.watch.checkAll(label);
  }

  private single(step: Step): CallResult | null {
    const { world } = this;
    const prepared = world.prepare(step);
    if (prepared !== null) return prepared;
    const thread = this.threadOf(step);
    if (step.do === 'write' && step.value !== undefined) this.fillMirror(step, step.value);
    const call = world.callOf(step, thread);
    const result = world.sync(call);
    if (result !== null) call.done?.(result);
    return result;
  }

  private fillMirror(step: Step, value: number): void {
    const { world } = this;
    const { mirror, npages } = world.range(step);
    const words = new Uint32Array((npages * 4096) / 4);
    for (let i = 0; i < npages; i++) words.fill(value + i, i * 1024, (i + 1) * 1024);
    const { faults } = world.machine.kernel;
    const wasArmed = faults.armed;
    faults.armed = false;
    world.sync({ thread: this.threadOf(step), name: 'store', args: [mirror, new Uint8Array(words.buffer)] });
    faults.armed = wasArmed;
  }

  /** All at once, each from a thread of its own; their expectations are looked at when all are done. */
  private together(steps: readonly Step[], label: string): CallResult | null {
    const { world } = this;
    const before: StatsBefore = { ...world.machine.stats };
    const issued = steps.map((step) => {
      const process = this.threadOf(step).process;
      const call = world.callOf(step, process.addThread(world.machine.newPid()));
      return { step, call, running: world.issue(call) };
    });
    world.run();
    for (const { step, call, running } of issued) {
      const result = running.result ?? null;
      if (result === null) world.watch.violated('stuck', `${step.do} never returned`, { after: label });
      else call.done?.(result);
      if (step.expect === undefined || this.isOver) continue;
      const wrong = checkExpect(step.expect, { step, result, world, before });
      this.failures.push(...wrong.map((line) => `${label}, ${step.do}: ${line}`));
    }
    return { ret: 0 };
  }

  private threadOf(step: Step) {
    const { world } = this;
    if (step.process !== undefined) return world.process(step.process).main;
    if (step.device !== undefined) return world.process(world.device(step.device).process).main;
    return world.process(step.on === undefined ? 'p' : world.map(step.on).process).main;
  }

  private tearDown(): void {
    const { machine, watch } = this.world;
    try {
      for (const process of machine.allProcesses()) {
        if (process.state === 'running' && process.exitStatus === null) machine.call(process.main, 'exit', 0);
      }
      machine.checkInvariants();
    } catch (error) {
      watch.caught(error, 'the exit of all processes');
    }
  }
}
