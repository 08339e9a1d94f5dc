import { type ExploreOptions, explore } from './explore.js';
import type { Race } from './race.js';
import type { RaceFinding } from './race-finding.js';

/** How to make a test smaller: of ops first, then of pages, one step at a time. */
interface Shrinkable<Test> {
  raceOf(test: Test): Race;
  smaller(test: Test): Iterable<Test>;
}

const MOST_PREEMPTIONS = 3;

/** Numbers differ between tests of different size; the words are what makes a finding the same. */
function isSame(a: Pick<RaceFinding, 'kind' | 'message'>, b: Pick<RaceFinding, 'kind' | 'message'>): boolean {
  const words = (text: string): string => text.replace(/0x[0-9a-f]+|\d+/g, 'N');
  return a.kind === b.kind && words(a.message) === words(b.message);
}

/** The same finding with the fewest preemptions, null when none of the schedules that `options` allow has it. */
function simplest(race: Race, finding: RaceFinding, options: ExploreOptions = {}): RaceFinding | null {
  const isFound = (found: Pick<RaceFinding, 'kind' | 'message'>): boolean => isSame(found, finding);
  const bounded = explore(race, {
    ...options,
    strategy: 'bounded',
    preemptions: MOST_PREEMPTIONS,
    until: ({ findings }) => findings.some(isFound),
  });
  return bounded.findings.find(isFound) ?? null;
}

/** The smallest test that shows the finding, with its simplest schedule. */
export function shrinkRace<Test>(
  test: Test,
  finding: RaceFinding,
  { raceOf, smaller, ...options }: Shrinkable<Test> & ExploreOptions,
): { test: Test; finding: RaceFinding } {
  let best = { test, finding: simplest(raceOf(test), finding, options) ?? finding };
  // What a larger test could not do without is tried last.
  for (let tried = 0, isSmaller = true; isSmaller; ) {
    isSmaller = false;
    const all = [...smaller(best.test)];
    for (let i = 0; i < all.length && !isSmaller; i++) {
      const at = (tried + i) % all.length;
      const found = simplest(raceOf(all[at]!), finding, options);
      if (found === null) continue;
      best = { test: all[at]!, finding: found };
      tried = at;
      isSmaller = true;
    }
  }
  return best;
}
