import {
  type Exploration,
  type ExploreOptions,
  type PartOfSearch,
  type PartResult,
  PartRunner,
  type Race,
  type RaceFinding,
  type RaceOutcome,
  raceFaults,
  type SplitSearch,
  type StrategyName,
  splitRounds,
  splitSearch,
  withFault,
} from '../../driver/explore/index.js';
import type { Injection } from '../../driver/inject/injection.js';
import { DEFAULT_DIALECT } from '../../uapi/dialect.js';
import type { PathName } from '../../uapi/path-name.js';
import { asLinux } from './as-linux.js';
import { type Litmus, NO_CONDITIONS } from './litmus-file.js';
import { LitmusRace } from './litmus-race.js';
import { missingOf } from './missing-outcomes.js';

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
    ...{ path, profile, dialect },
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
  /** It was told to stop, and this is what it had. */
  readonly isCut?: true;
}

/** What came of a test, set-up and race. */
export interface ExploredTest extends Explored {
  /** Of each op of the set-up. */
  readonly setupAnswers: readonly string[];
}

/** A part of exploring a test, with some failures or none. */
export interface LitmusPart {
  readonly test: Litmus;
  readonly how: HowToExplore;
  readonly injections: readonly Injection[];
  readonly part: PartOfSearch;
}

/** Does parts of tests, in one process: with the machine that it has as long as they are of the same test. */
export class LitmusPartRunner {
  private test = '';
  private race: LitmusRace | null = null;
  private failures = '';
  private runner: PartRunner | null = null;

  run({ part, ...of }: LitmusPart, isStopped?: () => boolean): PartResult {
    return this.runnerOf(of).run(part, isStopped);
  }

  /** The same, for who wants to do something else after each schedule. */
  running({ part, ...of }: LitmusPart, isStopped?: () => boolean): Generator<void, PartResult, void> {
    return this.runnerOf(of).running(part, isStopped);
  }

  raceOf({ test, how }: Pick<LitmusPart, 'test' | 'how'>): LitmusRace {
    const { path, profile, dialect, isChecked } = how;
    const name = JSON.stringify([test, path, profile, dialect, isChecked]);
    if (this.race === null || name !== this.test) {
      this.release();
      this.race = raceOf(test, how);
      this.test = name;
    }
    return this.race;
  }

  runnerOf({ test, how, injections }: Omit<LitmusPart, 'part'>): PartRunner {
    const race = this.raceOf({ test, how });
    const failures = JSON.stringify([injections, how.strategy]);
    if (this.runner === null || failures !== this.failures) {
      this.release();
      this.runner = PartRunner.of(faultyRace(race, injections), how);
      this.failures = failures;
    }
    return this.runner;
  }

  /** The machine is at rest then. */
  release(): void {
    this.runner?.release();
    this.runner = null;
  }
}

/** Until it is told to stop. */
export function exploreLitmus(test: Litmus, how: HowToExplore, isStopped: () => boolean = () => false): ExploredTest {
  const runner = new LitmusPartRunner();
  const rounds = litmusRounds({ test, how }, runner);
  let next = rounds.next();
  while (!next.done) next = rounds.next(next.value.map((part) => (isStopped() ? null : runner.run(part, isStopped))));
  return next.value;
}

/** Yields what can be done at the same time, and wants what came of it in that order, null for a part that is not done. `runner` does what is done here. */
export function* litmusRounds(
  { test, how }: Pick<LitmusPart, 'test' | 'how'>,
  runner: LitmusPartRunner,
): Generator<readonly LitmusPart[], ExploredTest, readonly (PartResult | null)[]> {
  const { budget, faults = 0, seed } = how;
  const race = { ...test, conditions: NO_CONDITIONS, recorded: null };
  const conclude = (search: SplitSearch, injections: readonly Injection[], as = how): Explored =>
    sortedOut(runner.runnerOf({ test: race, how: as, injections }).conclude(search), injections);
  const partsOf = function* (searches: ReadonlyMap<SplitSearch, readonly Injection[]>, most: number, as = how) {
    const rounds = splitRounds([...searches.keys()], most);
    let next = rounds.next();
    while (!next.done) {
      const parts = next.value.map(({ search, part }) => ({
        test: race,
        how: as,
        part,
        injections: searches.get(search)!,
      }));
      const results: readonly (PartResult | null)[] = yield parts;
      next = rounds.next(results);
    }
    return next.value;
  };
  const alone = splitSearch(how);
  // The rest is for failures.
  const share = faults === 0 ? budget : Math.ceil(budget / 2);
  const reserve = test.recorded === null || how.strategy !== 'dpor' ? 0 : Math.floor(share * RESERVE);
  let isDone = yield* partsOf(new Map([[alone, []]]), share - reserve);
  const rest = share - alone.tally.schedules;
  const early = isDone && alone.verdict === null && reserve > 0 ? conclude(alone, []) : null;
  let drawn: Explored | null = null;
  if (early !== null && isMissed(test, early)) {
    const draws: HowToExplore = { ...how, strategy: 'random' };
    const search = splitSearch(draws);
    isDone = yield* partsOf(new Map([[search, []]]), rest, draws);
    drawn = conclude(search, [], draws);
  } else if (early !== null) isDone = yield* partsOf(new Map([[alone, []]]), rest);
  const plain = {
    ...(early === null || drawn === null ? conclude(alone, []) : joined(early, drawn)),
    setupAnswers: runner.raceOf({ test: race, how }).setupAnswers,
  };
  if (!isDone) return { ...plain, isCut: true };
  if (faults === 0) return plain;
  runner.release();
  const failures = raceFaults(runner.raceOf({ test: race, how }), { schedules: LEARNING_SCHEDULES, seed });
  const searches = new Map(failures.map((injection) => [splitSearch(how), [injection]]));
  const areDone = yield* partsOf(searches, budget - plain.schedules);
  const begun = [...searches].filter(([{ tally }]) => tally.schedules > 0);
  const all = begun.reduce<Explored>((sum, [search, injections]) => joined(sum, conclude(search, injections)), plain);
  const verdict = begun.length < failures.length ? 'budget' : all.verdict;
  return { ...plain, ...all, verdict, failures: begun.length, ...(areDone ? {} : { isCut: true }) };
}

/** Of the schedules for a test that a real kernel ran: a search that ends early has seen one corner only, and what is missed then is drawn for. */
const RESERVE = 1 / 4;

function isMissed({ recorded }: Litmus, { outcomes }: Explored): boolean {
  const reached = new Map([...outcomes].map(([outcome, { schedules }]) => [outcome, schedules]));
  return recorded !== null && missingOf(recorded, reached).length > 0;
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
    ...(a.inequivalent === undefined ? {} : { inequivalent: a.inequivalent + (b.inequivalent ?? 0) }),
  };
}
