import { emptyMachine } from '../../../driver/check/index.js';
import { waitReport } from '../../../driver/sys/machine/wait-report.js';
import type { Thread } from '../../../driver/sys/processes/thread.js';
import { endSessions } from '../wire/served-transport.js';
import { WireRules } from '../wire/wire-rules.js';
import { allSteps } from './plan-check.js';
import type { Issued } from './plan-door.js';
import { checkExpect, checkFired, checkSessions, type StatsBefore } from './plan-expect.js';
import { compileRules } from './plan-rules.js';
import type { Plan, Step } from './plan-schema.js';
import { MAIN_SESSION, madeBy } from './plan-words.js';
import { LostNameError, type PlanWorld, pattern, type StepCall } from './plan-world.js';

interface Place {
  readonly label: string;
  readonly before: StatsBefore;
}

/** What a plan expects of a call that never returns. */
const STUCK = 'stuck';

/** What it is about was never made. */
const LOST: Issued = { result: null, error: 'lost' };

/** Setup without faults, then the steps with them, then proof that nothing is left. */
export class PlanRun {
  readonly failures: string[] = [];

  /** A call never returns, as the plan expects: its process can't go either. */
  private isHeldUp = false;

  constructor(
    private readonly plan: Plan,
    readonly world: PlanWorld,
    private readonly onArmed: () => void,
  ) {}

  all(seed: number): void {
    const { plan, world } = this;
    for (const [i, step] of (plan.setup ?? []).entries()) this.setUp(step, `setup ${i + 1} (${step.do})`);
    if (this.isOver) return;
    this.arm(seed);
    for (const [i, step] of (plan.steps ?? []).entries()) {
      if (!this.isOver) this.step(step, `step ${i + 1} (${step.do})`);
    }
    world.machine.kernel.inject.disarm();
    const compare = (what: string, wanted: unknown, got: unknown): void => {
      if (wanted !== undefined && wanted !== got)
        this.failures.push(`at the end: ${what}: expected ${wanted}, got ${got}`);
    };
    checkFired(plan.expect ?? {}, world, compare);
    checkSessions(plan.expect ?? {}, world, compare);
    if (!this.isOver && !this.isHeldUp) this.tearDown();
  }

  private arm(seed: number): void {
    const { world, plan } = this;
    const { inject } = world.machine.kernel;
    const later = allSteps(plan.steps ?? []).filter((step) => step.do === 'session');
    const sessions = [MAIN_SESSION, ...later.map(madeBy), ...(world.served?.sessions.keys() ?? [])];
    const { kernel, wire } = compileRules(plan.rules ?? [], world, sessions);
    inject.arm(kernel, { seed });
    if (world.served !== null) world.served.rules = new WireRules(wire, inject, seed);
    this.onArmed();
  }

  private get isOver(): boolean {
    return this.world.watch.violations.length > 0;
  }

  private setUp(step: Step, label: string): void {
    const issued = this.step(step, label);
    if (issued !== null && (issued.result === null || issued.result.ret < 0)) this.failures.push(`${label} failed`);
  }

  /** Null for a step that is several. */
  private step(step: Step, label: string): Issued | null {
    const { walks, resumptions, remoteFaults } = this.world.machine.stats;
    const place: Place = { label, before: { walks, resumptions, remoteFaults } };
    let issued: Issued | null = null;
    if (step.do === 'together') this.together(step.steps ?? [], place);
    else {
      issued = this.single(step);
      this.judge(step, issued, place);
    }
    this.lookAtSessions(step, label);
    this.world.watch.checkAll(label);
    return issued;
  }

  private single(step: Step): Issued {
    const { world } = this;
    try {
      return this.call(step);
    } catch (error) {
      if (!(error instanceof LostNameError)) throw error;
      world.lose(madeBy(step));
      return LOST;
    }
  }

  private call(step: Step): Issued {
    const { world } = this;
    const prepared = world.prepare(step);
    if (prepared !== null) return prepared;
    if (step.do === 'write' && step.value !== undefined) this.fillMirror(step, step.value);
    const call = world.callOf(step, this.threadOf(step));
    const issued = world.sync(call);
    if (issued.result !== null) call.done?.(issued.result);
    if (step.do === 'fork' && (issued.result?.ret ?? -1) < 0) world.lose(madeBy(step));
    return issued;
  }

  private fillMirror(step: Step, value: number): void {
    const { world } = this;
    const { addr, mirror, npages } = world.range(step);
    const { inject } = world.machine.kernel;
    const wasArmed = inject.armed;
    inject.armed = false;
    const bytes = pattern(value, { on: world.map(step.on).addr, addr, npages });
    world.sync({ thread: this.threadOf(step), name: 'store', args: [mirror, bytes] });
    inject.armed = wasArmed;
  }

  /** All at once, each from a thread of its own; their expectations are looked at when all are done. */
  private together(steps: readonly Step[], place: Place): void {
    const { world } = this;
    const calls = steps.map((step) => ({ step, call: this.threadCall(step) }));
    const all = calls.map(({ step, call }) => ({ step, call, issued: call === null ? LOST : world.issue(call) }));
    world.run();
    for (const { step, call, issued } of all) {
      if (issued.result !== null) call?.done?.(issued.result);
      this.judge(step, issued, { ...place, label: `${place.label}, ${step.do}` });
    }
  }

  /** The call of a step from a thread of its own; null when its process, or what it is about, was never made. */
  private threadCall(step: Step): StepCall | null {
    const { world } = this;
    try {
      return world.callOf(step, this.threadOf(step).process.addThread(world.machine.newPid()));
    } catch (error) {
      if (error instanceof LostNameError) return null;
      throw error;
    }
  }

  /** What came of one call, against what was expected. */
  private judge(step: Step, issued: Issued, { label, before }: Place): void {
    const { world } = this;
    const isStuck = issued.result === null && issued.error === null;
    if (isStuck && step.expect?.error === STUCK) this.isHeldUp = true;
    else if (isStuck)
      world.watch.violated('stuck', `${step.do} never returned: ${this.blockedText()}`, { after: label });
    if (step.expect === undefined || this.isOver) return;
    const ended = isStuck ? { result: null, error: STUCK } : issued;
    const wrong = checkExpect(step.expect, { step, issued: ended, world, before });
    this.failures.push(...wrong.map((line) => `${label}: ${line}`));
  }

  /** Who waits for what, and who holds it: a run that has nothing to do says so. */
  private blockedText(): string {
    const { machine } = this.world;
    return (
      waitReport(machine, machine.kernel.scheduler.run().blocked).replaceAll('\n', '; ') || 'nobody waits for anything'
    );
  }

  /** A session that no rule struck and no step dropped has lost nothing and heard no complaint that was not expected. */
  private lookAtSessions(step: Step, label: string): void {
    const { watch, served } = this.world;
    const expected = new Set(allSteps([step]).map(({ expect }) => expect?.error));
    for (const { name, isStruck, isOver, complaints } of served?.sessions.values() ?? []) {
      const unexpected = complaints.splice(0).find((code) => !expected.has(code));
      if (isStruck || this.isOver) continue;
      if (unexpected !== undefined)
        watch.violated('session', `session ${name} got the error ${unexpected}, but nothing struck it`, {
          after: label,
        });
      else if (isOver && !this.mayEnd(step, name))
        watch.violated('session', `session ${name} has ended, but nothing struck it`, { after: label });
    }
  }

  private mayEnd(step: Step, name: string): boolean {
    if (this.plan.expect?.sessions?.[name] === 'ended') return true;
    return allSteps([step]).some(({ expect }) => expect?.session === 'ended' || expect?.sessions?.[name] === 'ended');
  }

  private threadOf(step: Step): Thread {
    const { world } = this;
    if (step.process !== undefined) return world.process(step.process).main;
    if (step.device !== undefined) return world.process(world.device(step.device).process).main;
    return world.process(step.on === undefined ? 'p' : world.map(step.on).process).main;
  }

  private tearDown(): void {
    const { machine, watch, served } = this.world;
    if (served !== null) {
      endSessions(served, watch);
      return;
    }
    try {
      emptyMachine(machine, watch, 'the end');
    } catch (error) {
      watch.caught(error, 'the exit of all processes');
    }
  }
}
