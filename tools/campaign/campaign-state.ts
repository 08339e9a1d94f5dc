import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inputBytes, OutputError, UsageError } from '../exit-code.js';
import { packageVersion } from '../package-root.js';
import { type CampaignFinding, type Job, type JobOutcome, MOST_CRASHES, QUARANTINED } from './campaign-job.js';
import type { Campaign } from './campaign-schema.js';

/** What a campaign is: it does not change. */
interface Plan {
  readonly version: string;
  readonly campaign: Pick<Campaign, 'name' | 'budget' | 'stop'>;
  readonly jobs: readonly Job[];
}

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
    readonly folder: string,
    readonly plan: Plan,
  ) {
    for (const line of linesOf(join(folder, RESULTS))) {
      const { token, begun, result } = line;
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
  static create(folder: string, plan: Omit<Plan, 'version'>, { fresh }: { fresh: boolean }): CampaignState {
    const text = `${JSON.stringify({ version: packageVersion(), ...plan })}\n`;
    const file = join(folder, PLAN);
    const before = !fresh && existsSync(file) ? readFileSync(file, 'utf8') : null;
    if (before === text) return CampaignState.open(folder);
    refuseOther(folder);
    if (fresh) rmSync(folder, { recursive: true, force: true });
    if (before !== null && workIn(before) !== workIn(text))
      throw new UsageError(
        `${folder} has another campaign, or one of another version`,
        'give another --state, or --fresh',
      );
    try {
      if (!existsSync(folder)) mkdirSync(folder);
      // Whole, or not at all.
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    } catch (error) {
      throw new OutputError(`--state '${folder}'`, error);
    }
    return CampaignState.open(folder);
  }

  /** Throws UsageError. */
  static open(folder: string): CampaignState {
    const hint = 'name the folder of a campaign: `dmirror campaign run FILE` makes it';
    const file = join(folder, PLAN);
    const bytes = inputBytes(file, hint);
    let plan: Partial<Plan> | null;
    try {
      plan = JSON.parse(bytes.toString('utf8'));
    } catch {
      throw new UsageError(`${file} is not whole`, hint);
    }
    const { version, campaign, jobs } = plan ?? {};
    if (version !== undefined && version !== packageVersion())
      throw new UsageError(
        `${folder} is of dmirror ${version}, this is ${packageVersion()}`,
        'go on with that version, or begin anew',
      );
    if (version === undefined || campaign === undefined || !Array.isArray(jobs))
      throw new UsageError(`${file} is no plan of a campaign`, hint);
    return new CampaignState(folder, { version, campaign, jobs });
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
    this.write({ begun: token });
  }

  /** Keeps a result, the first of a job. Answers whether it was that. */
  add(token: string, result: JobOutcome): boolean {
    const isFirst = this.keep(token, result);
    if (isFirst) this.write({ token, result });
    return isFirst;
  }

  private write(line: Line): void {
    appendFileSync(join(this.folder, RESULTS), `${JSON.stringify(line)}\n`);
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

  /** Asks whoever runs it to end. */
  cancel(): void {
    writeFileSync(join(this.folder, CANCEL), '');
  }

  get isCancelled(): boolean {
    return existsSync(join(this.folder, CANCEL));
  }

  /** From now on this process runs it. Throws UsageError where another does. */
  own(): void {
    refuseOther(this.folder);
    rmSync(join(this.folder, CANCEL), { force: true });
    writeFileSync(join(this.folder, OWNER), `${process.pid} ${this.results.size} ${Date.now()}\n`);
  }

  release(): void {
    rmSync(join(this.folder, OWNER), { force: true });
  }

  /** By the rate since `owner` has begun or gone on; null where nobody works or nothing is done. */
  msLeft(owner: Owner | null): number | null {
    const done = this.results.size - (owner?.before ?? 0);
    return owner === null || done <= 0 ? null : ((Date.now() - owner.at) / done) * this.left.length;
  }
}

/** The text of a plan without what only says when it ends. */
function workIn(plan: string): string {
  return plan.slice(0, plan.indexOf('"budget"')) + plan.slice(plan.indexOf(',"jobs":'));
}

/** Throws UsageError where another process runs the campaign of a folder. */
function refuseOther(folder: string): void {
  const owner = ownerOf(folder)?.pid;
  if (owner !== undefined && owner !== process.pid)
    throw new UsageError(`${folder} is run by process ${owner}`, '`dmirror campaign cancel` ends it');
}

/** The process that runs the campaign of a folder now. */
export function ownerOf(folder: string): Owner | null {
  try {
    const [pid = 0, before = 0, at = 0] = readFileSync(join(folder, OWNER), 'utf8').split(' ').map(Number);
    return pid > 0 && at > 0 && process.kill(pid, 0) ? { pid, before, at } : null;
  } catch {
    return null;
  }
}

interface Owner {
  readonly pid: number;
  /** Results that there were when it began. */
  readonly before: number;
  readonly at: number;
}

const PLAN = 'plan.json';
const RESULTS = 'results.jsonl';
const CANCEL = 'cancel';
const OWNER = 'running';

/** What findings have that are the same. */
function signatureOf({ check, functions, page }: CampaignFinding): string {
  return JSON.stringify([check, functions, page]);
}

interface Line {
  readonly begun?: string;
  readonly token?: string;
  readonly result?: JobOutcome;
}

function linesOf(file: string): Line[] {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  // A line that was cut is closed, so that the next begins on its own.
  if (text !== '' && !text.endsWith('\n')) appendFileSync(file, '\n');
  return text.split('\n').flatMap((line) => {
    try {
      return [(JSON.parse(line) ?? {}) as Line];
    } catch {
      return [];
    }
  });
}

function shorter(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return b.length < a.length || (b.length === a.length && b < a) ? b : a;
}
