import { type HowExplored, reportOf, type TestReport } from './explore-report.js';
import { exploreLitmus } from './explore-work.js';
import type { Litmus } from './litmus-file.js';

/** One test on one path. */
export interface ExploreTask {
  readonly test: Litmus;
  readonly how: HowExplored;
}

/** Called in the workers of `dmirror explore`. */
export function work({ test, how: asked }: ExploreTask): TestReport {
  const begun = performance.now();
  const how = { ...asked, path: test.path ?? asked.path, profile: test.profile ?? asked.profile };
  return reportOf(test, exploreLitmus(test, how), { how, ms: performance.now() - begun });
}
