// The folder that a campaign is kept in: which files of it are the campaign's, and what each has.

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { inputBytes, OutputError, UsageError } from '../exit-code.js';
import { packageVersion } from '../package-root.js';
import type { Job, JobOutcome } from './campaign-job.js';
import { isThisProcess, livingOwner, type Owner, ownerText, thisOwner } from './campaign-owner.js';
import type { Campaign } from './campaign-schema.js';

/** What a campaign is: it does not change. */
export interface CampaignPlan {
  readonly version: string;
  readonly campaign: Pick<Campaign, 'name' | 'budget' | 'stop'>;
  readonly jobs: readonly Job[];
}

/** Of the results: a job was begun, or has come to an end. */
export interface ResultLine {
  readonly begun?: string;
  readonly token?: string;
  readonly result?: JobOutcome;
}

const PLAN = 'plan.json';
const NEW_PLAN = `${PLAN}.new`;
const RESULTS = 'results.jsonl';
const CANCEL = 'cancel';
const OWNER = 'running';
/** The plan last: as long as it is there the folder is a campaign's. */
const OWN = [NEW_PLAN, RESULTS, CANCEL, OWNER, PLAN];
const HINT = 'name the folder of a campaign: `dmirror campaign run FILE` makes it';

/** Throws OutputError where a file can't be written, and UsageError where one can't be read. */
export class CampaignFolder {
  constructor(readonly path: string) {}

  /** The plan that is there, or else `plan`. `fresh` throws away what there is. Throws UsageError where there is something else. */
  begin(plan: Omit<CampaignPlan, 'version'>, { fresh }: { fresh: boolean }): void {
    const text = `${JSON.stringify({ version: packageVersion(), ...plan })}\n`;
    const before = this.has(PLAN) ? this.read(PLAN).toString() : null;
    this.refuseForeign(before);
    if (before === text && !fresh) return;
    this.refuseOther();
    if (!fresh && before !== null && workIn(before) !== workIn(text))
      throw new UsageError(
        `${this.path} has another campaign, or one of another version`,
        'give another --state, or --fresh',
      );
    if (fresh) for (const name of OWN) this.remove(name);
    this.writing('', (path) => existsSync(path) || mkdirSync(path));
    // Whole, or not at all.
    this.writing(NEW_PLAN, (path) => writeFileSync(path, text));
    this.writing(PLAN, (path) => renameSync(join(this.path, NEW_PLAN), path));
  }

  /** Throws UsageError. */
  plan(): CampaignPlan {
    const plan = parsed(this.read(PLAN).toString());
    const { version } = plan;
    if (typeof version === 'string' && version !== packageVersion())
      throw new UsageError(
        `${this.path} is of dmirror ${version}, this is ${packageVersion()}`,
        'go on with that version, or begin anew with --fresh',
      );
    if (!isPlan(plan)) throw new UsageError(`${join(this.path, PLAN)} is no plan of a campaign`, HINT);
    return plan;
  }

  /** What is in a folder that holds no campaign is somebody else's. */
  private refuseForeign(plan: string | null): void {
    if (plan !== null ? isPlan(parsed(plan)) : this.names().every((name) => name === NEW_PLAN)) return;
    throw new UsageError(
      `${this.path} is not empty and holds no campaign`,
      'give --state a folder that is empty, or not there yet',
    );
  }

  private names(): string[] {
    try {
      return readdirSync(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new OutputError(`--state '${this.path}'`, error);
    }
  }

  /** All lines that were written to their end; one that was cut is closed, so that the next begins on its own. */
  lines(): ResultLine[] {
    const text = this.has(RESULTS) ? this.read(RESULTS).toString() : '';
    if (text !== '' && !text.endsWith('\n')) this.writing(RESULTS, (path) => appendFileSync(path, '\n'));
    return text.split('\n').flatMap((line) => {
      try {
        return [(JSON.parse(line) ?? {}) as ResultLine];
      } catch {
        return [];
      }
    });
  }

  add(line: ResultLine): void {
    this.writing(RESULTS, (path) => appendFileSync(path, `${JSON.stringify(line)}\n`));
  }

  /** Asks whoever runs it to end. */
  cancel(): void {
    this.writing(CANCEL, (path) => writeFileSync(path, ''));
  }

  get isCancelled(): boolean {
    return this.has(CANCEL);
  }

  /** From now on this process runs it, which has `before` results. Throws UsageError where another does. */
  own(before: number): void {
    this.refuseOther();
    this.remove(CANCEL);
    const text = `${JSON.stringify(thisOwner(before))}\n`;
    this.writing(OWNER, (path) => {
      const write = (): void => writeFileSync(path, text, { flag: 'wx' });
      try {
        write();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        // Another was faster, or it is left of one that was killed.
        this.refuseOther();
        rmSync(path);
        write();
      }
    });
  }

  release(): void {
    this.remove(OWNER);
  }

  /** The process that runs it now. */
  owner(): Owner | null {
    try {
      return livingOwner(readFileSync(join(this.path, OWNER), 'utf8'));
    } catch {
      return null;
    }
  }

  private refuseOther(): void {
    const owner = this.owner();
    if (owner === null || isThisProcess(owner)) return;
    throw new UsageError(
      `${this.path} is run by ${ownerText(owner)}`,
      `\`dmirror campaign cancel ${this.path}\` ends it; remove ${join(this.path, OWNER)} if that process is gone`,
    );
  }

  private has(name: string): boolean {
    return existsSync(join(this.path, name));
  }

  private read(name: string): Buffer {
    return inputBytes(join(this.path, name), HINT);
  }

  private remove(name: string): void {
    this.writing(name, (path) => rmSync(path, { force: true }));
  }

  private writing(name: string, action: (path: string) => unknown): void {
    const path = join(this.path, name);
    try {
      action(path);
    } catch (error) {
      throw new OutputError(name === '' ? `--state '${this.path}'` : path, error);
    }
  }
}

function parsed(text: string): Partial<CampaignPlan> {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** Of whichever version. */
function isPlan(plan: Partial<CampaignPlan>): plan is CampaignPlan {
  const { version, campaign, jobs } = plan;
  return typeof version === 'string' && typeof campaign?.name === 'string' && Array.isArray(jobs);
}

/** The text of a plan without what only says when it ends. */
function workIn(plan: string): string {
  return plan.slice(0, plan.indexOf('"budget"')) + plan.slice(plan.indexOf(',"jobs":'));
}
