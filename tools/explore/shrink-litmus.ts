import { explore, type Race, shrinkRace } from '../../driver/explore/index.js';
import { UsageError } from '../exit-code.js';
import { isOutcome } from './explore-report.js';
import { faultyRace, raceOf } from './explore-work.js';
import { type Litmus, NO_CONDITIONS } from './litmus-file.js';
import { pagesAt } from './litmus-op.js';
import type { RaceId } from './race-token.js';

/** Schedules that each smaller test gets to show the finding. */
const BUDGET = 400;

/**
 * The smallest test with the finding of a token, or that comes to `wanted`, a pattern of outcomes, under the schedule with the fewest
 * preemptions. Throws UsageError when the token's schedule does not.
 */
export function shrinkLitmus(id: RaceId, wanted?: string): RaceId {
  const { test, injections, choices } = id;
  const raced = (litmus: Litmus): Race => {
    const race = faultyRace(raceOf(litmus, id), injections);
    return wanted === undefined ? race : withoutOutcome(race, wanted);
  };
  const { findings, outcomes } = explore(raced(test), { strategy: 'replay', choices });
  const [outcome = findings[0]?.message ?? 'none'] = outcomes.keys();
  // Who hangs has an outcome that no check sees.
  const isFound = wanted === undefined || isOutcome(wanted, outcome);
  const finding = findings.find(({ message }) => message === WANTED) ?? (isFound ? findings[0] : undefined);
  if (finding === undefined) throw nothingToKeep(outcome, wanted);
  const smallest = shrinkRace(test, finding, {
    budget: BUDGET,
    raceOf: raced,
    smaller: (litmus) => smallerThan(litmus, (other) => canBeSetUp(() => raced(other))),
  });
  return { ...id, test: smallest.test, choices: smallest.finding.witness };
}

const WANTED = 'comes to the outcome that is to stay';

/** The race, in which an outcome of the pattern is wrong. */
function withoutOutcome(race: Race, pattern: string): Race {
  return {
    machine: race.machine,
    start: () => race.start(),
    outcome: () => race.outcome(),
    check(outcome) {
      if (isOutcome(pattern, outcome)) throw new Error(WANTED);
    },
  };
}

function nothingToKeep(outcome: string, wanted: string | undefined): UsageError {
  return wanted === undefined
    ? new UsageError(
        'the schedule of this token shows nothing wrong',
        `for a test that still comes to what you have forbidden, or miss, add --outcome 'PATTERN', which may be its outcome: '${outcome}'`,
      )
    : new UsageError(
        `the schedule of this token comes to '${outcome}', which is not --outcome '${wanted}'`,
        '`*` stands for anything; `dmirror explore` prints a token with each outcome',
      );
}

/** Ops first, then pages. */
function* smallerThan(test: Litmus, isPossible: (test: Litmus) => boolean): Generator<Litmus> {
  const { setup, threads, observe } = test;
  const lines = [setup, ...threads, observe];
  for (const [i, part] of lines.entries()) {
    for (const at of part.keys()) {
      const less = testOf(test, lines.with(i, part.toSpliced(at, 1)));
      if (isPossible(less)) yield less;
    }
  }
  const most = Math.max(0, ...lines.flat().map((line) => endOf(line)));
  for (const pages of [Math.floor(most / 2), most - 1]) {
    const less = testOf(
      test,
      lines.map((part) => part.flatMap((line) => narrowed(line, pages))),
    );
    if (pages > 0 && pages < most && isPossible(less)) yield less;
  }
}

function testOf({ name, profile, path }: Litmus, [setup = [], ...others]: readonly (readonly string[])[]): Litmus {
  const observe = others.at(-1) ?? [];
  const threads = others.slice(0, -1).filter(({ length }) => length > 0);
  const own = { ...(profile === undefined ? {} : { profile }), ...(path === undefined ? {} : { path }) };
  return { name, setup, threads, observe, conditions: NO_CONDITIONS, recorded: null, ...own };
}

function canBeSetUp(make: () => unknown): boolean {
  try {
    make();
    return true;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}

/** The page behind the last one that an op names; 0 when it names none. */
function endOf(line: string): number {
  const words = line.split(' ');
  const at = pagesAt(words[0]!);
  return at === undefined || words[at] === undefined ? 0 : Number(words[at - 1]) + Number(words[at]);
}

/** The op with no page from `pages` on; none where it has no other. */
function narrowed(line: string, pages: number): string[] {
  if (endOf(line) <= pages) return [line];
  const words = line.split(' ');
  const at = pagesAt(words[0]!)!;
  const left = pages - Number(words[at - 1]);
  return left > 0 ? [words.with(at, String(left)).join(' ')] : [];
}
