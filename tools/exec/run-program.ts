import { PctPolicy } from '../../driver/explore/index.js';
import { GuestSystem, hangReport, type ProgramRequest, type Tier } from '../../driver/guest/index.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import { MachineError } from '../../driver/sys/machine/machine-error.js';
import type { MachineOptions } from '../../driver/sys/machine/machine-options.js';
import { waitReport } from '../../driver/sys/machine/wait-report.js';
import type { Process } from '../../driver/sys/processes/process.js';
import { sendSignal } from '../../driver/sys/processes/send-signal.js';
import { DEFAULT_DIALECT } from '../../uapi/dialect.js';
import { SIGHUP, SIGINT, SIGTERM, signalName, WEXITSTATUS, WIFEXITED, WTERMSIG } from '../../uapi/signal.js';
import { OutputError } from '../exit-code.js';
import type { TraceFile } from '../trace/trace-file.js';
import type { NodeHost } from './exec-host.js';
import type { GuestSetup } from './guest-token.js';

/** Steps of the machine between two looks at the world outside. */
const TURN_STEPS = 2000;
/** As timeout(1) has it. */
const EXIT_TIMEOUT = 124;
const EXIT_HUNG = 125;
const EXIT_SIGNAL = 128;

/** How a program is run. */
export interface ProgramRun {
  readonly setup: Omit<GuestSetup, 'args' | 'env'>;
  readonly seed: number;
  readonly scheduler: MachineOptions['scheduler'];
  readonly host: NodeHost;
  /** Seconds of wall time, and when they are over. */
  readonly timeout?: number | undefined;
  readonly deadline?: number;
  readonly tier?: Tier;
  /** Closed at the end. */
  readonly trace?: TraceFile | null;
  /** Sees the machine before the program is on it. */
  readonly onMachine?: (machine: Machine) => void;
}

/** One run on a machine of its own; the exit status. */
export async function runProgram(request: Omit<ProgramRequest, 'dialect'>, run: ProgramRun): Promise<number> {
  const { setup, seed, scheduler, host, trace = null, timeout, deadline = Number.POSITIVE_INFINITY } = run;
  const { dialect = DEFAULT_DIALECT, path, profile, ram, swap, hugepages, invariants } = setup;
  const machine = new Machine({
    seed,
    path,
    profile,
    ramBytes: ram,
    swapBytes: swap,
    hugePages: hugepages,
    scheduler,
    stepLimit: TURN_STEPS,
    checkInvariants: invariants,
  });
  machine.kernel.scheduler.isPreemptive = true;
  machine.kernel.scheduler.wantsFine = scheduler instanceof PctPolicy;
  trace?.listen(machine);
  run.onMachine?.(machine);
  const system = new GuestSystem(machine);
  system.hart.tier = run.tier ?? 'wasm';
  const process = system.spawn({ ...request, dialect }, host);
  const signals = new ForwardedSignals(process);
  try {
    const status = await runToEnd(system, process, { host, signals, timeout, deadline });
    if (invariants !== 'off' && machine.kernel.scheduler.busyCount === 0) machine.checkInvariants();
    return status;
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
    // What the program writes goes where ours goes.
    if (error.cause instanceof OutputError) throw error.cause;
    return gaveUp(system, host, `the machine broke: ${error.message}`, EXIT_HUNG);
  } finally {
    signals.stop();
    host.input.close();
    trace?.end();
    host.reportRefused();
  }
}

interface RunContext {
  readonly host: NodeHost;
  readonly signals: ForwardedSignals;
  readonly timeout: number | undefined;
  readonly deadline: number;
}

async function runToEnd(system: GuestSystem, process: Process, context: RunContext): Promise<number> {
  const { host, signals, timeout, deadline } = context;
  while (process.state === 'running') {
    if (performance.now() > deadline) return gaveUp(system, host, `no end after ${timeout} s`, EXIT_TIMEOUT);
    const { last } = signals;
    if (last !== null) return gaveUp(system, host, `ended by a second signal, ${signalName(last)}`, EXIT_SIGNAL + last);
    const { reason, blocked } = system.machine.run();
    if (process.state !== 'running') break;
    const isStuck = reason !== 'step-limit';
    if (host.input.isWanted && (isStuck || !host.input.isInteractive)) {
      await Promise.race([host.input.arrived(), signals.next(), until(deadline)]);
    } else if (isStuck) {
      const waiting = waitReport(system.machine, blocked);
      return gaveUp(system, host, `the program hangs: nothing can run any more\n${waiting}`, EXIT_HUNG);
    }
    await new Promise((done) => setImmediate(done));
  }
  const status = process.exitStatus ?? 0;
  return WIFEXITED(status) ? host.statusOf(WEXITSTATUS(status)) : EXIT_SIGNAL + WTERMSIG(status);
}

/** Resolves a moment behind `deadline`, and keeps no process alive. */
function until(deadline: number): Promise<void> {
  if (deadline === Number.POSITIVE_INFINITY) return new Promise(() => {});
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, deadline - performance.now()) + 1).unref();
  });
}

function gaveUp(system: GuestSystem, host: NodeHost, why: string, status: number): number {
  host.say(`dmirror exec: ${why}`);
  host.say(hangReport(system));
  return status;
}

/** The program's process group gets the signals that we get, as at a terminal; a second one ends the run, a third one us. */
class ForwardedSignals {
  /** What ends the run. */
  last: number | null = null;
  private count = 0;
  private waiters: (() => void)[] = [];
  private readonly onInt = (): void => this.forward(SIGINT);
  private readonly onTerm = (): void => this.forward(SIGTERM);
  private readonly onHup = (): void => this.forward(SIGHUP);

  constructor(private readonly target: Process) {
    process.on('SIGINT', this.onInt).on('SIGTERM', this.onTerm).on('SIGHUP', this.onHup);
  }

  /** Resolves with the next one. */
  next(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  stop(): void {
    process.off('SIGINT', this.onInt).off('SIGTERM', this.onTerm).off('SIGHUP', this.onHup);
  }

  private forward(signo: number): void {
    if (this.count++ > 1) process.exit(EXIT_SIGNAL + signo);
    if (this.count > 1) this.last = signo;
    const { target } = this;
    for (const member of target.machine.allProcesses()) if (member.pgid === target.pgid) sendSignal(member, signo);
    for (const resolve of this.waiters.splice(0)) resolve();
  }
}
