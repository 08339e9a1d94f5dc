import { availableParallelism } from 'node:os';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';
import { junitXml } from '../report/junit.js';
import { KtapWriter } from '../report/ktap.js';
import type { CaseResult } from '../report/runner.js';
import { openTrace, type TraceOptions } from '../trace/trace-option.js';
import { workAll } from '../worker-pool.js';
import { exploreHtml } from './explore-html.js';
import { type HowExplored, isWrong, reportLines, type TestReport } from './explore-report.js';
import { type ExploreTask, workTogether } from './explore-worker.js';
import { type TokenWords, tokenWords } from './race-token.js';
import { witnessOf } from './witness.js';

/** What is done with many tests, and where what came of them goes. */
export interface ExploreRunOptions extends TraceOptions {
  readonly jobs?: number | undefined;
  readonly allowIncomplete: boolean;
  readonly json: boolean;
  readonly junit?: string | undefined;
  readonly html?: string | undefined;
}

/** Explores every test and says what came of it. The exit status. */
export async function exploreAll(
  all: readonly ExploreTask[],
  options: ExploreRunOptions & Pick<HowExplored, 'seed'>,
  output: Output,
): Promise<number> {
  const { seed } = options;
  const tasks = output.share.pick(all, {
    nameOf: ({ test, how }) => `${how.path} ${test.name}`,
    files: [...new Set(all.flatMap(({ test }) => test.file ?? []))],
  });
  const profile = [...new Set(all.map(({ how }) => how.profile))].join(', ');
  const junit = options.junit === undefined ? null : output.file('--junit', options.junit);
  const html = options.html === undefined ? null : output.file('--html', options.html);
  const trace = openTrace(options);
  const at = new Date();
  const ktap = options.json ? null : new KtapWriter(output.out);
  output.stop.watch();
  ktap?.open(tasks.length);
  const done = await reportsOf(tasks, options, output);
  const reports = tasks.flatMap((task) => done.get(task) ?? []);
  for (const report of reports) {
    if (ktap === null) output.out(JSON.stringify(report));
    else
      ktap.result({ status: isWrong(report) ? 'fail' : 'pass', name: report.test, diagnostics: reportLines(report) });
  }
  if (reports.length < tasks.length || reports.some(isCut)) ktap?.abandon('interrupted');
  junit?.write(junitXml(reports.map(asCase), { name: 'dmirror explore', at, properties: { profile, seed } }));
  html?.write(exploreHtml(reports, (words) => witnessOf(words)));
  if (trace !== null) for (const words of reports.flatMap(tokensOf)) witnessOf(words, { trace });
  trace?.end();
  return exitStatus(reports, options);
}

function isCut({ verdict }: TestReport): boolean {
  return verdict === 'interrupted';
}

/** A schedule of each finding, then of each outcome. */
function tokensOf({ problems, outcomes, file }: TestReport): TokenWords[] {
  return [...new Set([...problems, ...outcomes].flatMap(({ token }) => token ?? []))].map((token) =>
    tokenWords(token, file),
  );
}

/** 1 when something is wrong, else whether all came to their end; what must be reached may still be, whatever may be incomplete. */
function exitStatus(reports: readonly TestReport[], options: Pick<ExploreRunOptions, 'allowIncomplete'>): number {
  if (reports.some(isWrong)) return EXIT.fail;
  if (reports.some(({ problems }) => problems.length > 0)) return EXIT.incomplete;
  return options.allowIncomplete || reports.every(({ verdict }) => verdict === 'complete')
    ? EXIT.pass
    : EXIT.incomplete;
}

/** By task, of those that were done before it was told to stop. */
async function reportsOf(
  tasks: readonly ExploreTask[],
  options: Pick<ExploreRunOptions, 'jobs'>,
  output: Output,
): Promise<ReadonlyMap<ExploreTask, TestReport>> {
  let done = 0;
  let failed = 0;
  const { jobs = availableParallelism() } = options;
  // With fewer tests than cores all work at one test.
  const isTogether = tasks.length < jobs;
  return await workAll<ExploreTask, TestReport>({
    module: new URL('./explore-worker.js', import.meta.url),
    data: output.stop.flag,
    tasks,
    jobs: isTogether ? 1 : jobs,
    here: () => (task) => workTogether(task, isTogether ? jobs : 1, output),
    output,
    isWhole: (report) => !isCut(report),
    onResult: (_, report) => {
      done++;
      if (isWrong(report)) failed++;
      output.progress.update({ done, total: tasks.length, failed, name: report.test });
    },
  }).finally(() => output.progress.clear());
}

function asCase(report: TestReport): CaseResult {
  const base = { name: `explore.${report.test}`, suite: 'explore', path: report.path, ms: report.ms };
  if (!isWrong(report)) return { ...base, status: 'pass' };
  return {
    ...base,
    status: 'fail',
    message: report.problems.find(({ isOpen }) => isOpen !== true)!.what,
    diagnostics: reportLines(report),
  };
}

/** What names a schedule that comes to `wanted`, an outcome or the beginning of one. Throws UsageError. */
export async function witnessToken(
  tasks: readonly ExploreTask[],
  { wanted, jobs }: { wanted: string; jobs: number | undefined },
  output: Output,
): Promise<TokenWords> {
  const [task] = tasks;
  if (task === undefined || tasks.length > 1) throw new UsageError('--witness is of one test', 'name that one');
  const { test } = task;
  const report = (await reportsOf([task], { jobs }, output)).get(task);
  const { outcomes = [], schedules = 0, verdict = 'interrupted' } = report ?? {};
  const found =
    outcomes.find(({ outcome }) => outcome === wanted) ?? outcomes.find(({ outcome }) => outcome.startsWith(wanted));
  if (found !== undefined) return tokenWords(found.token, test.file);
  const reached = outcomes.map(({ outcome }) => `  ${outcome}`).join('\n');
  throw new UsageError(
    `${test.name} does not come to '${wanted}' in ${schedules} schedules, ${verdict === 'complete' ? 'and no other comes to anything else: the search is complete' : `and there are others: the search ended with '${verdict}'`}`,
    `it comes to\n${reached}`,
  );
}

/** Prints outcomes that one of two machines has and the other has not. The exit status. */
export async function exploreDiff(
  tasks: readonly (readonly [ExploreTask, ExploreTask])[],
  options: ExploreRunOptions & { readonly sides: readonly string[] },
  output: Output,
): Promise<number> {
  const reports = await reportsOf(tasks.flat(), options, output);
  let compared = 0;
  let differences = 0;
  const cut: string[] = [];
  for (const pair of tasks) {
    const [a, b] = pair.map((task) => reports.get(task));
    if (a === undefined || b === undefined) continue;
    compared++;
    for (const [report, side] of [
      [a, options.sides[0]],
      [b, options.sides[1]],
    ] as const)
      for (const { what, token } of report.problems)
        output.out(
          options.json
            ? JSON.stringify({ test: report.test, side, problem: what, token })
            : `${report.test}: ${side}: ${what}${token === undefined ? '' : `, ${token}`}`,
        );
    for (const [one, other, side] of [
      [a, b, options.sides[0]],
      [b, a, options.sides[1]],
    ] as const) {
      for (const { outcome, token } of one.outcomes) {
        if (other.outcomes.some((same) => same.outcome === outcome)) continue;
        differences++;
        output.out(
          options.json
            ? JSON.stringify({ test: one.test, only: side, outcome, token, verdict: other.verdict })
            : `${one.test}: only ${side}: ${outcome}, ${token}${other.verdict === 'complete' ? '' : ', as far as the other came'}`,
        );
      }
    }
    const searches = [a, b].map(({ verdict, schedules }, i) => ({ side: options.sides[i]!, verdict, schedules }));
    if (options.json) output.out(JSON.stringify({ test: a.test, compared: searches }));
    for (const { side, verdict, schedules } of searches)
      if (verdict !== 'complete') cut.push(`# ${a.test}: ${side}: ${verdict}, ${schedules} schedules`);
  }
  if (!options.json) {
    output.out(`${compared} tests, ${differences} outcomes that one side alone has`);
    if (cut.length > 0) output.out(`# ${cut.length} of ${2 * compared} explorations are not complete`);
    for (const line of cut) output.out(line);
    if (compared < tasks.length || [...reports.values()].some(isCut)) output.out('# interrupted');
  }
  return differences > 0 ? EXIT.fail : exitStatus([...reports.values()], options);
}
