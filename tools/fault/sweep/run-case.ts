import { emptyMachine, type Violation } from '../../../driver/check/index.js';
import type { DefectName } from '../../../driver/inject/defects.js';
import type { Fired, InjectRule, SiteCount } from '../../../driver/inject/inject-engine.js';
import type { MachineOptions } from '../../../driver/sys/machine/machine-options.js';
import type { MachinePool } from '../../../driver/sys/machine/machine-pool.js';
import type { SelftestCase } from '../../../tests/selftests/case.js';
import type { PathName } from '../../../uapi/path-name.js';
import { Boots, type Checkpoint } from './checkpoint.js';
import { DRAIN, type WatchedTransport } from './watched-transport.js';

/** How one run of a case under faults ended. */
export interface Outcome {
  /** `fail`: the case saw an error, which an injected fault may well cause. Only violations are findings. */
  readonly status: 'pass' | 'fail' | 'skip' | 'stuck';
  readonly message: string;
  readonly violations: readonly Violation[];
  readonly fired: readonly Fired[];
  readonly sites: readonly SiteCount[];
}

export interface CaseRun {
  readonly path: PathName;
  /** Of each machine, whatever the case asks for. */
  readonly machine: Partial<MachineOptions>;
  readonly seed: number;
  readonly rules?: readonly InjectRule[];
  readonly counts?: boolean;
  readonly defects?: readonly DefectName[];
  /** Also look at the stack where a fault strikes; yes unless said. */
  readonly tracesPaths?: boolean;
  /** Sees each machine's transport as soon as it is booted. */
  readonly onBoot?: (transport: WatchedTransport) => void;
  /** Begin here. The machines stay whose they are. */
  readonly from?: Checkpoint;
  /** Told the machines whenever the case calls while they are all at rest, and how often it did so before. */
  readonly onRest?: (rest: number, booted: readonly WatchedTransport[]) => void;
}

/** Runs one case with rules armed on each machine that it boots; proves everything at its end, and after its processes' exit. */
export async function runUnderFaults(pool: MachinePool, testCase: SelftestCase, run: CaseRun): Promise<Outcome> {
  const { path, seed, rules = [], from } = run;
  if (from !== undefined) {
    for (const snapshot of from.snapshots) snapshot.restore();
    for (const { machine } of from.watches) machine.kernel.inject.resume(rules);
  }
  const boots = new Boots(pool, run);
  const { booted } = boots;
  // A case that fails half way leaves calls behind whose errors nobody waits for.
  process.on('unhandledRejection', ignore);
  const ended = await endOf(testCase.run({ boot: boots.boot, seed, path }), booted);
  await new Promise<void>((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', ignore);
  const violations: Violation[] = [];
  const fired: Fired[] = [];
  const sites: SiteCount[] = [];
  for (const [i, transport] of booted.entries()) {
    const { inject } = transport.machine.kernel;
    tearDown(transport);
    sites.push(...inject.siteCounts());
    fired.push(...inject.fired);
    violations.push(...transport.watch.violations);
    transport.retire();
    // A machine that broke is dropped.
    if (i >= (from?.watches.length ?? 0) && transport.watch.violations.length === 0) pool.give(transport.machine);
  }
  return { ...ended, violations, fired, sites };
}

function ignore(): void {}

/** How a case ends on these transports, which may be joined by others. */
export async function endOf(
  work: Promise<void>,
  booted: readonly { readonly activity: number }[],
): Promise<{ status: Outcome['status']; message: string }> {
  const guard = new StuckGuard(booted);
  try {
    const isStuck = await Promise.race([work.then(() => false), guard.wait()]);
    return { status: isStuck ? 'stuck' : 'pass', message: isStuck ? 'a call never returned' : '' };
  } catch (error) {
    const message = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    const isSkip = error instanceof Error && error.name === 'SkipError';
    return { status: isSkip ? 'skip' : 'fail', message };
  } finally {
    guard.stop();
  }
}

/** Nothing is left to run and nobody issues calls any more, but some have not returned. */
class StuckGuard {
  private isStopped = false;

  constructor(private readonly booted: readonly { readonly activity: number }[]) {}

  stop(): void {
    this.isStopped = true;
  }

  /** Resolves to true when stuck. A case that is alive issues its next call in a microtask, so two turns of the loop say it. */
  async wait(): Promise<boolean> {
    let seen = -1;
    let quiet = 0;
    while (!this.isStopped) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const activity = this.booted.reduce((sum, { activity }) => sum + activity, 0);
      quiet = activity === seen ? quiet + 1 : 0;
      seen = activity;
      if (quiet > 8) return true;
    }
    return false;
  }
}

/** What a call may wait for without anybody being to blame: another call of the program. */
const PATIENT = /^(letGo|child of|pipe|poll|eventfd)/;

/** Looks at everything, lets the processes exit without faults, and looks again. */
function tearDown({ machine, watch }: WatchedTransport): void {
  const { inject } = machine.kernel;
  inject.disarm();
  if (watch.violations.length > 0) return;
  const { busyCount } = machine.kernel.scheduler;
  if (busyCount > 0) {
    for (const { task, currentCall } of machine.allThreads()) {
      const what = task.waitingOn?.what;
      // A device page that a fault keeps from leaving holds RELEASE up, as it would in Linux (Q13).
      const isHeldUp = what === DRAIN && inject.fired.some(({ command }) => command === 'RELEASE');
      if (what === undefined || PATIENT.test(what) || isHeldUp) continue;
      watch.violated('stuck', `${currentCall?.name} of ${task.name} waits for ${what} for ever`, { after: 'the end' });
    }
    return;
  }
  watch.checkAll('the end of the case');
  if (watch.violations.length > 0) return;
  try {
    emptyMachine(machine, watch, 'exit');
  } catch (error) {
    watch.caught(error, 'exit');
  }
}
