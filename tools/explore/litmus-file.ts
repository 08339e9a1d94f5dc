import { basename } from 'node:path';
import * as v from 'valibot';
import type { ProfileName } from '../../driver/mm/profile.js';
import { parsedLine, type RecordedLine, recordedLines } from '../../tests/conform/recorded-lines.js';
import type { PathName } from '../../uapi/path-name.js';
import { inputBytes, UsageError } from '../exit-code.js';
import { issueAt, readYamlFile, type Wrong } from '../yaml-file.js';
import { misfit } from './litmus-misfit.js';
import { opError } from './litmus-op.js';
import { writtenOutcome } from './litmus-outcome.js';
import { LITMUS, RECORDED, type RecordedLitmus, type YamlLitmus } from './litmus-schema.js';
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
  /** Where it was read. */
  readonly file?: string;
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
  if (/\.ya?ml$/.test(file)) return [fromYaml(file)];
  const { lines, path } = litmusLines(file);
  const tests = lines.map(fromJsonLine);
  if (tests.length === 0) throw new UsageError(`${file}: it is empty`, SEE_DOCS);
  return tests.map((test) => ({ ...test, file, ...(path === null ? {} : { path }) }));
}

/** A file of JSON lines, plain or gzip, and the path that it is of. Throws UsageError. */
export function litmusLines(file: string): ReturnType<typeof recordedLines> {
  return said(() => recordedLines(file, inputBytes(file, 'name a file of litmus tests, or shipped ones')));
}

/** Does a file have litmus tests, rather than recorded sequences? Of what can't be read it does not. */
export function isLitmusFile(file: string): boolean {
  try {
    const [first] = recordedLines(file).lines;
    const found = first === undefined ? null : parsedLine(first);
    return typeof found === 'object' && found !== null && 'name' in found && !('seq' in found);
  } catch {
    return false;
  }
}

function said<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError((error as Error).message, SEE_DOCS);
  }
}

function fromJsonLine(line: RecordedLine): Litmus {
  const wrong = (message: string) => new UsageError(`${line.where}: ${message}`, SEE_DOCS);
  const found = said(() => parsedLine(line));
  const test: RecordedLitmus = checked(RECORDED, found, (keys, message, part) =>
    wrong(part === 'key' || keys.length === 0 ? message : `'${keys.join('.')}': ${message}`),
  );
  const { name, setup, threads, observe, forbid = [], require = [], allow = [] } = test;
  for (const op of [...setup, ...threads.flat(), ...observe]) {
    const error = opError(op);
    if (error !== null) throw wrong(error);
  }
  const bad = misfit(test);
  if (bad !== null) throw wrong(`${bad.message} (${bad.wayOut})`);
  const recorded =
    test.outcomes === undefined
      ? null
      : {
          outcomes: new Map(
            Object.entries(test.outcomes).map(([outcome, counts]) => [
              writtenOutcome(outcome),
              counts.reduce((a, b) => a + b, 0),
            ]),
          ),
          serial: new Set(Object.keys(test.serial ?? {})),
          staleRead: new Set(test.stale_read ?? []),
          setupAnswers: test.setup_answers ?? [],
        };
  return { name, setup, threads, observe, conditions: { forbid, require, allow }, recorded };
}

function fromYaml(file: string): Litmus {
  const { value, wrong } = readYamlFile(file, SEE_DOCS);
  const test: YamlLitmus = checked(LITMUS, value, wrong);
  const lines = opLines(test, (message, path, key) => {
    throw key === undefined ? wrong(path, message) : wrong([...path, key], message, 'key');
  });
  const bad = misfit(lines);
  if (bad !== null) throw wrong(bad.keys, `${bad.message} (${bad.wayOut})`);
  const { name = basename(file).replace(/\.ya?ml$/, ''), forbid = [], require = [], allow = [] } = test;
  return {
    name,
    file,
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
  wrong: Wrong,
): v.InferOutput<Schema> {
  const { success, output, issues } = v.safeParse(schema, value);
  if (success) return output;
  const all = issues.flatMap((issue) => innermost(issue, []));
  // What is spelled wrong is also missing.
  const [keys, message, part] = all.find(([, message]) => message.startsWith('no ')) ?? all[0]!;
  throw wrong(keys, message, part);
}

type Issue = ReturnType<typeof issueAt>;

/** An op as text or a step: what is wrong with the step, where it is one. */
function innermost(issue: v.BaseIssue<unknown>, before: readonly (string | number)[]): Issue[] {
  const own = issueAt(issue, before);
  const inner = (issue.issues ?? [])
    .flatMap((one) => innermost(one, own[0]))
    .filter(([keys]) => keys.length > own[0].length);
  return inner.length > 0 ? inner : [own];
}
