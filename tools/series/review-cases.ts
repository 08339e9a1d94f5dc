import type { CaseResult } from '../report/runner.js';
import { compared, keyOf } from './baseline.js';
import { raceKey, raceSummary } from './race-text.js';
import type { Review } from './review.js';

/** What was looked at, each thing that was found a failed case, for JUnit. What other shards do is not told. */
export function reviewCases(review: Review): CaseResult[] {
  const { posting, abi, selftests, recordings, sweep, findings, races, seen } = review;
  const of = (suite: string, wrong: readonly (readonly [name: string, message: string])[] | null): CaseResult[] => {
    if (wrong === null) return [];
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
    ...of('header', abi.length === 0 ? null : broken.map(({ old, own }) => [old, `${own} breaks`])),
    ...of('selftests', selftests && failed.map(({ name, message }) => [name, message])),
    ...of('recordings', recordings?.differing.map((name) => [name, 'the answers differ'] as const) ?? null),
    ...of('sweep', sweep?.findings.map(({ token, message }) => [token, message] as const) ?? null),
    ...of('sequences', seen ? null : findings.map((finding) => [keyOf(finding), finding.violation.message])),
    ...of('races', seen ? null : races.map((race) => [raceKey(race), raceSummary(race)])),
  ];
}

/** Something was found: a case failed, or a shard has something that is explained when all are merged. */
export function isFound(review: Review): boolean {
  const { sequences = 0, races = 0 } = review.seen ?? {};
  return sequences + races > 0 || reviewCases(review).some(({ status }) => status === 'fail');
}

/** The report as data, against the keys of an earlier one where there is one. */
export function reviewJson({ walks: _, ...review }: Review, known: ReadonlySet<string> | null): string {
  return JSON.stringify({
    ...review,
    findings: review.findings.map((finding) => ({ key: keyOf(finding), ...finding })),
    races: review.races.map((race) => ({ key: raceKey(race), ...race, beside: [...race.beside] })),
    ...(known === null ? {} : { baseline: compared(review, known) }),
  });
}
