import { costsOf } from '../../shard/costs.js';
import type { JobResult, SweepJob } from './sweep-job.js';

/** A part of the runs of a case, from 1. */
export interface Slice {
  readonly at: number;
  readonly of: number;
}

/** A case whose sweep takes longer is several units of a campaign, and of shards. */
const SLICE_MS = 20_000;

/** Cases that are done fast, and the slices of others. */
export function slicesOf(jobs: readonly SweepJob[]): SweepJob[] {
  const costs = costsOf('fault sweep');
  return jobs.flatMap((job) => {
    const of = Math.max(1, Math.ceil(costs.of(`${job.path} ${job.name}`) / SLICE_MS));
    return of === 1 ? [job] : Array.from({ length: of }, (_, i) => ({ ...job, slice: { at: i + 1, of } }));
  });
}

/** For people, and for a file of costs. */
export function sliceName({ name, slice }: SweepJob): string {
  return slice === undefined ? name : `${name} ${slice.at} of ${slice.of}`;
}

/** What of all runs is in a slice. */
export function inSlice<Run>(all: readonly Run[], { at, of }: Slice = { at: 1, of: 1 }): readonly Run[] {
  const [from, to] = [at - 1, at].map((n) => Math.round((all.length * n) / of)) as [number, number];
  return all.slice(from, to);
}

/** Results of cases from those of their slices, which are in order. With `first` a case ends at its first finding. */
export function joinSlices(
  units: readonly SweepJob[],
  results: ReadonlyMap<SweepJob, JobResult>,
  { first }: { readonly first: boolean },
): JobResult[] {
  const cases = new Map<string, SweepJob[]>();
  for (const unit of units) {
    const key = `${unit.path} ${unit.name}`;
    cases.set(key, [...(cases.get(key) ?? []), unit]);
  }
  return [...cases.values()].flatMap((slices) => {
    const known = slices.flatMap((slice) => results.get(slice) ?? []);
    const found = first ? known.findIndex(({ findings }) => findings.length > 0) : -1;
    const counted = found < 0 ? known : known.slice(0, found + 1);
    if (counted.length === 0) return [];
    const sum = (of: (result: JobResult) => number): number => counted.reduce((all, result) => all + of(result), 0);
    const of = slices[0]!.slice?.of ?? 1;
    return {
      ...counted[0]!,
      runs: sum(({ runs }) => runs),
      left: sum(({ left }) => left),
      findings: counted.flatMap(({ findings }) => findings),
      ...(known.length < of ? { parts: `${known.length} of ${of}` } : {}),
    };
  });
}
