import { phasesIn } from '../../driver/inject/inject-points.js';
import { DEFAULT_PROFILE, PROFILE_NAMES, type ProfileName } from '../../driver/mm/profile.js';
import type { PathName } from '../../uapi/path-name.js';
import { EXIT } from '../exit-code.js';
import { profileOption } from '../kernel-profile.js';
import type { Output } from '../output.js';
import { FAULT_POINTS, type FaultPhase, type FaultPointInfo } from './fault-points.js';
import { framesOf } from './plans/plan-selftest.js';
import { casesByName } from './sweep/cases.js';
import { jobsOf } from './sweep/sweep.js';
import { Sweeper } from './sweep/sweep-job.js';
import { WIRE_POINTS } from './wire/wire-points.js';

interface ListOptions {
  /** Only what can be hit on machines of this profile, which cases also run on; without it all, and the cases on the default's. */
  readonly profile?: string | undefined;
  readonly json: boolean;
  readonly path?: PathName;
}

/** `dmirror fault list [CASE...]`: the catalogue of fault points, and how often these cases come by each of them. */
export async function listPoints(
  names: readonly string[],
  { json, path, ...options }: ListOptions,
  output: Output,
): Promise<number> {
  const asked = options.profile === undefined ? undefined : profileOption(options.profile);
  const profile = asked ?? DEFAULT_PROFILE.name;
  const hits = names.length === 0 ? null : await hitsIn(names, { path, profile });
  const width = Math.max(...FAULT_POINTS.map(({ name }) => name.length));
  for (const point of FAULT_POINTS) {
    const phases = asked === undefined && hits === null ? point.phases : phasesIn(point, profile);
    const reached = hits === null ? null : Object.fromEntries(phases.map((p) => [p, hits[`${point.name}/${p}`] ?? 0]));
    if (json) {
      output.out(JSON.stringify({ ...point, phases, ...(reached === null ? {} : { reached }) }));
      continue;
    }
    output.out(`${point.name.padEnd(width)}  ${point.about}`);
    output.out(`${''.padEnd(width)}  ${kindText(point, phases)}`);
    if (reached !== null) output.out(`${''.padEnd(width)}  reached: ${reachedText(reached)}`);
  }
  return EXIT.pass;
}

/** Where and since when the point is, and what can be done there. */
function kindText(point: FaultPointInfo, phases: readonly FaultPhase[]): string {
  const { profiles, layer, since } = point;
  const isRare = (phase: FaultPhase): boolean => profiles[phase]!.length < PROFILE_NAMES.length;
  const shown = phases.map((phase) => (isRare(phase) ? `${phase} (${profiles[phase]!.join(', ')})` : phase));
  const whose = layer === 'wire' ? 'wire' : PROFILE_NAMES.filter((name) => phasesIn(point, name).length > 0).join(', ');
  return `phases: ${shown.join(', ')}; can: ${waysOf(point).join(', ')}; profile: ${whose}; since: ${since}`;
}

/** What a rule about the point can do, in the words of a plan. */
function waysOf({ returns, sleeps, takes }: FaultPointInfo): string[] {
  return [...returns, ...(sleeps ? ['delay', 'run'] : []), ...takes];
}

function reachedText(reached: Readonly<Record<string, number>>): string {
  const phases = Object.entries(reached);
  if (phases.every(([, n]) => n === 0)) return 'never';
  return phases.map(([phase, n]) => `${phase} ${n}`).join(', ');
}

/** Hits of the clean runs of cases, by `point/phase`. Of the interface it is the frames that each sends. */
async function hitsIn(
  names: readonly string[],
  { path, profile }: { path: PathName | undefined; profile: ProfileName },
): Promise<Record<string, number>> {
  const cases = casesByName(profile);
  const options = { profile, seed: 1, pages: 66, rounds: 2, all: false, pairs: 0, defects: [], first: false };
  const sweeper = new Sweeper(cases, options);
  const sum: Record<string, number> = {};
  for (const job of jobsOf(names, { path, profile })) {
    const { hits, skipped } = await sweeper.clean(job);
    const frames = skipped ? 0 : await framesOf(cases.get(job.name)!, job.path);
    const wire = WIRE_POINTS.map(({ name }) => [`${name}/wire`, frames] as const);
    for (const [site, n] of [...Object.entries(hits), ...wire]) sum[site] = (sum[site] ?? 0) + n;
  }
  return sum;
}
