import type { SelftestCase } from '../../tests/selftests/case.js';
import type { PathName } from '../../uapi/path-name.js';
import type { Output, StopRequest } from '../output.js';
import type { Progress } from '../report/progress.js';
import type { PathPlan, Reporter, Totals } from '../report/report.js';
import { type CaseResult, type RunOptions, runCase } from '../report/runner.js';
import { type Share, WHOLE } from '../shard/share.js';
import { handOut, untilStopped } from '../worker-pool.js';

export interface SuiteRunOptions {
  readonly seed: number;
  readonly paths: readonly PathName[];
  readonly timeoutMs: number;
  /** Where cases run, one at a time in each. */
  readonly lanes: readonly Lane[];
  readonly now: () => number;
  readonly progress: Progress;
  /** Ends the run between two cases; the one that runs, and may hang, is not waited for. */
  readonly stop: StopRequest;
  readonly memory?: Output['memory'];
  /** What of it is done here; all without. */
  readonly share?: Share;
}

/** Boots machines that no other lane uses. */
export type Lane = RunOptions['boot'];

interface Job {
  readonly testCase: SelftestCase;
  readonly path: PathName;
}

/**
 * Runs every case on every path. Cases share nothing, so that several may run at once; the reporter hears of them in order, and what it
 * hears is the same for any number of lanes. A run that is stopped ends with the totals of what ran.
 */
export async function runSuite(
  cases: readonly SelftestCase[],
  reporter: Reporter,
  options: SuiteRunOptions,
): Promise<CaseResult[]> {
  const { share = WHOLE } = options;
  const all = options.paths.flatMap((path) => bySuite(cases).map((testCase) => ({ testCase, path })));
  const jobs = share.pick(all, { nameOf: ({ testCase, path }) => `${path} ${testCase.name}` });
  const paths = plansOf(jobs);
  const results: CaseResult[] = [];
  const started = options.now();
  const ended = (isInterrupted: boolean): CaseResult[] => {
    reporter.end(totals(results), { ms: options.now() - started, isInterrupted });
    return results;
  };
  reporter.start({ seed: options.seed, paths });
  const next = inOrder(jobs, options);
  for (const plan of paths) {
    reporter.openPath(plan);
    for (const { suite, count } of plan.suites) {
      reporter.openSuite(suite, count);
      for (let left = count; left > 0; left--) {
        const result = await Promise.race([next(), options.stop.whenRequested]);
        if (result === undefined) return ended(true);
        results.push(result);
        reporter.result(result);
      }
      reporter.closeSuite(suite);
    }
    reporter.closePath(plan.path);
  }
  return ended(false);
}

/** What a reader of the jobs' results is told before. */
function plansOf(jobs: readonly Job[]): PathPlan[] {
  const plans = new Map<PathName, Map<string, number>>();
  for (const { testCase, path } of jobs) {
    const suites = plans.get(path) ?? new Map<string, number>();
    suites.set(testCase.suite, (suites.get(testCase.suite) ?? 0) + 1);
    plans.set(path, suites);
  }
  return [...plans].map(([path, suites]) => ({
    path,
    suites: [...suites].map(([suite, count]) => ({ suite, count })),
  }));
}

/** Puts the lanes to work; what it gives answers the jobs' results one after the other. */
function inOrder(jobs: readonly Job[], options: SuiteRunOptions): () => Promise<CaseResult> {
  const { share = WHOLE } = options;
  const results: Promise<CaseResult>[] = [];
  const settle: ((result: CaseResult) => void)[] = [];
  for (let i = 0; i < jobs.length; i++) results.push(new Promise((resolve) => settle.push(resolve)));
  const waiting = [...jobs.entries()];
  // A failure's stack begins in the case, whichever of the lanes it has: it does not go on to who waits for it.
  const runners = options.lanes.map((boot) => ({
    run: ([, job]: [number, Job]) =>
      new Promise<CaseResult>((resolve, reject) => {
        const known = share.known(job) as CaseResult | undefined;
        if (known !== undefined) return resolve(known);
        const run = () => runCase(job.testCase, { ...options, boot, path: job.path });
        setImmediate(() => run().then((result) => resolve(result), reject));
      }),
  }));
  void handOut<[number, Job], CaseResult>(runners, {
    memory: options.memory,
    take: untilStopped(waiting, options.stop),
    onResult([i, job], result) {
      share.keep(job, result, result.ms);
      settle[i]!(result);
    },
  });
  let done = 0;
  let failed = 0;
  return async () => {
    const { testCase, path } = jobs[done]!;
    options.progress.update({ done, total: jobs.length, failed, name: `${path} ${testCase.name}` });
    const result = await results[done++]!;
    options.progress.clear();
    if (result.status === 'fail') failed++;
    return result;
  };
}

export function totals(results: readonly CaseResult[]): Totals {
  const sum = { pass: 0, fail: 0, skip: 0 };
  for (const result of results) sum[result.status]++;
  return sum;
}

/** Cases of one suite stand together. */
function bySuite(cases: readonly SelftestCase[]): SelftestCase[] {
  const suites = [...new Set(cases.map(({ suite }) => suite))];
  return suites.flatMap((suite) => cases.filter((testCase) => testCase.suite === suite));
}
