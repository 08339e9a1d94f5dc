import { basename } from 'node:path';
import * as v from 'valibot';
import type { ProfileName } from '../../driver/mm/profile.js';
import type { PathName } from '../../uapi/path-name.js';
import { inputBytes, UsageError } from '../exit-code.js';
import { didYouMean, nearest } from '../nearest.js';
import { readYaml } from '../yaml-file.js';
import { opError } from './litmus-op.js';
import { LITMUS, RECORDED, RECORDED_KEYS, type RecordedLitmus, type YamlLitmus } from './litmus-schema.js';
import { opLines } from './litmus-steps.js';

/** Conditions over outcomes, each a pattern in which `*` stands for anything. */
export interface Conditions {
  /** No outcome may match one of these. */
  readonly forbid: readonly string[];
  /** Each of these must match an outcome. */
  readonly require: readonly string[];
  /** Every outcome must match one of these; empty: whatever. */
  readonly allow: readonly string[];
}

/** One litmus test, and what a real kernel is known to answer. */
export interface Litmus {
  readonly name: string;
  readonly setup: readonly string[];
  /** The ops of each thread. */
  readonly threads: readonly (readonly string[])[];
  readonly observe: readonly string[];
  readonly conditions: Conditions;
  /** Of its own, where it says so. */
  readonly path?: PathName;
  readonly profile?: ProfileName;
  /** What a real kernel showed; null for a test that none has run. */
  readonly recorded: Recorded | null;
}

export interface Recorded {
  /** Outcomes and how often each was seen. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Of the ops one after the other. */
  readonly serial: ReadonlySet<string>;
  /** Outcomes whose last READ copies a freed frame. */
  readonly staleRead: ReadonlySet<string>;
  readonly setupAnswers: readonly string[];
}

export const NO_CONDITIONS: Conditions = { forbid: [], require: [], allow: [] };
const SEE_DOCS = 'docs/exploring.md says what a litmus test has';

/** The tests of a file: YAML with one test, or JSON lines. Throws UsageError with the place of what is wrong. */
export function readLitmusFile(file: string): Litmus[] {
  const text = inputBytes(file, 'name a file of litmus tests, or shipped ones').toString('utf8');
  if (/\.ya?ml$/.test(file)) return [fromYaml(text, file)];
  const lines = text.split('\n').map((line, i) => ({ line, place: `${file}:${i + 1}` }));
  const tests = lines.flatMap(({ line, place }) => (line.trim() === '' ? [] : [fromJsonLine(line, place)]));
  if (tests.length === 0) throw new UsageError(`${file}: it is empty`, SEE_DOCS);
  return tests;
}

/** Is the first line of this text a litmus test rather than a recorded sequence? */
export function isLitmusText(text: string): boolean {
  return /^\s*\{"name":.*"threads":/.test(text.slice(0, text.indexOf('\n') >>> 0));
}

function fromJsonLine(line: string, place: string): Litmus {
  let found: unknown;
  try {
    found = JSON.parse(line);
  } catch {
    throw new UsageError(`${place}: not JSON`, SEE_DOCS);
  }
  const test: RecordedLitmus = checked(RECORDED, found, () => place);
  const wrong = Object.keys(test).find(
    (key) => !RECORDED_KEYS.includes(key) && nearest(key, RECORDED_KEYS) !== undefined,
  );
  if (wrong !== undefined)
    throw new UsageError(`${place}: no key '${wrong}' here${didYouMean(wrong, RECORDED_KEYS)}`, SEE_DOCS);
  const { name, setup, threads, observe, forbid = [], require = [], allow = [] } = test;
  for (const op of [...setup, ...threads.flat(), ...observe]) checkOp(op, place);
  const recorded =
    test.outcomes === undefined
      ? null
      : {
          outcomes: new Map(
            Object.entries(test.outcomes).map(([outcome, counts]) => [outcome, counts.reduce((a, b) => a + b, 0)]),
          ),
          serial: new Set(Object.keys(test.serial ?? {})),
          staleRead: new Set(test.stale_read ?? []),
          setupAnswers: test.setup_answers ?? [],
        };
  return { name, setup, threads, observe, conditions: { forbid, require, allow }, recorded };
}

function fromYaml(text: string, file: string): Litmus {
  const { value, mistake, place } = readYaml(text);
  if (mistake !== null) throw new UsageError(`${file}:${mistake.line}:${mistake.column}: ${mistake.message}`, SEE_DOCS);
  const placeOf = (path: readonly (string | number)[]): string => {
    const { line, column } = place(path);
    return `${file}:${line}:${column}`;
  };
  const test: YamlLitmus = checked(LITMUS, value, placeOf);
  const lines = opLines(test, (message, path) => {
    throw new UsageError(`${placeOf(path)}: ${message}`, SEE_DOCS);
  });
  const parts = { setup: lines.setup, threads: lines.threads, observe: lines.observe };
  for (const [part, ops] of Object.entries(parts)) for (const op of ops.flat()) checkOp(op, placeOf([part]));
  const { name = basename(file).replace(/\.ya?ml$/, ''), forbid = [], require = [], allow = [] } = test;
  return {
    name,
    ...lines,
    conditions: { forbid, require, allow },
    ...(test.machine?.path === undefined ? {} : { path: test.machine.path }),
    ...(test.machine?.profile === undefined ? {} : { profile: test.machine.profile as ProfileName }),
    recorded: null,
  };
}

function checked<const Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
  placeOf: (path: readonly (string | number)[]) => string,
): v.InferOutput<Schema> {
  const { success, output, issues } = v.safeParse(schema, value);
  if (success) return output;
  const all = issues.flatMap((issue) => innermost(issue, []));
  // What is spelled wrong is also missing.
  const { path, message } = all.find((issue) => issue.message.startsWith('no ')) ?? all[0]!;
  throw new UsageError(`${placeOf(path)}: ${message}`, SEE_DOCS);
}

interface Issue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** An op as text or a step: what is wrong with the step, where it is one. */
function innermost(issue: v.BaseIssue<unknown>, before: Issue['path']): Issue[] {
  const path = [...before, ...(issue.path ?? []).map(({ key }) => key as string | number)];
  const inner = (issue.issues ?? [])
    .flatMap((one) => innermost(one, path))
    .filter((one) => one.path.length > path.length);
  return inner.length > 0 ? inner : [{ path, message: issue.message }];
}

function checkOp(op: string, place: string): void {
  const error = opError(op);
  if (error !== null) throw new UsageError(`${place}: ${error}`, SEE_DOCS);
}
