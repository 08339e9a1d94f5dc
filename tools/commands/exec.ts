import { PctPolicy } from '../../driver/explore/index.js';
import { GuestSystem, guestSyscalls, hangReport, type ProgramRequest } from '../../driver/guest/index.js';
import type { ProfileName } from '../../driver/mm/profile.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import { MachineError } from '../../driver/sys/machine/machine-error.js';
import type { InvariantChecks, MachineOptions } from '../../driver/sys/machine/machine-options.js';
import { waitReport } from '../../driver/sys/machine/wait-report.js';
import type { Process } from '../../driver/sys/processes/process.js';
import { sendSignal } from '../../driver/sys/processes/send-signal.js';
import { dialectByName, dialectIds } from '../../uapi/dialect.js';
import type { PathName } from '../../uapi/path-name.js';
import { SIGHUP, SIGINT, SIGTERM, WEXITSTATUS, WIFEXITED, WTERMSIG } from '../../uapi/signal.js';
import { NodeHost, readProgram } from '../exec/exec-host.js';
import { type PctSchedule, parseSchedule, runSchedules } from '../exec/exec-schedules.js';
import { OutputError, UsageError } from '../exit-code.js';
import { checkHugePages } from '../huge-pages.js';
import { profileOfDialect, profileOption } from '../kernel-profile.js';
import type { Output } from '../output.js';
import { openTrace } from '../trace/trace-option.js';

export interface ExecOptions {
  readonly dialect: string;
  readonly path: PathName;
  /** Undefined: of the kernels that the dialect is of. */
  readonly profile: string | undefined;
  readonly seed: number;
  readonly ram: number;
  readonly hugepages: number;
  readonly swap: number;
  /** A file for every event of the machine. */
  readonly trace: string | undefined;
  readonly traceFormat?: string | undefined;
  readonly strace: boolean;
  /** What is proved whenever no thread is inside the kernel, and at the end. */
  readonly invariants: InvariantChecks;
  /** Seconds of wall time; undefined: no end. */
  readonly timeout: number | undefined;
  readonly env: readonly string[];
  /** So many drawn schedules instead of one, up to the first that fails; or the one that such a run named. */
  readonly schedules: number | undefined;
  readonly schedule: string | undefined;
  /** The machine of a daemon instead of one of its own. */
  readonly socket: string | undefined;
}

/** Steps of the machine between two looks at the world outside. */
const TURN_STEPS = 2000;
/** As timeout(1) has it. */
const EXIT_TIMEOUT = 124;
const EXIT_HUNG = 125;
const EXIT_SIGNAL = 128;

/** `dmirror exec`: runs a static RV64 Linux program and returns its exit status. */
export async function exec(
  binary: string,
  args: readonly string[],
  options: ExecOptions,
  output: Output,
): Promise<number> {
  const deadline = performance.now() + (options.timeout ?? Number.POSITIVE_INFINITY) * 1000;
  const { dialect } = options;
  checkHugePages(options);
  const known = dialectByName(dialect);
  if (known === undefined) {
    throw new UsageError(`there is no dialect '${dialect}'`, `they are: ${dialectIds().join(', ')}`);
  }
  const profile = options.profile === undefined ? profileOfDialect(known) : profileOption(options.profile);
  if (options.socket !== undefined) {
    const { execOnSocket } = await import('../exec/exec-client.js');
    return await execOnSocket(options.socket, readProgram(binary, args, options.env), options);
  }
  const request = { ...readProgram(binary, args, options.env), dialect };
  const run = (scheduler: MachineOptions['scheduler'], host: NodeHost): Promise<number> =>
    runProgram(request, { options, profile, scheduler, host, deadline });
  if (options.schedules !== undefined) {
    if (options.trace !== undefined)
      throw new UsageError('--trace is for one schedule', 'repeat the one with --schedule');
    const command = [...optionWords(options), binary, ...args];
    return await runSchedules(run, { count: options.schedules, seed: options.seed, command }, output);
  }
  const policy = options.schedule === undefined ? 'random' : policyOf(parseSchedule(options.schedule));
  return await run(policy, new NodeHost(options.strace));
}

function policyOf(schedule: PctSchedule): PctPolicy {
  return new PctPolicy(schedule.seed, schedule);
}

/** What of the options decides how the program runs, as words of a command. */
function optionWords({ dialect, path, profile, ram, swap, hugepages, env, invariants }: ExecOptions): string[] {
  const words = ['--dialect', dialect, '--path', path, '--invariants', invariants];
  if (profile !== undefined) words.push('--profile', profile);
  words.push('--ram', String(ram));
  if (swap > 0) words.push('--swap', String(swap));
  if (hugepages > 0) words.push('--hugepages', String(hugepages));
  return [...words, ...env.flatMap((entry) => ['--env', entry])];
}

interface ProgramRun {
  readonly options: ExecOptions;
  readonly profile: ProfileName;
  readonly scheduler: MachineOptions['scheduler'];
  readonly host: NodeHost;
  readonly deadline: number;
}

/** One run on a machine of its own; the exit status. */
async function runProgram(
  request: ProgramRequest,
  { options, profile, scheduler, host, deadline }: ProgramRun,
): Promise<number> {
  const machine = new Machine({
    seed: scheduler instanceof PctPolicy ? scheduler.seed : options.seed,
    path: options.path,
    profile,
    ramBytes: options.ram,
    swapBytes: options.swap,
    hugePages: options.hugepages,
    scheduler,
    stepLimit: TURN_STEPS,
    checkInvariants: options.invariants,
  });
  machine.kernel.scheduler.isPreemptive = true;
  machine.kernel.scheduler.wantsFine = scheduler instanceof PctPolicy;
  const trace = openTrace(options, 'json');
  trace?.listen(machine);
  const system = new GuestSystem(machine);
  const process = system.spawn(request, host);
  const signals = new ForwardedSignals(process);
  try {
    const status = await runToEnd(system, process, { host, signals, timeout: options.timeout, deadline });
    if (options.invariants !== 'off' && machine.kernel.scheduler.busyCount === 0) machine.checkInvariants();
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

/** The program's process group gets the signals that we get, as at a terminal; a second one ends us too. */
class ForwardedSignals {
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
    if (this.count++ > 0) process.exit(EXIT_SIGNAL + signo);
    const { target } = this;
    for (const member of target.machine.allProcesses()) if (member.pgid === target.pgid) sendSignal(member, signo);
    for (const resolve of this.waiters.splice(0)) resolve();
  }
}

/** `dmirror exec --syscalls`: the table of system calls. */
export function listSyscalls(out: (line: string) => void): void {
  for (const [number, { name, note }] of Object.entries(guestSyscalls)) {
    out(`${number.padStart(4)}  ${name.padEnd(20)} ${note}`);
  }
}
