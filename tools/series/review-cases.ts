import type { CaseResult } from '../report/runner.js';
import { raceKey, raceSummary } from './race-text.js';
import type { Review } from './review.js';
import { keyOf } from './review-text.js';

/** What was looked at, each thing that was found a failed case, for JUnit. */
export function reviewCases(review: Review): CaseResult[] {
  const { posting, abi, selftests, recordings, sweep, findings, races } = review;
  const of = (suite: string, wrong: readonly (readonly [name: string, message: string])[]): CaseResult[] => {
    const base = { suite, path: posting.path, ms: 0 };
    if (wrong.length === 0) return [{ ...base, name: `review.${suite}`, status: 'pass' }];
    return wrong.map(([method, message]) => ({
      ...{ ...base, name: `review.${suite}.${method}`, method },
      ...{ status: 'fail', message },
    }));
  };
  const failed = [...(selftests?.kernel.failed ?? []), ...(selftests?.own.failed ?? [])];
  const broken = abi.filter(({ own }) => own > 0);
  return [
    ...of(
      'header',
      broken.map(({ old, own }) => [old, `${own} breaks`]),
    ),
    ...of(
      'selftests',
      failed.map(({ name, message }) => [name, message]),
    ),
    ...of(
      'recordings',
      (recordings?.differing ?? []).map((name) => [name, 'the answers differ']),
    ),
    ...of(
      'sweep',
      (sweep?.findings ?? []).map(({ token, message }) => [token, message]),
    ),
    ...of(
      'sequences',
      findings.map((finding) => [keyOf(finding), finding.violation.message]),
    ),
    ...of(
      'races',
      races.map((race) => [raceKey(race), raceSummary(race)]),
    ),
  ];
}

/** Something was found: a case failed, or a shard has something that is explained when all are merged. */
export function isFound(review: Review): boolean {
  const { sequences = 0, races = 0 } = review.seen ?? {};
  return sequences + races > 0 || reviewCases(review).some(({ status }) => status === 'fail');
}

/** The report as data. */
export function reviewJson({ walks: _, races, ...review }: Review): string {
  return JSON.stringify({ ...review, races: races.map(({ beside, ...race }) => ({ ...race, beside: [...beside] })) });
}
