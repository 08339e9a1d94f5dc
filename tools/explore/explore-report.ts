// What a reader is told of one explored test: its outcomes, the verdict, and what is wrong.

import type { Verdict } from '../../driver/explore/index.js';
import type { ProfileName } from '../../driver/mm/profile.js';
import type { PathName } from '../../uapi/path-name.js';
import { globToRegExp } from '../glob.js';
import type { Explored } from './explore-work.js';
import type { Litmus } from './litmus-file.js';
import { withoutLastRead } from './litmus-outcome.js';
import { RACE_TOKEN } from './race-token.js';

interface ReportedOutcome {
  readonly outcome: string;
  readonly schedules: number;
  /** How often a real kernel showed it; undefined: none has run the test. */
  readonly seen?: number;
  readonly token: string;
}

export interface TestReport {
  readonly test: string;
  readonly path: PathName;
  readonly profile: ProfileName;
  readonly verdict: Verdict;
  readonly schedules: number;
  readonly inequivalent: number;
  readonly ms: number;
  readonly outcomes: readonly ReportedOutcome[];
  /** Of the register of what the real kernel does wrong too. */
  readonly asLinux: readonly string[];
  /** Findings that no register has, and conditions that are not met. */
  readonly problems: readonly { readonly what: string; readonly token?: string }[];
}

export function reportOf(
  test: Litmus,
  explored: Explored,
  { path, profile, ms }: { path: PathName; profile: ProfileName; ms: number },
): TestReport {
  const token = (choices: readonly number[]): string =>
    RACE_TOKEN.write({ test, path, profile, injections: [], choices });
  const outcomes = [...explored.outcomes]
    .map(([outcome, { schedules, witness }]) => ({
      outcome,
      schedules,
      ...seenOf(test, outcome),
      token: token(witness),
    }))
    .sort((a, b) => b.schedules - a.schedules);
  const findings = explored.findings.map(({ kind, message, witness }) => ({
    what: `${kind}: ${message}`,
    token: token(witness),
  }));
  const { verdict, schedules, inequivalent, asLinux } = explored;
  const problems = [...findings, ...unmet(test, outcomes, verdict)];
  return { test: test.name, path, profile, verdict, schedules, inequivalent, ms, outcomes, asLinux, problems };
}

function seenOf({ recorded }: Litmus, outcome: string): { seen?: number } {
  if (recorded === null) return {};
  const { outcomes, staleRead } = recorded;
  const same = outcomes.get(outcome);
  if (same !== undefined) return { seen: same };
  const stale = [...staleRead].filter((other) => withoutLastRead(other) === withoutLastRead(outcome));
  return { seen: stale.reduce((sum, other) => sum + outcomes.get(other)!, 0) };
}

/** Conditions of the test that the outcomes do not meet. */
function unmet(
  { conditions }: Litmus,
  outcomes: readonly ReportedOutcome[],
  verdict: Verdict,
): { what: string; token?: string }[] {
  const { forbid, require, allow } = conditions;
  const matches = (patterns: readonly string[], { outcome }: ReportedOutcome): boolean =>
    patterns.some((pattern) => outcome === pattern || globToRegExp(pattern).test(outcome));
  const forbidden = outcomes
    .filter((one) => matches(forbid, one))
    .map(({ outcome, token }) => ({ what: `forbidden: ${outcome}`, token }));
  const others = allow.length === 0 ? [] : outcomes.filter((one) => !matches(allow, one));
  const missing = require.filter((pattern) => !outcomes.some((one) => matches([pattern], one)));
  const when = verdict === 'complete' ? 'not reached' : 'not reached yet';
  return [
    ...forbidden,
    ...others.map(({ outcome, token }) => ({ what: `not allowed: ${outcome}`, token })),
    ...missing.map((pattern) => ({ what: `${when}: ${pattern}` })),
  ];
}

/** Lines for a reader, the summary first. */
export function reportLines({
  verdict,
  schedules,
  inequivalent,
  ms,
  outcomes,
  asLinux,
  problems,
}: TestReport): string[] {
  return [
    `${outcomes.length} outcomes, ${verdict}, ${schedules} schedules (${inequivalent} inequivalent), ${(ms / 1000).toFixed(1)} s`,
    ...outcomes.flatMap(({ outcome, schedules: count, seen, token }) => [
      `${outcome}`,
      `  ${count} schedules${seen === undefined ? '' : seen === 0 ? ', never seen on Linux' : `, seen ${seen} times on Linux`}, ${token}`,
    ]),
    ...asLinux.map((name) => `as Linux: ${name}`),
    ...problems.map(({ what, token }) => `${what}${token === undefined ? '' : `, ${token}`}`),
  ];
}
