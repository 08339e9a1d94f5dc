import type { DefectName } from '../../driver/core/defects.js';
import { faultAttr } from '../../driver/core/fault-attr.js';
import type { FaultRule, SiteCount } from '../../driver/core/fault-engine.js';
import { FAULT_POINTS, FAULT_RETURNS, type FaultPointId, PHASES } from '../../driver/core/fault-points.js';
import { Prng } from '../../driver/core/prng.js';
import type { PathName, SelftestCase } from '../../tests/selftests/case.js';
import { scale } from '../../tests/selftests/scale.js';
import { MachinePool } from './machine-pool.js';
import { type CaseRun, type Outcome, runUnderFaults } from './run-case.js';
import { type Injection, type RunId, tokenOf } from './token.js';

const PAGE_SIZE = 4096;
const EDGES_KEPT = 4;

/** What is swept, the same for all jobs. */
export interface SweepOptions {
  readonly seed: number;
  readonly pages: number;
  readonly rounds: number;
  /** Fail every hit. */
  readonly all: boolean;
  /** Pairs of faults to try a case, drawn by the seed. */
  readonly pairs: number;
  readonly defects: readonly DefectName[];
  /** Stop a job at its first finding. */
  readonly first: boolean;
}

/** One case on one path. */
export interface SweepJob {
  readonly name: string;
  readonly path: PathName;
}

/** A run that broke an invariant. */
export interface Finding {
  readonly token: string;
  readonly kind: string;
  readonly message: string;
  readonly addr: number;
  readonly after: string;
  readonly fired: readonly { point: string; phase: string; command: string; page: number; path: readonly string[] }[];
}

export interface JobResult {
  readonly name: string;
  readonly path: PathName;
  readonly runs: number;
  readonly skipped: boolean;
  /** `point/phase` to the number of hits without faults. */
  readonly hits: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

/** Runs the sweep of one case after another; keeps machines between them. */
export class Sweeper {
  private readonly pool = new MachinePool();

  constructor(
    private readonly cases: ReadonlyMap<string, SelftestCase>,
    private readonly options: SweepOptions,
  ) {}

  /** Counts the hits of a clean run, then fails the chosen ones in turn. */
  async run(job: SweepJob): Promise<JobResult> {
    const findings: Finding[] = [];
    const clean = await this.runOnce(job, [], true);
    addFindings(findings, this.id(job, []), clean);
    const hits: Record<string, number> = {};
    for (const site of clean.sites) {
      const key = `${FAULT_POINTS[site.point]!.name}/${PHASES[site.phase]}`;
      hits[key] = (hits[key] ?? 0) + site.hits;
    }
    const plans = clean.status === 'skip' ? [] : this.plans(job, clean.sites);
    let runs = 1;
    for (const injections of plans) {
      if (this.options.first && findings.length > 0) break;
      const outcome = await this.runOnce(job, injections);
      runs++;
      addFindings(findings, this.id(job, injections), outcome);
    }
    return { ...job, runs, skipped: clean.status === 'skip', hits, findings };
  }

  /** One run, as its token says. */
  async runId(id: RunId, more: Partial<CaseRun> = {}): Promise<Outcome> {
    const testCase = this.cases.get(id.name);
    if (testCase === undefined) throw new Error(`there is no case ${id.name}`);
    scale.bufferBytes = id.pages * PAGE_SIZE;
    scale.rounds = id.rounds;
    const rules = id.injections.map(ruleOf);
    return await runUnderFaults(this.pool, testCase, {
      path: id.path,
      seed: id.seed,
      rules,
      defects: id.defects,
      ...more,
    });
  }

  private id(job: SweepJob, injections: readonly Injection[]): RunId {
    const { seed, pages, rounds, defects } = this.options;
    return { ...job, seed, pages, rounds, defects, injections };
  }

  private runOnce(job: SweepJob, injections: readonly Injection[], counts = false): Promise<Outcome> {
    return this.runId(this.id(job, injections), { counts });
  }

  private plans(job: SweepJob, sites: readonly SiteCount[]): Injection[][] {
    const singles = mergeSites(sites).flatMap((site) => injectionsAt(site, this.options.all));
    const plans = singles.map((single) => [single]);
    const prng = new Prng(hashText(`${this.options.seed} ${job.name} ${job.path}`));
    for (let i = 0; i < this.options.pairs && singles.length > 1; i++) {
      const [a, b] = [singles[prng.below(singles.length)]!, singles[prng.below(singles.length)]!];
      if (a !== b) plans.push([a, b]);
    }
    return plans;
  }
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

/** The hits to fail: the first two, the last two, and the edges of chunks; or all. Returns take turns. */
function injectionsAt({ point, phase, hits, edges }: SiteCount, all: boolean): Injection[] {
  const { name, returns } = FAULT_POINTS[point]!;
  if (returns.length === 0) return [];
  const chosen = all
    ? Array.from({ length: hits }, (_, i) => i + 1)
    : [...new Set([1, 2, hits - 1, hits, ...fewEdges(edges)])].filter((n) => n >= 1 && n <= hits).sort((a, b) => a - b);
  const at = (nth: number, i: number): Injection => ({
    point: name,
    phase: PHASES[phase]!,
    nth,
    returns: returns[i % returns.length]!,
  });
  const extra = all ? [] : returns.slice(1).map((_, i) => at(chosen[0]!, i + 1));
  if (all) return chosen.flatMap((nth) => returns.map((_, i) => at(nth, i)));
  return [...chosen.map(at), ...extra];
}

/** With buffers of 66 pages all of them; of the many edges in huge pages those of the first and of the last chunk. */
function fewEdges(edges: readonly number[]): readonly number[] {
  return edges.length <= 2 * EDGES_KEPT ? edges : [...edges.slice(0, EDGES_KEPT), ...edges.slice(-EDGES_KEPT)];
}

export function ruleOf({ point, phase, nth, returns }: Injection, index: number): FaultRule {
  const id = FAULT_POINTS.findIndex(({ name }) => name === point) as FaultPointId;
  return {
    name: `${index + 1}: ${point} in ${phase}, hit ${nth}, returns ${returns}`,
    where: { point: id, phase: PHASES.indexOf(phase) },
    attr: faultAttr(),
    nth,
    after: null,
    returns: FAULT_RETURNS[returns],
    bytes: returns === 'SHORT' ? 1000 : 0,
    delayTicks: 0,
    run: null,
  };
}

function addFindings(findings: Finding[], id: RunId, { violations, fired, status }: Outcome): void {
  const traces = fired.map(({ point, phase, command, page, path }) => ({ point, phase, command, page, path }));
  const token = tokenOf(id);
  for (const violation of violations.slice(0, 1)) findings.push({ token, ...violation, fired: traces });
  if (violations.length === 0 && status === 'fail' && fired.length === 0)
    findings.push({
      token,
      kind: 'case',
      message: 'the case fails without any fault',
      addr: -1,
      after: '',
      fired: traces,
    });
}

/** FNV-1a, for seeds that are of a text. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
