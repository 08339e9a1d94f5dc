// A recorded litmus test held against the machine: is each outcome of the real kernel reached, and which others are?

import { explore } from '../../driver/explore/index.js';
import { type HowToExplore, raceOf, sortedOut } from './explore-work.js';
import type { Litmus, Recorded } from './litmus-file.js';
import { withoutLastRead } from './litmus-outcome.js';
import type { LitmusRace } from './litmus-race.js';
import { type MissingOutcome, missingOf } from './missing-outcomes.js';
import { serialOutcomes } from './serial-outcomes.js';

/** Schedules that are run in the hope that they are all that differ, and between two looks whether everything is reached. */
const SEARCH = 1500;
const BURST = 500;

/** What came of one test. */
export interface LitmusResult {
  readonly name: string;
  readonly seen: number;
  readonly missing: readonly MissingOutcome[];
  /** Reached, and not shown by the real kernel: with how many schedules. */
  readonly extra: readonly (readonly [outcome: string, schedules: number])[];
  /** Outcomes of the ops one after the other that one side alone has. */
  readonly serial: readonly string[];
  readonly findings: readonly string[];
  readonly schedules: number;
  readonly ms: number;
}

/** Runs all schedules that differ where those are few, else draws some until every recorded outcome is reached, or the budget is used up. */
export function conformLitmus(test: Litmus, how: Omit<HowToExplore, 'strategy'>, now: () => number): LitmusResult {
  const begun = now();
  const recorded = test.recorded ?? NOTHING;
  const race = raceOf(test, how);
  const serial = serialDifferences(race, recorded);
  const reached = new Map<string, number>();
  const findings = new Set<string>();
  let schedules = 0;
  for (let seed = how.seed; schedules < how.budget; seed++) {
    const isSearch = schedules === 0;
    const budget = Math.min(isSearch ? SEARCH : BURST, how.budget - schedules);
    const options = { strategy: isSearch ? 'dpor' : 'random', budget, seed, isChecked: how.isChecked } as const;
    const { outcomes, findings: found, verdict, schedules: ran } = sortedOut(explore(race, options));
    schedules += ran;
    for (const [outcome, seen] of outcomes) reached.set(outcome, (reached.get(outcome) ?? 0) + seen.schedules);
    for (const { kind, message } of found) findings.add(`${kind}: ${message}`);
    if (verdict === 'complete' || missingOf(recorded, reached).length === 0) break;
  }
  return {
    name: test.name,
    seen: recorded.outcomes.size,
    missing: missingOf(recorded, reached),
    extra: extraOf(recorded, reached),
    serial,
    findings: [...findings],
    schedules,
    ms: now() - begun,
  };
}

const NOTHING: Recorded = { outcomes: new Map(), serial: new Set(), staleRead: new Set(), setupAnswers: [] };

function extraOf({ outcomes, staleRead }: Recorded, reached: ReadonlyMap<string, number>): [string, number][] {
  const stale = new Set([...staleRead].map(withoutLastRead));
  return [...reached].filter(([outcome]) => !outcomes.has(outcome) && !stale.has(withoutLastRead(outcome)));
}

/** Ops of the set-up that the real kernel answered otherwise. */
export function setupDifferences({ setup, recorded }: Litmus, answers: readonly string[]): string[] {
  return setup.flatMap((op, i) => {
    const there = recorded?.setupAnswers[i] ?? answers[i];
    return there === answers[i] ? [] : [`the set-up answers ${answers[i]} to ${op}, and ${there} on Linux`];
  });
}

function serialDifferences(race: LitmusRace, { serial }: Recorded): string[] {
  const differences = setupDifferences(race.test, race.setupAnswers);
  if (serial.size === 0) return differences;
  const ours = serialOutcomes(race);
  for (const outcome of ours) if (!serial.has(outcome)) differences.push(`only here: ${outcome}`);
  for (const outcome of serial) if (!ours.has(outcome)) differences.push(`only there: ${outcome}`);
  return differences;
}
