import type { Director, Strategy } from './director.js';
import { DporStrategy } from './dpor-strategy.js';
import { directorOf, type ExploreOptions, strategyOf, subjectOptions } from './explore.js';
import { type Exploration, Explorer, explored, writtenDown } from './explorer.js';
import type { Race } from './race.js';
import {
  PART_SIZES,
  type PartOfSearch,
  type PartResult,
  SplitDraws,
  type SplitSearch,
  SplitTree,
  WholeSearch,
} from './split-search.js';
import { MachineSubject, type Subject } from './subject.js';
import type { Result } from './tally.js';

export function splitSearch({ strategy = 'dpor', seed = 1 }: ExploreOptions, sizes = PART_SIZES): SplitSearch {
  if (strategy === 'dpor') return new SplitTree(sizes);
  return strategy === 'random' || strategy === 'pct' ? new SplitDraws(seed, sizes) : new WholeSearch();
}

/** A part of one of some searches. */
export interface PartOf<Search> {
  readonly search: Search;
  readonly part: PartOfSearch;
}

/**
 * Some searches with one budget for all, which those share that are not over: yields what can be done at the same time, and wants what came of
 * it, in that order. With null for a part that nobody did it ends, and answers false.
 */
export function* splitRounds<Search extends SplitSearch>(
  searches: readonly Search[],
  budget: number,
): Generator<readonly PartOf<Search>[], boolean, readonly (PartResult | null)[]> {
  for (let left = budget; left > 0; ) {
    const open = searches.filter(({ verdict }) => verdict === null).slice(0, left);
    if (open.length === 0) return true;
    const share = Math.floor(left / open.length);
    const parts = open.flatMap((search) => search.round(share).map((part) => ({ search, part })));
    const results = yield parts;
    for (const search of open) search.accept(results.filter((_, i) => parts[i]!.search === search));
    if (results.includes(null)) return false;
    left -= results.reduce((sum, result) => sum + result!.schedules, 0);
  }
  return true;
}

/** Does parts of a search, on one machine. */
export class PartRunner {
  private readonly director;
  private readonly subject: Subject;

  constructor(
    subjectOf: (director: Director) => Subject,
    private readonly options: ExploreOptions,
  ) {
    this.director = directorOf(options);
    this.subject = subjectOf(this.director);
  }

  static of(race: Race, options: ExploreOptions): PartRunner {
    return new PartRunner((director) => new MachineSubject(race, director, subjectOptions(options)), options);
  }

  run(part: PartOfSearch, isStopped?: () => boolean): PartResult {
    return ranToEnd(this.running(part, isStopped));
  }

  /** The same, for who wants to do something else after each schedule; `isStopped` then ends it with what it has. */
  *running({ budget, seed, stem }: PartOfSearch, isStopped?: () => boolean): Generator<void, PartResult, void> {
    const strategy = stem === null ? strategyOf({ ...this.options, budget, seed }) : new DporStrategy(stem);
    this.director.strategy = strategy;
    const explorer = new Explorer(this.director);
    const verdict = yield* this.driving(explorer.search(budget, isStopped));
    const { outcomes, findings, schedules, inequivalent } = explorer.tally;
    const { guarantee } = strategy as Strategy;
    return {
      ...{ outcomes, findings, schedules, inequivalent, verdict },
      left: strategy instanceof DporStrategy && verdict === 'budget' ? strategy.stem() : null,
      belowFloor: strategy instanceof DporStrategy ? strategy.belowFloor() : null,
      ...(guarantee === undefined ? {} : { guarantee }),
    };
  }

  /** What came of all parts. */
  conclude({ tally, verdict, guarantee }: SplitSearch): Exploration {
    const exploration = ranToEnd(this.driving(writtenDown(tally, this.director, verdict ?? 'budget')));
    return guarantee === undefined ? exploration : { ...exploration, guarantee };
  }

  release(): void {
    this.subject.release();
  }

  private *driving<T>(run: Generator<void, T, Result>): Generator<void, T, void> {
    let next = run.next();
    while (!next.done) {
      next = run.next(explored(this.subject, this.director));
      yield;
    }
    return next.value;
  }
}

function ranToEnd<T>(run: Generator<void, T, void>): T {
  let next = run.next();
  while (!next.done) next = run.next();
  return next.value;
}
