import { createHash } from 'node:crypto';
import { UsageError } from '../exit-code.js';
import { CASE, MACHINE, SEED, type TokenMachine } from '../token/parts.js';
import { type Part, TokenKind } from '../token/token.js';

/** What a job is called by: with its content, all that its result depends on. */
interface JobId extends TokenMachine {
  readonly kind: JobKind;
  readonly name: string;
  readonly seed: number;
  /** Tells what else goes into it. */
  readonly print: string;
}

const JOB_KINDS = ['case', 'sweep', 'recording', 'litmus', 'plan', 'suite', 'probe'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

const KIND: Part<JobId> = {
  name: 'what',
  text: ({ kind }) => kind,
  read: (text) => {
    const kind = JOB_KINDS.find((known) => known === text);
    if (kind === undefined) throw new UsageError(`'${text}' is no kind of job`, `they are: ${JOB_KINDS.join(', ')}`);
    return { kind };
  },
};
const PRINT: Part<JobId> = { name: 'print', text: ({ print }) => print, read: (print) => ({ print }) };

/** `dm2:job:KIND:NAME:MACHINE:SEED:PRINT:CHECK` */
const JOB_TOKEN = new TokenKind<JobId>('job', [KIND, CASE, MACHINE, SEED, PRINT]);

/** A piece of work that needs nothing but itself and the package. */
export interface Job {
  readonly token: string;
  readonly kind: JobKind;
  /** For a reader. */
  readonly name: string;
  readonly path: string;
  /** JSON, for `taskOf`. */
  readonly task: string;
}

/** JSON has neither maps nor sets. */
function withCollections(_: string, value: unknown): unknown {
  if (value instanceof Map) return { $map: [...value] };
  return value instanceof Set ? { $set: [...value] } : value;
}

export function taskOf(text: string): unknown {
  return JSON.parse(text, (_, value) => {
    if (Array.isArray(value?.$map)) return new Map(value.$map);
    return Array.isArray(value?.$set) ? new Set(value.$set) : value;
  });
}

export function jobOf(id: Omit<JobId, 'print'>, task: unknown): Job {
  const text = JSON.stringify(task, withCollections);
  const print = createHash('sha256').update(text).digest('base64url').slice(0, 8);
  const { kind, name, path, profile, dialect = 'dmirror', seed } = id;
  const machine = [path, profile, dialect, `seed ${seed}`].join(' ');
  // A colon separates the parts of a token.
  const token = JOB_TOKEN.write({ ...id, name: name.replaceAll(':', ';'), print });
  return { token, kind, name: `${kind} ${name} (${machine}, ${print})`, path, task: text };
}

/** Something that a job found. */
export interface CampaignFinding {
  readonly check: string;
  readonly functions: readonly string[];
  /** What is said of the page and what holds it, without numbers that differ from run to run. */
  readonly page: string;
  readonly message: string;
  /** Shows it again; null where nothing shorter than the job does. */
  readonly token: string | null;
}

/** What came of a job. */
export interface JobOutcome {
  readonly status: 'pass' | 'fail' | 'skip';
  /** Runs, schedules or sequences that it had. */
  readonly runs: number;
  readonly ms: number;
  readonly message: string;
  readonly findings: readonly CampaignFinding[];
  /** It ended its worker so often that nobody tries again. */
  readonly isQuarantined?: boolean;
}

/** The last of so many ends of its worker quarantines a job. */
export const MOST_CRASHES = 3;

export const QUARANTINED: JobOutcome = {
  status: 'fail',
  runs: 0,
  ms: 0,
  message: `quarantined: ${MOST_CRASHES} workers ended while they did it`,
  findings: [],
  isQuarantined: true,
};
