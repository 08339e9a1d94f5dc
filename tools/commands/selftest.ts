import { availableParallelism } from 'node:os';
import type { StrategyName } from '../../driver/explore/index.js';
import { type ProfileName, profileByName } from '../../driver/mm/profile.js';
import type { SelftestCase } from '../../tests/selftests/case.js';
import { allCases } from '../../tests/selftests/index.js';
import type { PathName } from '../../uapi/path-name.js';
import { EXIT, UsageError } from '../exit-code.js';
import { globToRegExp, shellQuote } from '../glob.js';
import { dialectOption, profileOption } from '../kernel-profile.js';
import { nearestNames } from '../nearest.js';
import type { Output } from '../output.js';
import { pathsOf } from '../path-option.js';
import { JsonReporter, KtapReporter, type Totals } from '../report/report.js';
import { type ResultFileOptions, resultFiles } from '../report/result-files.js';
import { machinesAt, type SuiteMachines, spawnMachines } from '../suite/served-machines.js';
import { type Lane, runSuite, totals } from '../suite/suite-run.js';
import type { TraceFile } from '../trace/trace-file.js';
import { openTrace } from '../trace/trace-option.js';

export interface SelftestOptions extends ResultFileOptions {
  readonly list: boolean;
  readonly test: readonly string[];
  /** Run the cases that this matches under `budget` schedules each. */
  readonly explore?: string | undefined;
  readonly strategy?: StrategyName;
  readonly budget?: number;
  readonly seed: number;
  readonly path: PathName | undefined;
  /** Through the socket of daemons that the command starts, or of one that runs. */
  readonly daemon: boolean;
  readonly connect: string | undefined;
  /** Daemons that the command starts, each for one case at a time; undefined: as many as there are cores. */
  readonly jobs: number | undefined;
  readonly dialect: string;
  /** Whose kernel's semantics the machines have. */
  readonly profile: string;
  readonly json: boolean;
  readonly trace?: string | undefined;
  readonly traceFormat?: string | undefined;
  /** After which calls the machine proves itself consistent. */
  readonly invariants: 'off' | 'touched' | 'all';
  /** Seconds of wall time a case may take. */
  readonly timeout: number;
}

/** `dmirror selftest`: runs the suite, or lists it, and returns the exit status. */
export async function selftest(
  options: SelftestOptions,
  output: Output,
  cases: readonly SelftestCase[] | undefined = undefined,
): Promise<number> {
  const profile = profileOption(options.profile);
  const { deviceThp } = profileByName(profile)!;
  const chosen = selectCases(
    cases ?? allCases({ deviceThp }),
    options.explore === undefined ? options.test : [...options.test, options.explore],
  );
  if (options.daemon && options.connect !== undefined)
    throw new UsageError('--daemon and --connect exclude each other', 'a daemon is either started or there already');
  if (options.list) {
    for (const { name, suite } of chosen) output.out(options.json ? JSON.stringify({ name, suite }) : name);
    return EXIT.pass;
  }
  if (options.explore !== undefined) {
    const { exploreCases } = await import('../suite/explore-cases.js');
    const how = { ...options, profile, paths: pathsOf(options.path), timeoutMs: options.timeout * 1000 };
    return await exploreCases(chosen, how, output);
  }
  const writeFiles = resultFiles(options, output);
  if (options.trace !== undefined && (options.daemon || options.connect !== undefined))
    throw new UsageError(
      '--trace is for machines in this process',
      'leave --daemon and --connect out, or watch with `dmirror trace`',
    );
  const trace = openTrace(options);
  const reporter = options.json ? new JsonReporter(output.out) : new KtapReporter(output.out);
  const started = output.now();
  const paths = pathsOf(options.path);
  const caseCount = chosen.length * paths.length;
  const machines = await machinesFor({ ...options, profile }, caseCount, { trace, output });
  const results = await runSuite(chosen, reporter, {
    seed: options.seed,
    paths,
    timeoutMs: options.timeout * 1000,
    lanes: machines.lanes,
    now: output.now,
    progress: output.progress,
    stop: output.stop.watch(),
    share: output.share,
    memory: output.memory,
  }).finally(() => machines.end());
  trace?.end();
  writeFiles(results, { name: 'dmirror selftest', properties: { seed: options.seed, profile } });
  const sum = totals(results);
  output.err(summary(sum, output.now() - started));
  if (sum.fail > 0) return EXIT.fail;
  // What a shard skipped is not everything.
  return sum.skip === caseCount ? EXIT.skip : EXIT.pass;
}

/** Where the cases' machines are: in this process, or behind a socket. */
async function machinesFor(
  options: SelftestOptions & { readonly profile: ProfileName },
  caseCount: number,
  { trace, output }: { trace: TraceFile | null; output: Output },
): Promise<SuiteMachines> {
  const { profile } = options;
  const dialect = dialectOption(options.dialect).id;
  if (options.daemon) {
    const jobs = options.jobs ?? Math.min(MAX_DEFAULT_JOBS, availableParallelism());
    const { children } = output.memory;
    return await spawnMachines({ count: Math.min(jobs, caseCount), dialect, profile, children });
  }
  if ((options.jobs ?? 1) > 1)
    throw new UsageError('--jobs above 1 is for cases in daemons of their own', 'add --daemon');
  if (options.connect !== undefined) return await machinesAt(options.connect, { dialect, profile });
  // Not needed where the machines are behind a socket, and half of what there is to load.
  const { inProcess, MachinePool } = await import('../../index.js');
  const pool = new MachinePool();
  const boot: Lane = (own, name) => {
    const transport = inProcess({ checkInvariants: options.invariants, dialect, profile, ...own }, pool);
    trace?.listen(transport.machine, { name });
    return transport;
  };
  return { lanes: [boot], end: async () => undefined };
}

/** All daemons have one client, this process, which has enough to do with so many. */
const MAX_DEFAULT_JOBS = 4;

/** The cases that any of the patterns matches, in suite order; no pattern means all. */
function selectCases(cases: readonly SelftestCase[], globs: readonly string[]): readonly SelftestCase[] {
  for (const glob of globs) {
    const pattern = globToRegExp(glob);
    if (!cases.some((c) => pattern.test(c.name))) throw noMatch(cases, glob);
  }
  const patterns = globs.map(globToRegExp);
  const chosen = patterns.length === 0 ? cases : cases.filter((c) => patterns.some((p) => p.test(c.name)));
  if (chosen.length === 0) throw new UsageError('the suite has no cases', 'rebuild with `npm run build`');
  return chosen;
}

function noMatch(cases: readonly SelftestCase[], glob: string): UsageError {
  const wider = `*${glob.replace(/^\*+|\*+$/g, '')}*`;
  const near = cases.filter((c) => globToRegExp(wider).test(c.name)).length;
  const list = 'see the names with `dmirror selftest --list`';
  const names = cases.map(({ name }) => name);
  const likely = [...nearestNames(glob, names), ...nearestNames(lastPart(glob), names.map(lastPart))].slice(0, 3);
  const hint =
    near > 0 ? `-t ${shellQuote(wider)} matches ${near}` : likely.length === 0 ? '' : `nearest: ${likely.join(', ')}`;
  return new UsageError(
    `no case matches '${glob}' (a pattern matches the whole name)`,
    [hint, list].filter(Boolean).join('; '),
  );
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function summary(sum: Totals, ms: number): string {
  return `${sum.pass} passed, ${sum.fail} failed, ${sum.skip} skipped in ${(ms / 1000).toFixed(2)} s`;
}
