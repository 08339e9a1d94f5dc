import { Arena } from '../../../driver/check/arena.js';
import { assert } from '../../../driver/core/assert.js';
import type { DefectName } from '../../../driver/inject/defects.js';
import type { SiteCount } from '../../../driver/inject/inject-engine.js';
import { INJECT_POINTS, PHASES, phasesIn } from '../../../driver/inject/inject-points.js';
import { type Injection, ruleOf } from '../../../driver/inject/injection.js';
import type { ProfileName } from '../../../driver/mm/profile.js';
import { MachinePool } from '../../../driver/sys/machine/machine-pool.js';
import type { SelftestCase } from '../../../tests/selftests/case.js';
import { atScale } from '../../../tests/selftests/scale.js';
import type { PathName } from '../../../uapi/path-name.js';
import { RUN_TOKEN, type RunId } from '../run-token.js';
import { CaseWalk, type Checkpoint } from './checkpoint.js';
import { type CaseRun, type Outcome, runUnderFaults } from './run-case.js';
import { type ChosenRun, chooseRuns } from './sweep-choice.js';
import { inSlice, type Slice } from './sweep-slices.js';

const PAGE_SIZE = 4096;
/** Hits of fault points that take longer than a snapshot and some returns to it. */
const WORTH_A_SNAPSHOT = 4000;

/** What is swept, the same for all jobs. */
export interface SweepOptions {
  /** Whose kernel's semantics the machines have. */
  readonly profile: ProfileName;
  readonly seed: number;
  readonly pages: number;
  readonly rounds: number;
  /** Fail every hit. */
  readonly all: boolean;
  /** Pairs of faults to try a case, drawn by the seed. */
  readonly pairs: number;
  readonly defects: readonly DefectName[];
  /** Leave a case at its first finding. */
  readonly first: boolean;
}

/** One case on one path, or a part of it. */
export interface SweepJob {
  readonly name: string;
  readonly path: PathName;
  /** Undefined: all of it. */
  readonly slice?: Slice;
}

/** A run that broke an invariant. */
export interface SweepFinding {
  readonly token: string;
  readonly kind: string;
  readonly message: string;
  readonly addr: number;
  readonly after: string;
  readonly fired: readonly { point: string; phase: string; command: string; page: number; path: readonly string[] }[];
}

/** The clean run of a case, and what it is worth to inject. */
export interface CleanResult {
  /** Each slice of a case makes the clean run, to know its part, and the first tells of it. */
  readonly runs: number;
  readonly skipped: boolean;
  /** `point/phase` to the number of hits without faults. */
  readonly hits: Readonly<Record<string, number>>;
  readonly chosen: readonly ChosenRun[];
  readonly findings: readonly SweepFinding[];
}

/** What came of some of the injections of a case: of the first of them when `first` ended it. */
export interface SliceResult {
  readonly runs: number;
  readonly findings: readonly SweepFinding[];
}

/** All runs of one case, or of a part. */
export interface JobResult extends SliceResult, Omit<SweepJob, 'slice'> {
  /** `2 of 9`, where it is not all of the case. */
  readonly parts?: string;
  /** Runs that an interrupted sweep has not come to. */
  readonly left: number;
  readonly skipped: boolean;
  readonly hits: Readonly<Record<string, number>>;
}

function sizesOf({ pages, rounds }: RunId): Parameters<typeof atScale>[0] {
  return { bufferBytes: pages * PAGE_SIZE, rounds, schedules: rounds };
}

/** Runs cases under faults on machines that it keeps. */
export class Sweeper {
  constructor(
    private readonly cases: ReadonlyMap<string, SelftestCase>,
    private readonly options: SweepOptions,
    private readonly pool = new MachinePool(),
  ) {}

  /** For snapshots, in turn. */
  private readonly arenas: [Arena, Arena] = [new Arena(), new Arena()];

  /** Counts the hits of a clean run, then fails the chosen ones in turn. */
  async run(job: SweepJob): Promise<JobResult> {
    const clean = await this.clean(job);
    const isOver = this.options.first && clean.findings.length > 0;
    return mergeResults(job, clean, { slices: isOver ? [] : [await this.slice(job, clean.chosen)], left: 0 });
  }

  async clean(job: SweepJob): Promise<CleanResult> {
    const id = this.id(job, []);
    const rests: Int32Array[][] = [];
    const outcome = await this.runId(id, {
      counts: true,
      onRest: (_, booted) => rests.push(booted.map(({ machine }) => machine.kernel.inject.hitCounts())),
    });
    const hits: Record<string, number> = {};
    for (const site of outcome.sites) {
      const key = siteName(site, id.profile);
      hits[key] = (hits[key] ?? 0) + site.hits;
    }
    const { options } = this;
    const skipped = outcome.status === 'skip';
    const chosen = skipped
      ? []
      : chooseRuns(job, outcome.sites, { options, rests: outcome.status === 'pass' ? rests : [] });
    const isFirst = (job.slice?.at ?? 1) === 1;
    return {
      runs: isFirst ? 1 : 0,
      skipped,
      hits,
      chosen: inSlice(chosen, job.slice),
      findings: isFirst ? findingsOf(id, outcome) : [],
    };
  }

  /** Runs of one case, from the earliest on. What several have in common at their begin is run once. */
  async slice(job: SweepJob, chosen: readonly ChosenRun[]): Promise<SliceResult> {
    const findings: SweepFinding[] = [];
    let runs = 0;
    const walk = new CaseWalk(this.pool, this.arenas, (more) => this.caseRun(this.id(job, []), more));
    for (const [i, run] of chosen.entries()) {
      if (this.options.first && findings.length > 0) break;
      const sharing = chosen.slice(i).filter(({ rest }) => rest === run.rest).length;
      if ((run.work - walk.work) * sharing > WORTH_A_SNAPSHOT)
        await atScale(sizesOf(this.id(job, [])), () => walk.to(run));
      findings.push(...(await this.look(this.id(job, run.injections), walk.at)));
      runs++;
    }
    walk.end();
    return { runs, findings };
  }

  /** One run, as its token says. */
  async runId(id: RunId, more: Partial<CaseRun> = {}): Promise<Outcome> {
    const [testCase, run] = this.caseRun(id, more);
    return await atScale(sizesOf(id), () => runUnderFaults(this.pool, testCase, run));
  }

  private caseRun(id: RunId, more: Partial<CaseRun>): [SelftestCase, CaseRun] {
    const testCase = this.cases.get(id.name);
    if (testCase === undefined) throw new Error(`there is no case ${id.name}`);
    const { path, profile, seed, defects } = id;
    return [testCase, { path, machine: { profile }, seed, defects, rules: id.injections.map(ruleOf), ...more }];
  }

  /** Most runs find nothing; one that does is repeated from its begin, with a look at the stack where its faults strike. */
  private async look(id: RunId, from: Checkpoint | null): Promise<SweepFinding[]> {
    const outcome = await this.runId(id, from === null ? { tracesPaths: false } : { tracesPaths: false, from });
    if (outcome.violations.length === 0) return findingsOf(id, outcome);
    const findings = findingsOf(id, await this.runId(id));
    assert(findings.length > 0, `${RUN_TOKEN.write(id)} breaks something only when it begins at a snapshot`);
    return findings;
  }

  private id({ name, path }: SweepJob, injections: readonly Injection[]): RunId {
    const { profile, seed, pages, rounds, defects } = this.options;
    return { name, path, profile, seed, pages, rounds, defects, injections };
  }
}

/** As reports have it. The catalogue must know that the point can be hit there, or `fault list` would not tell the truth. */
function siteName({ point, phase }: SiteCount, profile: ProfileName): string {
  const info = INJECT_POINTS[point]!;
  const name = PHASES[phase]!;
  assert(phasesIn(info, profile).includes(name), `${info.name} was hit in phase ${name} of profile ${profile}`);
  return `${info.name}/${name}`;
}

/** The result of a case from those of its slices, in their order. */
export function mergeResults(
  { name, path }: SweepJob,
  { runs: cleanRuns, skipped, hits, findings }: CleanResult,
  { slices, left }: { slices: readonly SliceResult[]; left: number },
): JobResult {
  const runs = slices.reduce((sum, slice) => sum + slice.runs, cleanRuns);
  return {
    name,
    path,
    runs,
    left,
    skipped,
    hits,
    findings: [...findings, ...slices.flatMap((slice) => slice.findings)],
  };
}

function findingsOf(id: RunId, { violations, fired, status }: Outcome): SweepFinding[] {
  const token = RUN_TOKEN.write(id);
  const traces = fired.map(({ point, phase, command, page, path }) => ({ point, phase, command, page, path }));
  if (violations.length > 0) return [{ token, ...violations[0]!, fired: traces }];
  if (status !== 'fail' || fired.length > 0) return [];
  const message = 'the case fails without any fault';
  return [{ token, kind: 'case', message, addr: -1, after: '', fired: traces }];
}
