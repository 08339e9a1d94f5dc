import { type Exploration, explore, type Race, type StrategyName, withFault } from '../../driver/explore/index.js';
import type { Injection } from '../../driver/inject/injection.js';
import { DEFAULT_DIALECT } from '../../uapi/dialect.js';
import type { PathName } from '../../uapi/path-name.js';
import { asLinux } from './as-linux.js';
import type { Litmus } from './litmus-file.js';
import { LitmusRace } from './litmus-race.js';

/** How a test is explored. */
export interface HowToExplore {
  readonly path: PathName;
  readonly profile: string;
  readonly dialect?: string | undefined;
  readonly strategy: StrategyName;
  readonly budget: number;
  readonly seed: number;
  readonly isChecked: boolean;
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

/** What came of a test. */
export interface Explored extends Omit<Exploration, 'findings'> {
  /** That the real kernel does so too: names of the register. */
  readonly asLinux: readonly string[];
  /** What is in no register. */
  readonly findings: Exploration['findings'];
}

export function exploreLitmus(test: Litmus, how: HowToExplore): Explored {
  const { strategy, budget, seed, isChecked } = how;
  return sortedOut(explore(raceOf(test, how), { strategy, budget, seed, isChecked }));
}

/** Failures that the real kernel has too are outcomes, where the machine did not live to have another. */
export function sortedOut(exploration: Exploration): Explored {
  const outcomes = new Map(exploration.outcomes);
  const asLinuxNames = new Set<string>();
  const findings = exploration.findings.filter((finding) => {
    const name = asLinux(finding.message);
    if (name === null) return true;
    asLinuxNames.add(name);
    if (finding.kind === 'oops' || finding.kind === 'error')
      outcomes.set(name, { schedules: 1, witness: finding.witness });
    return false;
  });
  return { ...exploration, outcomes, findings, asLinux: [...asLinuxNames].sort() };
}
