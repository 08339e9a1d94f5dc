import { Prng } from '../../../driver/core/prng.js';
import { hitsAt, type SiteCount } from '../../../driver/inject/inject-engine.js';
import { INJECT_POINTS, PHASES, pointByName } from '../../../driver/inject/inject-points.js';
import type { Injection } from '../../../driver/inject/injection.js';
import type { SweepJob, SweepOptions } from './sweep-job.js';

/** One run to make. */
export interface ChosenRun {
  readonly injections: readonly Injection[];
  /** The run is a clean one up to this call at rest, -1 when that is not known. */
  readonly rest: number;
  /** Hits up to there, as a measure of the work that is done by then. */
  readonly work: number;
}

/** What each further run of a case injects, in the order in which it comes to that, chosen from the hits of its clean run. */
export function chooseRuns(
  job: SweepJob,
  sites: readonly SiteCount[],
  { options, rests }: { options: SweepOptions; rests: RestCounts },
): ChosenRun[] {
  const singles = mergeSites(sites).flatMap((site) => injectionsAt(site, options.all));
  const chosen = singles.map((single) => [single]);
  const prng = new Prng(hashText(`${options.seed} ${job.name} ${job.path}`));
  for (let i = 0; i < options.pairs && singles.length > 1; i++) {
    const [a, b] = [singles[prng.below(singles.length)]!, singles[prng.below(singles.length)]!];
    if (a !== b) chosen.push([a, b]);
  }
  const work = rests.map((machines) => machines.reduce((sum, counts) => counts.reduce((a, b) => a + b, sum), 0));
  const runs = chosen.map((injections) => {
    const rest = restBefore(injections, rests);
    return { injections, rest, work: work[rest] ?? 0 };
  });
  return runs.sort((a, b) => a.rest - b.rest);
}

/** Hits of each machine before each call at rest, as `InjectEngine.hitCounts` has them. */
type RestCounts = readonly (readonly Int32Array[])[];

/** The last call at rest before any of these strikes on any machine. */
function restBefore(injections: readonly Injection[], rests: RestCounts): number {
  let last = rests.length - 1;
  for (const { point, phase, nth } of injections) {
    const id = pointByName(point);
    const inPhase = PHASES.indexOf(phase);
    while (last >= 0 && rests[last]!.some((counts) => hitsAt(counts, id, inPhase) >= nth)) last--;
  }
  return last;
}

/** A case may boot several machines; the rules are armed on each of them anew. */
function mergeSites(sites: readonly SiteCount[]): SiteCount[] {
  const merged = new Map<string, SiteCount>();
  for (const site of sites) {
    const key = `${site.point}/${site.phase}`;
    const known = merged.get(key);
    if (known === undefined || known.hits < site.hits) merged.set(key, site);
  }
  return [...merged.values()];
}

/** The hits to fail: the first two, the last two, and those at every edge of a chunk; or all. Returns take turns. */
function injectionsAt({ point, phase, hits, edges }: SiteCount, all: boolean): Injection[] {
  const { name, returns } = INJECT_POINTS[point]!;
  if (returns.length === 0) return [];
  const chosen = all
    ? Array.from({ length: hits }, (_, i) => i + 1)
    : [...new Set([1, 2, hits - 1, hits, ...edges])].filter((n) => n >= 1 && n <= hits).sort((a, b) => a - b);
  const at = (nth: number, i: number): Injection => ({
    point: name,
    phase: PHASES[phase]!,
    nth,
    returns: returns[i % returns.length]!,
  });
  if (all) return chosen.flatMap((nth) => returns.map((_, i) => at(nth, i)));
  const extra = returns.slice(1).map((_, i) => at(chosen[0]!, i + 1));
  return [...chosen.map(at), ...extra];
}

/** FNV-1a, for seeds that are of a text. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
