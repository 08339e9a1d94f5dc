import { FAULT_POINTS, type FaultPointInfo } from '../../driver/core/fault-points.js';
import type { PathName } from '../../tests/selftests/case.js';
import { allCases } from '../../tests/selftests/index.js';
import { EXIT } from '../exit-code.js';
import type { Output } from '../selftest.js';
import { framesOf } from './plan-selftest.js';
import { jobsOf } from './sweep.js';
import { Sweeper } from './sweep-job.js';

export interface ListOptions {
  readonly json: boolean;
  readonly path?: PathName;
}

/** `dmirror fault list [CASE...]`: the catalogue of fault points, and how often these cases come by each of them. */
export async function listPoints(
  names: readonly string[],
  { json, path }: ListOptions,
  output: Output,
): Promise<number> {
  const hits = names.length === 0 ? null : await hitsIn(names, path);
  const width = Math.max(...FAULT_POINTS.map(({ name }) => name.length));
  for (const point of FAULT_POINTS) {
    const reached =
      hits === null ? null : Object.fromEntries(point.phases.map((p) => [p, hits[`${point.name}/${p}`] ?? 0]));
    if (json) {
      output.out(JSON.stringify(reached === null ? point : { ...point, reached }));
      continue;
    }
    const { name, phases, profile, since, about } = point;
    output.out(`${name.padEnd(width)}  ${about}`);
    const can = `phases: ${phases.join(', ')}; can: ${waysOf(point).join(', ')}; profile: ${profile}; since: ${since}`;
    output.out(`${''.padEnd(width)}  ${can}`);
    if (reached !== null) output.out(`${''.padEnd(width)}  reached: ${reachedText(reached)}`);
  }
  return EXIT.pass;
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
async function hitsIn(names: readonly string[], path: PathName | undefined): Promise<Record<string, number>> {
  const cases = new Map(allCases().map((testCase) => [testCase.name, testCase]));
  const options = { seed: 1, pages: 66, rounds: 2, all: false, pairs: 0, defects: [], first: false };
  const sweeper = new Sweeper(cases, options);
  const sum: Record<string, number> = {};
  for (const job of jobsOf(names, path)) {
    const { hits, skipped } = await sweeper.clean(job);
    const frames = skipped ? 0 : await framesOf(cases.get(job.name)!, job.path);
    const wire = FAULT_POINTS.filter(({ profile }) => profile === 'wire').map(
      ({ name }) => [`${name}/wire`, frames] as const,
    );
    for (const [site, n] of [...Object.entries(hits), ...wire]) sum[site] = (sum[site] ?? 0) + n;
  }
  return sum;
}
