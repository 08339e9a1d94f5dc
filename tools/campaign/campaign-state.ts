import { CampaignFolder, type CampaignPlan } from './campaign-folder.js';
import { type CampaignFinding, type Job, type JobOutcome, MOST_CRASHES, QUARANTINED } from './campaign-job.js';
import type { Owner } from './campaign-owner.js';

/** Findings with one signature. */
export interface FindingGroup extends CampaignFinding {
  readonly count: number;
  /** The first job that has it. */
  readonly job: string;
}

/**
 * A campaign in a folder: `plan.json`, and what was done in `results.jsonl`, a line for each job that was begun and that came to an end. A
 * result counts once, however often it arrives; a line that a kill cut off does not count.
 */
export class CampaignState {
  readonly results = new Map<string, JobOutcome>();
  /** Of all results together. */
  runs = 0;
  failed = 0;
  private readonly signatures = new Set<string>();
  /** How often a job was begun by a process that ended with it. */
  private readonly crashes = new Map<string, number>();

  private constructor(
    readonly folder: CampaignFolder,
    readonly plan: CampaignPlan,
  ) {
    for (const { token, begun, result } of folder.lines()) {
      if (begun !== undefined) this.crashes.set(begun, (this.crashes.get(begun) ?? 0) + 1);
      else if (typeof token === 'string' && Array.isArray(result?.findings)) this.keep(token, result);
    }
  }

  /** The first result of a job counts. Answers whether it was that. */
  private keep(token: string, result: JobOutcome): boolean {
    if (this.results.has(token)) return false;
    this.results.set(token, result);
    this.runs += result.runs;
    if (result.status === 'fail') this.failed++;
    for (const finding of result.findings) this.signatures.add(signatureOf(finding));
    return true;
  }

  /** A new one, or what there is of the same jobs, with another budget maybe. Throws UsageError where there is something else. */
  static create(path: string, plan: Omit<CampaignPlan, 'version'>, how: { fresh: boolean }): CampaignState {
    new CampaignFolder(path).begin(plan, how);
    return CampaignState.open(path);
  }

  /** Throws UsageError. */
  static open(path: string): CampaignState {
    const folder = new CampaignFolder(path);
    return new CampaignState(folder, folder.plan());
  }

  get isDone(): boolean {
    return this.results.size === this.plan.jobs.length;
  }

  get left(): Job[] {
    return this.plan.jobs.filter(({ token }) => !this.results.has(token));
  }

  /** Jobs during which an earlier process ended; those that are quarantined by now are not among them. */
  takeSuspects(): Job[] {
    for (const { token } of this.left) if ((this.crashes.get(token) ?? 0) >= MOST_CRASHES) this.add(token, QUARANTINED);
    return this.left.filter(({ token }) => this.crashes.has(token));
  }

  begin({ token }: Job): void {
    this.folder.add({ begun: token });
  }

  /** Keeps a result, the first of a job. Answers whether it was that. */
  add(token: string, result: JobOutcome): boolean {
    const isFirst = this.keep(token, result);
    if (isFirst) this.folder.add({ token, result });
    return isFirst;
  }

  /** How many findings differ. */
  get different(): number {
    return this.signatures.size;
  }

  /** In the order of the jobs, whoever was faster; of those that are alike, the shortest token. */
  findings(): FindingGroup[] {
    const groups = new Map<string, FindingGroup>();
    for (const { token: job } of this.plan.jobs)
      for (const one of this.results.get(job)?.findings ?? []) {
        const key = signatureOf(one);
        const known = groups.get(key);
        const before = known ?? { ...one, count: 0, job };
        const token = shorter(before.token, one.token);
        const shown = token === before.token ? before : { ...one, job };
        groups.set(key, { ...shown, token, count: before.count + 1 });
      }
    return [...groups.values()];
  }

  /** By the rate since `owner` has begun or gone on; null where nobody works or nothing is done. */
  msLeft(owner: Owner | null): number | null {
    const done = this.results.size - (owner?.before ?? 0);
    return owner === null || done <= 0 ? null : ((Date.now() - owner.at) / done) * this.left.length;
  }
}

/** What findings have that are the same. */
export function signatureOf({ check, functions, page }: CampaignFinding): string {
  return JSON.stringify([check, functions, page]);
}

function shorter(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return b.length < a.length || (b.length === a.length && b < a) ? b : a;
}
