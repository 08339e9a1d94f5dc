import type { ProfileName } from '../../driver/mm/profile.js';
import { reportOf, type TestReport } from './explore-report.js';
import { exploreLitmus, type HowToExplore } from './explore-work.js';
import type { Litmus } from './litmus-file.js';

/** One test on one path. */
export interface ExploreTask {
  readonly test: Litmus;
  readonly how: HowToExplore & { readonly profile: ProfileName };
}

/** Called in the workers of `dmirror explore`. */
export function work({ test, how }: ExploreTask): TestReport {
  const begun = performance.now();
  const path = test.path ?? how.path;
  const profile = test.profile ?? how.profile;
  const explored = exploreLitmus(test, { ...how, path, profile });
  return reportOf(test, explored, { path, profile, ms: performance.now() - begun });
}
