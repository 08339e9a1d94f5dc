import { guestSyscalls, type Tier } from '../../driver/guest/index.js';
import type { InvariantChecks } from '../../driver/sys/machine/machine-options.js';
import type { PathName } from '../../uapi/path-name.js';
import { NodeHost, readProgram } from '../exec/exec-host.js';
import { runSchedules } from '../exec/exec-schedules.js';
import { runProgram } from '../exec/run-program.js';
import { EXIT, UsageError } from '../exit-code.js';
import { checkHugePages } from '../huge-pages.js';
import { dialectOption, profileOfDialect, profileOption } from '../kernel-profile.js';
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
  readonly tier: Tier;
  /** What is proved whenever no thread is inside the kernel, and at the end. */
  readonly invariants: InvariantChecks;
  /** Seconds of wall time; undefined: no end. */
  readonly timeout: number | undefined;
  readonly env: readonly string[];
  /** So many drawn schedules instead of one, up to the first that fails. */
  readonly schedules: number | undefined;
  /** The machine of a daemon instead of one of its own. */
  readonly socket: string | undefined;
}

/** `dmirror exec`: runs a static RV64 Linux program and returns its exit status. */
export async function exec(
  binary: string,
  args: readonly string[],
  options: ExecOptions,
  output: Output,
): Promise<number> {
  endWithParent();
  const deadline = performance.now() + (options.timeout ?? Number.POSITIVE_INFINITY) * 1000;
  const { dialect, env, seed, timeout, schedules, tier } = options;
  checkHugePages(options);
  const known = dialectOption(dialect);
  const profile = options.profile === undefined ? profileOfDialect(known) : profileOption(options.profile);
  const setup = { ...options, profile, args };
  if (schedules !== undefined) {
    if (options.trace !== undefined)
      throw new UsageError('--trace is for one schedule', 'it is for `explore replay` too');
    return await runSchedules(binary, setup, { count: schedules, seed, timeout, deadline, tier }, output);
  }
  const program = readProgram(binary, { args, env });
  if (options.socket !== undefined) {
    const { execOnSocket } = await import('../exec/exec-client.js');
    return await execOnSocket(options.socket, { ...program, dialect }, options);
  }
  const trace = openTrace(options, 'json');
  const host = new NodeHost(options.strace);
  return await runProgram(program, { setup, seed, scheduler: 'random', host, timeout, deadline, trace, tier });
}

/** A program of a suite, which has a channel to it, does not go on without it. */
function endWithParent(): void {
  if (process.connected === undefined) return;
  process.once('disconnect', () => process.exit(EXIT.signal));
  process.channel?.unref();
  // It was gone before anybody listened.
  if (!process.connected) process.exit(EXIT.signal);
}

/** `dmirror exec --syscalls`: the table of system calls. */
export function listSyscalls(out: (line: string) => void): void {
  for (const [number, { name, note }] of Object.entries(guestSyscalls)) {
    out(`${number.padStart(4)}  ${name.padEnd(20)} ${note}`);
  }
}
