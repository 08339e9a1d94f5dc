// What a reader is told of one explored test: its outcomes, the verdict, and what is wrong.

import type { Verdict } from '../../driver/explore/index.js';
import type { Injection } from '../../driver/inject/injection.js';
import { DEFAULT_PROFILE, type ProfileName } from '../../driver/mm/profile.js';
import type { PathName } from '../../uapi/path-name.js';
import { globToRegExp, replayCommand, shellWords } from '../glob.js';
import { injectionText } from '../token/parts.js';
import type { ExploredTest, HowToExplore } from './explore-work.js';
import { setupDifferences } from './litmus-conform.js';
import type { Litmus } from './litmus-file.js';
import { withoutLastRead, writtenOutcome } from './litmus-outcome.js';
import { missingOf } from './missing-outcomes.js';
import { type NeverSeenKind, neverSeenKind } from './never-seen.js';
import { RACE_TOKEN, tokenWords } from './race-token.js';

interface ReportedOutcome {
  readonly outcome: string;
  readonly schedules: number;
  /** How often a real kernel showed it; undefined: none has run the test. */
  readonly seen?: number;
  /** Never seen by a real kernel that ran the test, and why it is possible: a kind of the register. */
  readonly judged?: NeverSeenKind;
  /** The failure without which it is not reached. */
  readonly fault?: string;
  readonly token: string;
}

interface Problem {
  readonly what: string;
  readonly token?: string;
  /** A longer search may find what is missed. */
  readonly isOpen?: true;
}

export interface TestReport {
  readonly test: string;
  /** Its own, which goes beside a token that has only the print of a test. */
  readonly file?: string;
  readonly path: PathName;
  readonly profile: ProfileName;
  readonly verdict: Verdict | 'interrupted';
  readonly schedules: number;
  /** Of `dpor`. */
  readonly inequivalent?: number;
  /** Failures that it ran with, each by itself. */
  readonly failures: number;
  /** Of `pct`: the chance of one schedule to show a bug of its depth. */
  readonly guarantee?: number;
  readonly ms: number;
  readonly outcomes: readonly ReportedOutcome[];
  /** Of the register of what the real kernel does wrong too. */
  readonly asLinux: readonly string[];
  /** What else is to be known of it, and is nothing wrong. */
  readonly notes: readonly string[];
  /** Findings that no register has, and conditions that are not met. */
  readonly problems: readonly Problem[];
}

/** How it was explored, with nothing left open. */
export type HowExplored = HowToExplore & { readonly profile: ProfileName };

export function reportOf(
  test: Litmus,
  explored: ExploredTest,
  { how, ms }: { how: HowExplored; ms: number },
): TestReport {
  const { path, profile, dialect } = how;
  const token = (choices: readonly number[], injections: readonly Injection[]): string =>
    RACE_TOKEN.writeShort({ test, path, profile, dialect, injections, choices });
  const outcomes = [...explored.outcomes]
    .map(([outcome, { schedules, witness, injections }]) => ({
      outcome,
      schedules,
      ...(injections.length === 0 ? seenOf(test, outcome) : { fault: injections.map(injectionText).join('+') }),
      token: token(witness, injections),
    }))
    .sort((a, b) => b.schedules - a.schedules);
  const findings = explored.findings.map(({ kind, message, witness, injections }) => ({
    what: `${kind}: ${message}`,
    token: token(witness, injections),
  }));
  const { schedules, inequivalent, asLinux, failures, guarantee, isCut } = explored;
  const isBeside = [...outcomes, ...findings].some(({ token }) => tokenWords(token, test.file).length > 1);
  const verdict = isCut ? 'interrupted' : explored.verdict;
  const recorded = heldAgainst(test, explored, { how, verdict });
  return {
    ...{ test: test.name, path, profile, verdict, schedules, failures },
    ...(isBeside && { file: test.file! }),
    ...(inequivalent === undefined ? {} : { inequivalent }),
    ...(guarantee === undefined ? {} : { guarantee }),
    ...{ ms, outcomes, asLinux, notes: [...failedSetup(test, explored), ...recorded.notes] },
    problems: [...findings, ...recorded.problems, ...unmet(test, outcomes, verdict)],
  };
}

/** Ops of the set-up that came to an error: what is raced then may not be what was meant. */
function failedSetup({ setup }: Litmus, { setupAnswers }: ExploredTest): string[] {
  return setup.flatMap((op, i) => (/^-\d/.test(setupAnswers[i]!) ? [`set-up: ${op} answers ${setupAnswers[i]}`] : []));
}

/** What a real kernel showed and this one does not; nothing wrong in a kernel that it was not, nor as long as schedules are left. */
function heldAgainst(
  test: Litmus,
  { outcomes, setupAnswers }: ExploredTest,
  { how, verdict }: { how: HowExplored; verdict: TestReport['verdict'] },
): Pick<TestReport, 'notes' | 'problems'> {
  if (test.recorded === null) return { notes: [], problems: [] };
  const plain = [...outcomes].filter(([, { injections }]) => injections.length === 0);
  const reached = new Map(plain.map(([outcome, { schedules }]) => [outcome, schedules]));
  const isWhole = verdict === 'complete';
  const setup = setupDifferences(test, setupAnswers);
  const missing = missingOf(test.recorded, reached).map(
    ({ outcome, count }) => `seen ${count} times on Linux, not reached${isWhole ? '' : ' yet'}: ${outcome}`,
  );
  if (how.profile !== DEFAULT_PROFILE.name) return { notes: [...setup, ...missing], problems: [] };
  const wrong = [...setup, ...(isWhole ? missing : [])];
  return { notes: isWhole ? [] : missing, problems: wrong.map((what) => ({ what })) };
}

/** How often a real kernel showed the outcome, and how it was judged if never. */
function seenOf({ name, recorded }: Litmus, outcome: string): Pick<ReportedOutcome, 'seen' | 'judged'> {
  if (recorded === null) return {};
  const { outcomes, staleRead } = recorded;
  const same = outcomes.get(outcome);
  if (same !== undefined) return { seen: same };
  const stale = [...staleRead].filter((other) => withoutLastRead(other) === withoutLastRead(outcome));
  const seen = stale.reduce((sum, other) => sum + outcomes.get(other)!, 0);
  const judged = seen > 0 ? undefined : neverSeenKind(name, outcome);
  return judged === undefined ? { seen } : { seen, judged };
}

/** Conditions of the test that the outcomes do not meet. What a failure alone leads to need not be allowed, but may be forbidden. */
function unmet(
  { conditions }: Litmus,
  outcomes: readonly ReportedOutcome[],
  verdict: TestReport['verdict'],
): Problem[] {
  const { forbid, require, allow } = conditions;
  const matches = (patterns: readonly string[], { outcome }: ReportedOutcome): boolean =>
    patterns.some((pattern) => isOutcome(pattern, outcome));
  const plain = outcomes.filter(({ fault }) => fault === undefined);
  const forbidden = outcomes.filter((one) => matches(forbid, one));
  const others = allow.length === 0 ? [] : plain.filter((one) => !matches(allow, one));
  const missing = require.filter((pattern) => !plain.some((one) => matches([pattern], one)));
  return [
    ...forbidden.map(({ outcome, token }) => ({ what: `forbidden: ${outcome}`, token })),
    ...others.map(({ outcome, token }) => ({ what: `not allowed: ${outcome}`, token })),
    ...missing.map((pattern) =>
      verdict === 'complete'
        ? { what: `not reached: ${pattern}` }
        : { what: `not reached yet: ${pattern}`, isOpen: true as const },
    ),
  ];
}

/** Is it the outcome that is written so, or one of those? */
export function isOutcome(pattern: string, outcome: string): boolean {
  const written = writtenOutcome(pattern);
  return outcome === written || globToRegExp(written).test(outcome);
}

export function isWrong({ problems }: TestReport): boolean {
  return problems.some(({ isOpen }) => isOpen !== true);
}

/** Lines for a reader, the summary first. */
export function reportLines(report: TestReport): string[] {
  const { outcomes, verdict, ms, asLinux, notes, problems, failures, guarantee, file } = report;
  const under = failures === 0 ? '' : `, with none and with each of ${failures} failures`;
  const chance =
    guarantee === undefined
      ? []
      : [`each schedule shows a bug of this depth with a chance of at least ${guarantee.toExponential(1)}`];
  return [
    `${outcomes.length} outcome${outcomes.length === 1 ? '' : 's'}, ${verdict}, ${schedulesText(report)}${under}, ${(ms / 1000).toFixed(1)} s`,
    ...chance,
    ...outcomes.flatMap((one) => [
      one.outcome,
      `  ${one.schedules} schedules${seenText(one)}, ${shellWords(tokenWords(one.token, file))}`,
    ]),
    ...asLinux.map((name) => `as Linux: ${name}`),
    ...notes,
    ...problems.flatMap(({ what, token }) =>
      token === undefined ? [what] : [what, `  replay: ${replayCommand(...tokenWords(token, file))}`],
    ),
    ...(verdict === 'budget' && guarantee === undefined ? ['more schedules are left: give a larger --budget'] : []),
  ];
}

/** How many schedules ran, and how many of them differ, where that is known. */
export function schedulesText({ schedules, inequivalent }: Pick<TestReport, 'schedules' | 'inequivalent'>): string {
  return `${schedules} schedules${inequivalent === undefined ? '' : ` (${inequivalent} inequivalent)`}`;
}

function seenText({ seen, fault, judged }: ReportedOutcome): string {
  if (fault !== undefined) return ` with ${fault}`;
  if (seen === undefined) return '';
  if (seen > 0) return `, seen ${seen} times on Linux`;
  return `, never seen on Linux (${judged === undefined ? 'not judged' : `possible: ${judged}`})`;
}
