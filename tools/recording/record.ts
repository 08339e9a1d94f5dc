import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { explore } from '../../driver/explore/index.js';
import type { DefectName } from '../../driver/inject/defects.js';
import type { ProfileName } from '../../driver/mm/profile.js';
import type { PathName } from '../../uapi/path-name.js';
import { UsageError } from '../exit-code.js';
import { raceOf, sortedOut } from '../explore/explore-work.js';
import type { Litmus } from '../explore/litmus-file.js';
import { namedTests, shippedNames } from '../explore/shipped-tests.js';
import { loadPlan } from '../fault/plans/plan-parse.js';
import { shippedPlans } from '../fault/plans/shipped-plans.js';
import { casesByName } from '../fault/sweep/cases.js';
import { didYouMean } from '../nearest.js';
import { isToken, runKind } from '../token/token.js';
import { plainRun, recordCase, recordPlan, recordPlanToken, recordRunToken } from './record-fault.js';
import { recordGuestToken, recordProgram } from './record-guest.js';
import { recordRace, recordRaceToken } from './record-race.js';
import { recordOpsToken } from './record-sequence.js';
import { asFarAsKnown, type RecordedRun, type RecordOptions } from './recorded-run.js';

/** How what is no token runs: a token says all of that itself. */
export interface WhichRun extends RecordOptions {
  readonly path: PathName;
  readonly profile: ProfileName;
  /** Those of them that are to come before what a litmus file says. */
  readonly asked?: { readonly path?: PathName | undefined; readonly profile?: ProfileName | undefined };
  readonly seed: number;
  readonly dialect: string;
  readonly defects: readonly DefectName[];
  /** Of a litmus test: the outcome, or the beginning of one, whose schedule is wanted. */
  readonly witness?: string | undefined;
}

const WHAT = 'TOKEN, PLAN, LITMUS, CASE or -- BINARY ARGS';
const NONE_OF_THESE = `give a token, a plan, a litmus test, a case of the selftests or an RV64 program: ${WHAT}`;

/** Makes the run again that the words of a command line name, and writes it down. Throws UsageError. */
export async function record(words: readonly string[], options: WhichRun): Promise<RecordedRun> {
  return asFarAsKnown(await recordWords(words, options));
}

async function recordWords(words: readonly string[], options: WhichRun): Promise<RecordedRun> {
  const [first, ...rest] = words;
  if (first === undefined) throw new UsageError('nothing is named', NONE_OF_THESE);
  if (isToken(first)) return await recordToken(first, rest, options);
  const isFile = existsSync(first);
  if (isFile && isProgram(first)) return await recordProgram(words, options, options);
  if (rest.length > 0)
    throw new UsageError(`'${rest[0]}' stands behind '${first}', which takes nothing`, NONE_OF_THESE);
  if (isFile) return await recordFile(first, options);
  if (/[/\\]|\.(ya?ml|jsonl?|ndjson|txt|log|tap)$/.test(first))
    throw new UsageError(`'${first}' does not exist`, NONE_OF_THESE);
  return await recordName(first, options);
}

async function recordToken(token: string, rest: readonly string[], options: WhichRun): Promise<RecordedRun> {
  const kind = runKind(token);
  if (kind === 'guest') return await recordGuestToken(token, rest[0], options);
  const [file] = rest;
  if (kind === 'race') return recordRaceToken([token, ...rest], options);
  if (file !== undefined) throw new UsageError(`a token of the kind '${kind}' needs no '${file}'`, 'leave it out');
  if (kind === 'ops') return recordOpsToken(token, options);
  return await (kind === 'plan' ? recordPlanToken(token, options) : recordRunToken(token, options));
}

async function recordFile(file: string, options: WhichRun): Promise<RecordedRun> {
  if (file.endsWith('.jsonl')) return recordLitmus(namedTests([file]), options);
  if (!/\.ya?ml$/.test(file)) throw new UsageError(`'${file}' is none of these`, NONE_OF_THESE);
  const isLitmus = /^threads:/m.test(readFileSync(file, 'utf8'));
  if (isLitmus) return recordLitmus(namedTests([file]), options);
  return await recordPlan({ plan: loadPlan(file), ...options }, options);
}

async function recordName(name: string, options: WhichRun): Promise<RecordedRun> {
  const tests = shippedNames();
  const cases = casesByName(options.profile);
  if (tests.includes(name)) return recordLitmus(namedTests([name]), options);
  if (cases.has(name)) return await recordCase(plainRun(name, options), options);
  const plans = shippedPlans();
  if (plans.includes(name)) return await recordPlan({ plan: loadPlan(name), ...options }, options);
  const all = [...plans, ...cases.keys(), ...tests];
  throw new UsageError(`'${name}' is none of these${didYouMean(name, all)}`, NONE_OF_THESE);
}

const LOOK_AT = 2_000;

/** The schedule that comes to the outcome that is asked for, else to the first finding, else the default one. */
function recordLitmus(tests: readonly Litmus[], options: WhichRun): RecordedRun {
  const [test] = tests;
  if (test === undefined || tests.length > 1)
    throw new UsageError(`${tests.length} tests are named`, 'name one, as `dmirror explore --list` prints them');
  const { dialect, witness } = options;
  const { asked = {} } = options;
  const path = asked.path ?? test.path ?? options.path;
  const profile = asked.profile ?? test.profile ?? options.profile;
  const explored = sortedOut(explore(raceOf(test, { path, profile, dialect }), { budget: LOOK_AT }));
  const outcomes = [...explored.outcomes];
  const wanted = witness === undefined ? undefined : outcomes.find(([outcome]) => outcome.startsWith(witness));
  if (witness !== undefined && wanted === undefined)
    throw new UsageError(
      `${test.name} does not come to '${witness}' in ${LOOK_AT} schedules`,
      `it comes to: ${outcomes.map(([outcome]) => outcome).join(' | ')}`,
    );
  const choices = wanted?.[1].witness ?? explored.findings[0]?.witness ?? [];
  return recordRace({ test, path, profile, dialect, injections: [], choices }, options);
}

/** Does the file begin as ELF does? */
function isProgram(file: string): boolean {
  const fd = openSync(file, 'r');
  try {
    const magic = Buffer.alloc(4);
    return readSync(fd, magic, 0, 4, 0) === 4 && magic.toString('latin1') === '\x7fELF';
  } catch {
    // A folder.
    return false;
  } finally {
    closeSync(fd);
  }
}
