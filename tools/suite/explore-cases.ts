// Cases of the suite under many schedules. Each runs from the boot of its machines, with whoever can go on picked as the strategy wants.

import type { DueEvent } from '../../driver/core/scheduler.js';
import type { Task } from '../../driver/core/task.js';
import { Director } from '../../driver/explore/director.js';
import { type ExploreOptions, strategyOf } from '../../driver/explore/explore.js';
import { type Exploration, Explorer, type Result } from '../../driver/explore/explorer.js';
import { livelockFinding } from '../../driver/explore/race-finding.js';
import type { ProfileName } from '../../driver/mm/profile.js';
import { inProcess, MachinePool } from '../../index.js';
import type { SelftestCase } from '../../tests/selftests/case.js';
import { atScale } from '../../tests/selftests/scale.js';
import type { PathName } from '../../uapi/path-name.js';
import { EXIT, UsageError } from '../exit-code.js';
import { replayCommand } from '../glob.js';
import type { Output } from '../output.js';
import { KtapWriter } from '../report/ktap.js';
import { runCase } from '../report/runner.js';
import { CASE, MACHINE, SEED, type TokenMachine } from '../token/parts.js';
import { SCHEDULE } from '../token/schedule.js';
import { TokenKind } from '../token/token.js';
import type { TraceFile } from '../trace/trace-file.js';

/** All that one schedule of a case depends on. */
interface CaseId extends TokenMachine {
  readonly name: string;
  readonly seed: number;
  readonly choices: readonly number[];
}

/** `dm2:case:CASE:MACHINE:SEED:SCHEDULE:CHECK` */
const CASE_TOKEN = new TokenKind<CaseId>('case', [CASE, MACHINE, SEED, SCHEDULE]);

export interface ExploreCasesOptions extends Pick<ExploreOptions, 'strategy' | 'budget'> {
  readonly paths: readonly PathName[];
  readonly profile: ProfileName;
  readonly seed: number;
  readonly timeoutMs: number;
  readonly json: boolean;
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

/** Explores every case on every path and prints what came of it. The exit status. */
export async function exploreCases(
  cases: readonly SelftestCase[],
  options: ExploreCasesOptions,
  output: Output,
): Promise<number> {
  const { paths, profile, seed, timeoutMs, json } = options;
  const stop = output.stop.watch();
  const jobs = paths.flatMap((path) => cases.map((testCase) => ({ path, testCase })));
  const ktap = json ? null : new KtapWriter(output.out);
  ktap?.open(jobs.length);
  const verdicts: (string | null)[] = [];
  let failed = 0;
  for (const [done, { path, testCase }] of jobs.entries()) {
    if (await stop.look()) break;
    output.progress.update({ done, total: jobs.length, failed, name: `${path} ${testCase.name}` });
    const explored = await exploreCase(testCase, { path, profile, seed, timeoutMs }, { ...options, stop });
    output.progress.clear();
    const name = `${path}.${testCase.name}`;
    const problems = (explored?.findings ?? []).map(({ message, witness }) => ({
      what: message,
      token: CASE_TOKEN.write({ name: testCase.name, path, profile, seed, choices: witness }),
    }));
    if (problems.length > 0) failed++;
    verdicts.push(explored?.verdict ?? null);
    const { verdict = 'skip', schedules = 0, inequivalent = 0 } = explored ?? {};
    if (ktap === null) output.out(JSON.stringify({ name, verdict, schedules, inequivalent, problems }));
    else if (explored === null) ktap.result({ status: 'skip', name });
    else
      ktap.result({
        status: problems.length > 0 ? 'fail' : 'pass',
        name,
        diagnostics: [
          `${verdict}, ${schedules} schedules (${inequivalent} inequivalent)`,
          ...problems.flatMap(({ what, token }) => [what, `  replay: ${replayCommand(token)}`]),
        ],
      });
  }
  if (verdicts.length < jobs.length) ktap?.abandon('interrupted');
  if (failed > 0) return EXIT.fail;
  if (verdicts.every((verdict) => verdict === null)) return EXIT.skip;
  // Drawn schedules are as many as were asked for; no search was cut off.
  const isDrawn = options.strategy === 'random' || options.strategy === 'pct';
  return isDrawn || verdicts.every((verdict) => verdict === null || verdict === 'complete')
    ? EXIT.pass
    : EXIT.incomplete;
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
