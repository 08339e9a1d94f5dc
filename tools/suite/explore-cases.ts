// Cases of the suite under many schedules. Each runs from the boot of its machines, with whoever can go on picked as the strategy wants.

import { availableParallelism } from 'node:os';
import type { DueEvent } from '../../driver/core/scheduler.js';
import type { Task } from '../../driver/core/task.js';
import { Director } from '../../driver/explore/director.js';
import { type ExploreOptions, strategyOf } from '../../driver/explore/explore.js';
import { type Exploration, Explorer } from '../../driver/explore/explorer.js';
import { livelockFinding } from '../../driver/explore/race-finding.js';
import type { Result } from '../../driver/explore/tally.js';
import type { ProfileName } from '../../driver/mm/profile.js';
import { inProcess, MachinePool } from '../../index.js';
import type { SelftestCase } from '../../tests/selftests/case.js';
import { atScale } from '../../tests/selftests/scale.js';
import type { PathName } from '../../uapi/path-name.js';
import { EXIT, UsageError } from '../exit-code.js';
import { schedulesText } from '../explore/explore-report.js';
import { replayCommand } from '../glob.js';
import type { Output } from '../output.js';
import { KtapWriter } from '../report/ktap.js';
import { type ResultFileOptions, resultFiles } from '../report/result-files.js';
import { type CaseResult, runCase } from '../report/runner.js';
import { CASE, MACHINE, SEED, type TokenMachine } from '../token/parts.js';
import { SCHEDULE } from '../token/schedule.js';
import { TokenKind } from '../token/token.js';
import type { TraceFile } from '../trace/trace-file.js';
import { workAll } from '../worker-pool.js';

/** All that one schedule of a case depends on. */
interface CaseId extends TokenMachine {
  readonly name: string;
  readonly seed: number;
  readonly choices: readonly number[];
}

/** `dm2:case:CASE:MACHINE:SEED:SCHEDULE:CHECK` */
const CASE_TOKEN = new TokenKind<CaseId>('case', [CASE, MACHINE, SEED, SCHEDULE]);

export interface ExploreCasesOptions extends Pick<ExploreOptions, 'strategy' | 'budget'>, ResultFileOptions {
  readonly paths: readonly PathName[];
  readonly profile: ProfileName;
  readonly seed: number;
  readonly timeoutMs: number;
  readonly json: boolean;
  /** Cases that run at once; one for each core unless given. */
  readonly jobs?: number | undefined;
}

type CaseRun = Omit<CaseId, 'choices' | 'name'> & { readonly timeoutMs?: number; readonly trace?: TraceFile | null };

/** A case goes on to its end where the strategy has given its schedule up, as nobody could tell it. */
class CaseDirector extends Director {
  override pick(runnable: readonly Task[]): number {
    const place = super.pick(runnable);
    if (!this.isGivenUp) return place;
    this.ends();
    return 0;
  }

  override due(events: readonly DueEvent[], runnable: readonly Task[]): number {
    const place = super.due(events, runnable);
    if (!this.isGivenUp) return place;
    this.ends();
    return super.due(events, runnable);
  }
}

/** What a case comes to under the schedules of `options`; null when it is skipped. */
async function exploreCase(
  testCase: SelftestCase,
  run: CaseRun,
  { stop, ...options }: ExploreOptions & { readonly stop?: Output['stop'] },
): Promise<Exploration | null> {
  const director = new CaseDirector(strategyOf(options));
  const pool = new MachinePool();
  const explorer = new Explorer(director).run(options.budget ?? 1, () => stop?.isRequested === true);
  let next = explorer.next();
  while (!next.done) {
    await stop?.look();
    const result = await oneSchedule(testCase, run, { director, pool });
    if (result === null) return null;
    next = explorer.next(result);
  }
  return next.value;
}

async function oneSchedule(
  testCase: SelftestCase,
  { path, profile, seed, timeoutMs = Number.POSITIVE_INFINITY, trace = null }: CaseRun,
  { director, pool }: { director: Director; pool: MachinePool },
): Promise<Result | null> {
  const boot = (own: object, name: string) => {
    const transport = inProcess({ checkInvariants: 'touched', profile, ...own, scheduler: director }, pool);
    const { kernel } = transport.machine;
    kernel.scheduler.wantsFine = true;
    if (trace === null) kernel.observe(director);
    else trace.listen(transport.machine, { name });
    return transport;
  };
  director.begins();
  const how = { seed, path, boot, timeoutMs: Math.min(timeoutMs, LONGEST_MS), now: () => performance.now() };
  // Each schedule is one round of a case that has several.
  const ended = await atScale({ schedules: 1 }, () => runCase(testCase, how));
  director.ends();
  if (ended.status === 'skip') return null;
  if (director.isGivenUp) return { findings: director.strategy.isLivelock === true ? [livelockFinding()] : [] };
  if (ended.status === 'pass') return { outcome: 'pass', findings: [] };
  return { outcome: 'fail', findings: [{ kind: 'check', message: ended.message ?? 'it fails', functions: [] }] };
}

/** What a timer can wait. */
const LONGEST_MS = 2 ** 31 - 1;

/** One case on one path. */
export interface CaseTask extends Omit<CaseRun, 'trace'>, Pick<ExploreOptions, 'strategy' | 'budget'> {
  readonly name: string;
  readonly timeoutMs: number;
}

export interface CaseReport {
  readonly name: string;
  readonly path: PathName;
  /** `skip`: the case has nothing to do on this machine. */
  readonly verdict: Exploration['verdict'] | 'skip';
  readonly schedules: number;
  readonly inequivalent?: number;
  readonly problems: readonly { readonly what: string; readonly token: string }[];
  readonly ms: number;
}

/** What a case comes to; `stop` ends it between two schedules. */
export async function caseReport(
  cases: readonly SelftestCase[],
  { name, path, profile, seed, timeoutMs, strategy, budget }: CaseTask,
  stop?: Output['stop'],
): Promise<CaseReport> {
  const begun = performance.now();
  const testCase = cases.find((one) => one.name === name)!;
  const how = { ...(strategy && { strategy }), ...(budget && { budget }), ...(stop && { stop }), seed };
  const explored = await exploreCase(testCase, { path, profile, seed, timeoutMs }, how);
  const { verdict = 'skip', schedules = 0, inequivalent, findings = [] } = explored ?? {};
  const problems = findings.map(({ message, witness }) => ({
    what: message,
    token: CASE_TOKEN.write({ name, path, profile, seed, choices: witness }),
  }));
  const ms = performance.now() - begun;
  return {
    name: `${path}.${name}`,
    path,
    verdict,
    schedules,
    ...(inequivalent !== undefined && { inequivalent }),
    problems,
    ms,
  };
}

/** Explores every case on every path and prints what came of it. The exit status. */
export async function exploreCases(
  cases: readonly SelftestCase[],
  options: ExploreCasesOptions,
  output: Output,
): Promise<number> {
  const { paths, json, strategy, budget, profile, seed, timeoutMs } = options;
  const how = { profile, seed, timeoutMs, ...(strategy && { strategy }), ...(budget && { budget }) };
  const tasks = paths.flatMap((path) => cases.map(({ name }): CaseTask => ({ name, path, ...how })));
  const writeFiles = resultFiles(options, output);
  const ktap = json ? null : new KtapWriter(output.out);
  ktap?.open(tasks.length);
  const stop = output.stop.watch();
  let failed = 0;
  let done = 0;
  const reports = await workAll<CaseTask, CaseReport>({
    module: new URL('./explore-cases-worker.js', import.meta.url),
    data: null,
    tasks,
    jobs: options.jobs ?? availableParallelism(),
    here: () => (task) => caseReport(cases, task, stop),
    output,
    onResult: (_, { name, problems }) => {
      if (problems.length > 0) failed++;
      output.progress.update({ done: ++done, total: tasks.length, failed, name });
    },
  }).finally(() => output.progress.clear());
  const results = tasks.flatMap((task) => reports.get(task) ?? []);
  for (const report of results) {
    if (ktap === null) output.out(JSON.stringify(report));
    else ktap.result({ ...statusOf(report), name: report.name, diagnostics: linesOf(report) });
  }
  if (results.length < tasks.length) ktap?.abandon('interrupted');
  writeFiles(results.map(asResult), { name: 'dmirror selftest --explore', properties: { seed, profile } });
  return statusOfAll(results, strategy);
}

function statusOfAll(results: readonly CaseReport[], strategy: ExploreOptions['strategy']): number {
  if (results.some(({ problems }) => problems.length > 0)) return EXIT.fail;
  if (results.every(({ verdict }) => verdict === 'skip')) return EXIT.skip;
  // Drawn schedules are as many as were asked for; no search was cut off.
  const isDrawn = strategy === 'random' || strategy === 'pct';
  return isDrawn || results.every(({ verdict }) => verdict === 'skip' || verdict === 'complete')
    ? EXIT.pass
    : EXIT.incomplete;
}

function statusOf({ verdict, problems }: CaseReport): { status: CaseResult['status'] } {
  if (problems.length > 0) return { status: 'fail' };
  return { status: verdict === 'skip' ? 'skip' : 'pass' };
}

function linesOf({ problems, ...report }: CaseReport): string[] {
  if (report.verdict === 'skip') return [];
  const counts = `${report.verdict}, ${schedulesText(report)}`;
  return [counts, ...problems.flatMap(({ what, token }) => [what, `  replay: ${replayCommand(token)}`])];
}

function asResult(report: CaseReport): CaseResult {
  const { name, path, ms, problems } = report;
  const [first] = problems;
  return {
    ...statusOf(report),
    ...{ name: name.slice(path.length + 1), suite: 'explore', path, ms, diagnostics: linesOf(report) },
    ...(first && { message: first.what, rerun: replayCommand(first.token) }),
  };
}

/** Runs a case again under the schedule of a token, and says how it ends. The exit status. */
export async function replayCase(
  token: string,
  cases: readonly SelftestCase[],
  { trace, out }: { trace: TraceFile | null; out: Output['out'] },
): Promise<number> {
  const { name, choices, ...run } = CASE_TOKEN.read(token);
  const testCase = cases.find((one) => one.name === name);
  if (testCase === undefined)
    throw new UsageError(
      `part 'case' of the token: there is no case '${name}'`,
      'see the names with `dmirror selftest --list`',
    );
  const explored = await exploreCase(testCase, { ...run, trace }, { strategy: 'replay', choices, budget: 1 });
  trace?.end();
  if (typeof explored?.misfit === 'string')
    throw new UsageError(`part 'schedule' of the token: ${explored.misfit}`, 'explore the case anew');
  const [finding] = explored?.findings ?? [];
  out(finding === undefined ? `${name} passes` : `${name} fails: ${finding.message}`);
  return finding === undefined ? EXIT.pass : EXIT.fail;
}
