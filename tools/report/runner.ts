import { inspect } from 'node:util';
import { CheckError, type SelftestCase, SkipError } from '../../tests/selftests/case.js';
import type { Transport } from '../../uapi/client/transport.js';
import type { PathName } from '../../uapi/path-name.js';
import { shellQuote } from '../glob.js';

/** How one case ended on one path. */
export interface CaseResult {
  readonly name: string;
  /** The end of the name that is one word, where that has dots in it. */
  readonly method?: string;
  readonly suite: string;
  readonly path: PathName;
  readonly status: 'pass' | 'fail' | 'skip';
  readonly ms: number;
  /** Why it was skipped. */
  readonly reason?: string;
  /** The failure in one line, and in full as lines for a report. */
  readonly message?: string;
  readonly diagnostics?: readonly string[];
  readonly expected?: string;
  readonly actual?: string;
  /** The one command that runs this case again the same way. */
  readonly rerun?: string;
}

export interface RunOptions {
  readonly seed: number;
  readonly path: PathName;
  /** Boots a machine; given the case's options with the seed and path already filled in, and for whom it is. */
  boot(options: object, name: string): Transport | Promise<Transport>;
  /** Wall time in milliseconds after which a case counts as hung. */
  readonly timeoutMs: number;
  readonly now: () => number;
  /** Told what a case that fails threw. */
  readonly onFailure?: (error: unknown) => void;
}

/** Runs one case on a machine of its own, closes what it booted, and says how it ended. Never throws. */
export async function runCase(testCase: SelftestCase, options: RunOptions): Promise<CaseResult> {
  const { seed, path } = options;
  leaveBehind();
  const booted: Transport[] = [];
  const boot = async (own: object = {}): Promise<Transport> => {
    const transport = await options.boot({ seed, path, ...own }, `${path} ${testCase.name}`);
    booted.push(transport);
    return transport;
  };
  const start = options.now();
  let error: unknown;
  try {
    await withTimeout(testCase.run({ boot, seed, path }), options.timeoutMs);
    // Closing is where a machine reports what it should not have kept, so it is part of the case.
    for (const transport of booted.splice(0)) await transport.close();
    // Work that never waits gives the timer no turn.
    const ms = options.now() - start;
    if (ms > options.timeoutMs) throw new Error(`it took ${ms / 1000} s, more than ${options.timeoutMs / 1000} s`);
  } catch (thrown) {
    error = thrown ?? new Error(`the case threw ${String(thrown)}`);
  }
  for (const transport of booted) await transport.close().catch(() => undefined);
  const base = { name: testCase.name, suite: testCase.suite, path, ms: options.now() - start };
  if (error === undefined) return { ...base, status: 'pass' };
  if (isNamed(error, SkipError)) return { ...base, status: 'skip', reason: (error as Error).message };
  options.onFailure?.(error);
  return { ...base, ...describeFailure(error, testCase.name, { seed, path }) };
}

let isLeftBehind = false;

/** A case that fails half way leaves calls behind whose errors nobody waits for, some until after its run. */
function leaveBehind(): void {
  if (!isLeftBehind) process.on('unhandledRejection', () => {});
  isLeftBehind = true;
}

/** The command that reruns one case with the same seed on the same path. */
function rerunCommand(name: string, at: { seed: number; path: PathName }): string {
  return `npx --no-install dmirror selftest -t ${shellQuote(name)} --path ${at.path} --seed ${at.seed}`;
}

function describeFailure(error: unknown, name: string, at: { seed: number; path: PathName }) {
  const message = error instanceof Error ? error.message : String(error);
  const rerun = rerunCommand(name, at);
  const lines = [`${name} failed: ${message}`];
  const values: { expected?: string; actual?: string } = {};
  if (isNamed(error, CheckError)) {
    const check = error as CheckError;
    values.expected = show(check.expected);
    values.actual = show(check.actual);
    lines.push(`  expected: ${values.expected}`, `  actual:   ${values.actual}`);
  }
  lines.push(...stackLines(error), `  seed: ${at.seed}, path: ${at.path}`, `  rerun: ${rerun}`);
  return {
    status: 'fail' as const,
    message,
    ...values,
    rerun,
    diagnostics: lines.flatMap((line) => line.split('\n')),
  };
}

/** By class or by name: a case compiled apart from the runner has its own copy of the class. */
function isNamed(error: unknown, type: typeof SkipError | typeof CheckError): boolean {
  return error instanceof type || (error instanceof Error && error.name === type.name);
}

/** Numbers also in hexadecimal, as an address or a record's flags read better that way. */
function show(value: unknown): string {
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) > 9) {
    return `${value} (${value < 0 ? '-' : ''}0x${Math.abs(value).toString(16)})`;
  }
  return inspect(value, { depth: 4, maxArrayLength: 64, breakLength: 100 });
}

/** The few innermost frames that are not node's or this runner's: where the case stood when it failed. */
function stackLines(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  const frames = error.stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !/node:|[/\\](runner|suite-run)\.[jt]s/.test(line));
  return frames.slice(0, 4).map((line) => `  ${line.trim()}`);
}

async function withTimeout(work: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hung = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no result after ${ms / 1000} s: a call never finished`)), ms);
  });
  try {
    await Promise.race([work, hung]);
  } finally {
    clearTimeout(timer);
  }
}
