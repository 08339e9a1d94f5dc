import {
  type Exploration,
  type ExploreOptions,
  explore,
  type Race,
  type RaceFinding,
  type RaceOutcome,
  raceFaults,
  type StrategyName,
  withFault,
} from '../../driver/explore/index.js';
import type { Injection } from '../../driver/inject/injection.js';
import { DEFAULT_DIALECT } from '../../uapi/dialect.js';
import type { PathName } from '../../uapi/path-name.js';
import { asLinux } from './as-linux.js';
import type { Litmus } from './litmus-file.js';
import { LitmusRace } from './litmus-race.js';

/** How a test is explored. */
export interface HowToExplore extends Pick<ExploreOptions, 'preemptions' | 'depth'> {
  readonly path: PathName;
  readonly profile: string;
  readonly dialect?: string | undefined;
  readonly strategy: StrategyName;
  /** Schedules of one test at most, with failures and without. */
  readonly budget: number;
  readonly seed: number;
  readonly isChecked: boolean;
  /** 1: also under each single failure that the race can meet. */
  readonly faults?: number;
}

/** RAM of a race's machine: little, as each schedule begins with what it holds. */
const RAM_BYTES = 128 * 2 ** 20;
const SWAP_BYTES = 16 * 2 ** 20;
const HUGE_PAGES = 16;

/** A machine as the real driver has it, set up for the test. */
export function raceOf(
  test: Litmus,
  { path, profile, dialect = DEFAULT_DIALECT }: Pick<HowToExplore, 'path' | 'profile' | 'dialect'>,
): LitmusRace {
  const lines = [...test.setup, ...test.threads.flat(), ...test.observe];
  const needsSwap = lines.some((line) => line.endsWith(' PAGEOUT'));
  const needsHuge = lines.some((line) => line.includes(' hugetlb '));
  return new LitmusRace(test, {
    path: test.path ?? path,
    profile: test.profile ?? profile,
    dialect,
    ramBytes: RAM_BYTES,
    ...(needsSwap ? { swapBytes: SWAP_BYTES } : {}),
    ...(needsHuge ? { hugePages: HUGE_PAGES } : {}),
    quirks: { q3Strict: true, q20StaleMirror: true },
  });
}

/** The race with these failures, whatever schedule it runs under. */
export function faultyRace(race: Race, injections: readonly Injection[]): Race {
  return injections.reduce(withFault, race);
}

/** Which failures a schedule runs with. */
interface Injected {
  readonly injections: readonly Injection[];
}

/** What came of a test. */
export interface Explored extends Omit<Exploration, 'findings' | 'outcomes'> {
  readonly outcomes: ReadonlyMap<string, RaceOutcome & Injected>;
  /** What is in no register. */
  readonly findings: readonly (RaceFinding & Injected)[];
  /** That the real kernel does so too: names of the register. */
  readonly asLinux: readonly string[];
  /** How many failures it ran with, each by itself. */
  readonly failures: number;
}

export function exploreLitmus(test: Litmus, how: HowToExplore): Explored {
  const { budget, faults = 0, seed } = how;
  const race = raceOf(test, how);
  // The rest is for failures.
  const share = faults === 0 ? budget : Math.ceil(budget / 2);
  const plain = sortedOut(explore(race, { ...how, budget: share }));
  if (faults === 0) return plain;
  const failures = raceFaults(race, { schedules: LEARNING_SCHEDULES, seed });
  let all = plain;
  for (const [i, injection] of failures.entries()) {
    const share = Math.floor((budget - all.schedules) / (failures.length - i));
    if (share < 1) return { ...all, verdict: 'budget', failures: i };
    const options = { ...how, budget: share };
    all = joined(all, sortedOut(explore(withFault(race, injection), options), [injection]));
  }
  return { ...all, failures: failures.length };
}

/** Schedules that are drawn to learn which fault points a race comes by. */
const LEARNING_SCHEDULES = 20;

/** Failures that the real kernel has too are outcomes, where the machine did not live to have another. */
export function sortedOut(exploration: Exploration, injections: readonly Injection[] = []): Explored {
  const outcomes = new Map([...exploration.outcomes].map(([outcome, seen]) => [outcome, { ...seen, injections }]));
  const asLinuxNames = new Set<string>();
  const findings: (RaceFinding & Injected)[] = [];
  for (const finding of exploration.findings) {
    const name = asLinux(finding.message);
    if (name === null) findings.push({ ...finding, injections });
    else {
      asLinuxNames.add(name);
      if (finding.kind === 'oops' || finding.kind === 'error')
        outcomes.set(name, { schedules: 1, witness: finding.witness, injections });
    }
  }
  return { ...exploration, outcomes, findings, asLinux: [...asLinuxNames].sort(), failures: 0 };
}

/** What came of both; of an outcome or a finding of both the witness of the first. */
function joined(a: Explored, b: Explored): Explored {
  const outcomes = new Map(a.outcomes);
  for (const [outcome, seen] of b.outcomes) {
    const known = outcomes.get(outcome);
    outcomes.set(outcome, known === undefined ? seen : { ...known, schedules: known.schedules + seen.schedules });
  }
  const isNew = ({ kind, message }: RaceFinding): boolean =>
    !a.findings.some((known) => known.kind === kind && known.message === message);
  return {
    ...a,
    outcomes,
    findings: [...a.findings, ...b.findings.filter(isNew)],
    asLinux: [...new Set([...a.asLinux, ...b.asLinux])].sort(),
    verdict: a.verdict === 'complete' ? b.verdict : a.verdict,
    schedules: a.schedules + b.schedules,
    inequivalent: a.inequivalent + b.inequivalent,
  };
}
