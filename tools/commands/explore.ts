import { availableParallelism } from 'node:os';
import type { StrategyName } from '../../driver/explore/index.js';
import type { PathName } from '../../uapi/path-name.js';
import { EXIT, UsageError } from '../exit-code.js';
import { reportLines, type TestReport } from '../explore/explore-report.js';
import { type ExploreTask, work } from '../explore/explore-worker.js';
import type { Litmus } from '../explore/litmus-file.js';
import { namedTests } from '../explore/shipped-tests.js';
import { witnessLines, witnessOf } from '../explore/witness.js';
import { profileOption } from '../kernel-profile.js';
import type { Output } from '../output.js';
import { pathNamed } from '../path-option.js';
import { junitXml } from '../report/junit.js';
import { KtapWriter } from '../report/ktap.js';
import type { CaseResult } from '../report/runner.js';
import type { TraceOptions } from '../trace/trace-option.js';
import { workOff } from '../worker-pool.js';
import { replay } from './replay.js';

export interface ExploreCommandOptions extends TraceOptions {
  readonly list: boolean;
  readonly path: PathName;
  readonly profile: string;
  readonly strategy: StrategyName;
  readonly seed: number;
  readonly budget: number;
  readonly jobs?: number | undefined;
  readonly allowIncomplete: boolean;
  readonly witness?: string | undefined;
  /** Two of `PATH[@PROFILE]`. */
  readonly diff?: readonly string[] | undefined;
  readonly json: boolean;
  readonly junit?: string | undefined;
}

/** Runs litmus tests under every schedule that can make a difference, and prints what they come to. The exit status. */
export async function exploreCommand(
  names: readonly string[],
  options: ExploreCommandOptions,
  output: Output,
): Promise<number> {
  if (names[0] === 'replay') return await replay(names.slice(1), options, output);
  const tests = namedTests(names);
  if (options.list) {
    for (const { name } of tests) output.out(name);
    return EXIT.pass;
  }
  const profile = profileOption(options.profile);
  const { path, strategy, seed, budget } = options;
  const how = { path, profile, strategy, seed, budget, isChecked: true };
  if (options.witness !== undefined) return witness(tests, { how, wanted: options.witness }, output);
  if (options.diff !== undefined) return await diff(tests, { how, sides: options.diff, options }, output);
  return await exploreAll(
    tests.map((test) => ({ test, how })),
    options,
    output,
  );
}

async function exploreAll(
  tasks: readonly ExploreTask[],
  options: ExploreCommandOptions,
  output: Output,
): Promise<number> {
  const junit = options.junit === undefined ? null : output.file('--junit', options.junit);
  const at = new Date();
  const ktap = options.json ? null : new KtapWriter(output.out);
  ktap?.open(tasks.length);
  const reports = await reportsOf(tasks, options, output);
  for (const report of reports) {
    if (ktap === null) output.out(JSON.stringify(report));
    else
      ktap.result({ status: isWrong(report) ? 'fail' : 'pass', name: report.test, diagnostics: reportLines(report) });
  }
  if (reports.length < tasks.length) ktap?.abandon('interrupted');
  const { profile, seed } = options;
  junit?.write(junitXml(reports.map(asCase), { name: 'dmirror explore', at, properties: { profile, seed } }));
  if (reports.some(isWrong)) return EXIT.fail;
  const isComplete = options.allowIncomplete || reports.every(({ verdict }) => verdict === 'complete');
  return isComplete ? EXIT.pass : EXIT.incomplete;
}

/** In the order of the tasks, however many threads did it. */
async function reportsOf(
  tasks: readonly ExploreTask[],
  options: ExploreCommandOptions,
  output: Output,
): Promise<TestReport[]> {
  const reports = new Map<ExploreTask, TestReport>();
  const waiting = [...tasks];
  const stop = output.stop.watch();
  const jobs = Math.min(options.jobs ?? availableParallelism(), tasks.length);
  await workOff<ExploreTask, TestReport>({
    module: new URL('../explore/explore-worker.js', import.meta.url),
    data: null,
    workers: jobs > 1 ? jobs : 0,
    here: () => work,
    take: async () => ((await stop.look()) ? null : (waiting.shift() ?? null)),
    onResult: (task, report) => {
      reports.set(task, report);
      const failed = [...reports.values()].filter(isWrong).length;
      output.progress.update({ done: reports.size, total: tasks.length, failed, name: report.test });
    },
  }).finally(() => output.progress.clear());
  return tasks.flatMap((task) => reports.get(task) ?? []);
}

function isWrong({ problems }: TestReport): boolean {
  return problems.length > 0;
}

function asCase(report: TestReport): CaseResult {
  const base = { name: `explore.${report.test}`, suite: 'explore', path: report.path, ms: report.ms };
  if (!isWrong(report)) return { ...base, status: 'pass' };
  return { ...base, status: 'fail', message: report.problems[0]!.what, diagnostics: reportLines(report) };
}

/** The columns of a schedule that comes to `wanted`, an outcome or the beginning of one. */
function witness(
  tests: readonly Litmus[],
  { how, wanted }: { how: ExploreTask['how']; wanted: string },
  { out }: Output,
): number {
  const [test] = tests;
  if (test === undefined || tests.length > 1) throw new UsageError('--witness is of one test', 'name that one');
  const { outcomes } = work({ test, how });
  const found =
    outcomes.find(({ outcome }) => outcome === wanted) ?? outcomes.find(({ outcome }) => outcome.startsWith(wanted));
  if (found === undefined) {
    const reached = outcomes.map(({ outcome }) => `  ${outcome}`).join('\n');
    throw new UsageError(
      `${test.name} does not come to '${wanted}' in ${how.budget} schedules`,
      `it comes to\n${reached}`,
    );
  }
  for (const line of witnessLines(witnessOf(found.token))) out(line);
  out(found.token);
  return EXIT.pass;
}

/** Outcomes that one of two machines has and the other has not. */
async function diff(
  tests: readonly Litmus[],
  { how, sides, options }: { how: ExploreTask['how']; sides: readonly string[]; options: ExploreCommandOptions },
  output: Output,
): Promise<number> {
  const machines = sides.map((side) => {
    const [path, profile = how.profile] = side.split('@');
    return { path: pathNamed(path), profile: profileOption(profile) };
  });
  const tasks = tests.flatMap((test) => machines.map((machine) => ({ test, how: { ...how, ...machine } })));
  const reports = await reportsOf(tasks, options, output);
  let differences = 0;
  for (let i = 0; i + 1 < reports.length; i += 2) {
    const [a, b] = [reports[i]!, reports[i + 1]!];
    for (const [one, other, side] of [
      [a, b, sides[0]],
      [b, a, sides[1]],
    ] as const) {
      for (const { outcome, token } of one.outcomes) {
        if (other.outcomes.some((same) => same.outcome === outcome)) continue;
        differences++;
        output.out(
          options.json
            ? JSON.stringify({ test: one.test, only: side, outcome, token, verdict: other.verdict })
            : `${one.test}: only ${side}: ${outcome}, ${token}`,
        );
      }
    }
  }
  if (!options.json) output.out(`${tests.length} tests, ${differences} outcomes that one side alone has`);
  if (differences > 0) return EXIT.fail;
  return options.allowIncomplete || reports.every(({ verdict }) => verdict === 'complete')
    ? EXIT.pass
    : EXIT.incomplete;
}
