import type { SiteCount } from '../../driver/core/fault-engine.js';
import { FAULT_POINTS, PHASES } from '../../driver/core/fault-points.js';
import { Prng } from '../../driver/core/prng.js';
import type { SweepJob, SweepOptions } from './sweep-job.js';
import type { Injection } from './token.js';

/** What each further run of a case injects, chosen from the hits of its clean run. */
export function chooseInjections(job: SweepJob, sites: readonly SiteCount[], options: SweepOptions): Injection[][] {
  const singles = mergeSites(sites).flatMap((site) => injectionsAt(site, options.all));
  const chosen = singles.map((single) => [single]);
  const prng = new Prng(hashText(`${options.seed} ${job.name} ${job.path}`));
  for (let i = 0; i < options.pairs && singles.length > 1; i++) {
    const [a, b] = [singles[prng.below(singles.length)]!, singles[prng.below(singles.length)]!];
    if (a !== b) chosen.push([a, b]);
  }
  return chosen;
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
  const { name, returns } = FAULT_POINTS[point]!;
  if (returns.length === 0) return [];
  const chosen = all
    ? Array.from({ length: hits }, (_, i) => i + 1)
    : [...new Set([1, 2, hits - 1, hits, ...edges])].filter((n) => n >= 1).sort((a, b) => a - b);
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
