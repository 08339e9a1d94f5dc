import type { PathName, SelftestCase } from '../tests/selftests/case.js';
import type { Progress } from './progress.js';
import type { PathPlan, Reporter, Totals } from './report.js';
import { type CaseResult, type RunOptions, runCase } from './runner.js';

export interface SuiteRunOptions {
  readonly seed: number;
  readonly paths: readonly PathName[];
  readonly timeoutMs: number;
  readonly boot: RunOptions['boot'];
  readonly now: () => number;
  readonly progress: Progress;
}

/** Runs every case on every path, in order and one at a time, so that a run is the same each time. */
export async function runSuite(
  cases: readonly SelftestCase[],
  reporter: Reporter,
  options: SuiteRunOptions,
): Promise<CaseResult[]> {
  const bySuite = groupBySuite(cases);
  const suites = [...bySuite].map(([suite, members]) => ({ suite, count: members.length }));
  const paths: PathPlan[] = options.paths.map((path) => ({ path, suites }));
  const total = cases.length * paths.length;
  const results: CaseResult[] = [];
  let failed = 0;
  const started = options.now();
  reporter.start({ seed: options.seed, paths });
  for (const plan of paths) {
    reporter.openPath(plan);
    for (const [suite, members] of bySuite) {
      reporter.openSuite(suite, members.length);
      for (const member of members) {
        options.progress.update({ done: results.length, total, failed, name: `${plan.path} ${member.name}` });
        const result = await runCase(member, { ...options, path: plan.path });
        options.progress.clear();
        if (result.status === 'fail') failed++;
        results.push(result);
        reporter.result(result);
      }
      reporter.closeSuite(suite);
    }
    reporter.closePath(plan.path);
  }
  reporter.end(totals(results), options.now() - started);
  return results;
}

export function totals(results: readonly CaseResult[]): Totals {
  const sum = { pass: 0, fail: 0, skip: 0 };
  for (const result of results) sum[result.status]++;
  return sum;
}

function groupBySuite(cases: readonly SelftestCase[]): Map<string, SelftestCase[]> {
  const groups = new Map<string, SelftestCase[]>();
  for (const testCase of cases) {
    const group = groups.get(testCase.suite);
    if (group) group.push(testCase);
    else groups.set(testCase.suite, [testCase]);
  }
  return groups;
}
