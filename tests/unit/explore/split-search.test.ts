import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ExploreOptions, exploreSubject } from '../../../driver/explore/explore.js';
import type { Exploration } from '../../../driver/explore/explorer.js';
import { PartRunner, splitRounds, splitSearch } from '../../../driver/explore/split-run.js';
import { type PartResult, type SplitSearch, SplitTree } from '../../../driver/explore/split-search.js';
import { runs } from '../../counts.js';
import { type MachineProgram, MachineRace } from './machine-race.js';
import { type SmallProgram, SmallSubject, smallProgram } from './small-program.js';

/** Small, so that small programs have many parts. */
const SIZES = { first: 5, parts: 4, ofPart: 3 };

/** By so many workers, none of which has anything in common with another. */
function inParts(search: SplitSearch, runners: readonly PartRunner[], budget: number): Exploration {
  const rounds = splitRounds([search], budget);
  let next = rounds.next();
  while (!next.done) {
    const parts = next.value.map(({ part }) => structuredClone(part));
    const results: PartResult[] = [];
    // The last ones first.
    for (let i = parts.length - 1; i >= 0; i--)
      results[i] = structuredClone(runners[i % runners.length]!.run(parts[i]!));
    next = rounds.next(results);
  }
  return runners[0]!.conclude(search);
}

const seenIn = ({ outcomes, findings, verdict }: Exploration) => ({
  verdict,
  outcomes: [...outcomes].map(([outcome, { witness }]) => [outcome, ...witness].join(' ')).sort(),
  findings: findings.map(({ kind, message, witness }) => [kind, message, ...witness].join(' ')).sort(),
});

/** Without the witnesses: which schedule of an outcome is the first that is tried depends on where the search was split. */
const namesIn = ({ outcomes, findings, verdict }: Exploration) => ({
  verdict,
  outcomes: [...outcomes.keys()].sort(),
  findings: findings.map(({ kind, message }) => `${kind} ${message}`).sort(),
});

const hasSpins = (program: SmallProgram) => JSON.stringify(program).includes('"spin"');

describe('a search in parts', () => {
  it.each([
    [2, runs(100, 400)],
    [3, runs(100, 400)],
  ])('comes to the same as the whole, and with the same witnesses whoever does it, %i tasks', (tasks, parameters) => {
    let split = 0;
    // How far others came where somebody goes round in a loop is part of what is said of it, and not of the order of steps.
    const programs = smallProgram(tasks, Math.ceil(8 / tasks)).filter((program) => !hasSpins(program));
    fc.assert(
      fc.property(programs, (program) => {
        const subjectOf = (director: ConstructorParameters<typeof SmallSubject>[1]) =>
          new SmallSubject(program, director);
        const whole = exploreSubject(subjectOf, { budget: 300 });
        if (whole.verdict !== 'complete') return;
        const [one, two] = [1, 2].map((workers) => {
          const runners = Array.from({ length: workers }, () => new PartRunner(subjectOf, {}));
          return inParts(new SplitTree(SIZES), runners, 10_000);
        });
        expect(namesIn(one!)).toEqual(namesIn(whole));
        expect(seenIn(two!)).toEqual(seenIn(one!));
        for (const [outcome, { witness }] of one!.outcomes)
          expect([
            ...exploreSubject(subjectOf, { strategy: 'replay', choices: witness, budget: 1 }).outcomes.keys(),
          ]).toEqual([outcome]);
        if (whole.schedules > SIZES.first) split++;
      }),
      parameters,
    );
    expect(split).toBeGreaterThan(parameters.numRuns / 40);
  });

  const program: MachineProgram = {
    path: 'classic',
    pages: 1,
    hasSwap: false,
    hasChild: false,
    setup: [{ what: 'store', page: 0, npages: 1, which: 0 }],
    threads: (['MIGRATE_TO_DEV', 'EXCLUSIVE', 'dontneed'] as const).map((what, i) => [
      { what, page: 0, npages: 1, which: i % 2 },
    ]),
  };

  it.each<ExploreOptions>([
    { strategy: 'dpor', budget: 60 },
    { strategy: 'random', budget: 43, seed: 3 },
    { strategy: 'pct', budget: 43, seed: 3 },
    { strategy: 'bounded', budget: 30 },
  ])('comes to the same whoever does it where the budget ends it, $strategy', (options) => {
    const budget = options.budget!;
    const explored = (workers: number) => {
      const runners = Array.from({ length: workers }, () => PartRunner.of(new MachineRace(program), options));
      const exploration = inParts(splitSearch(options, SIZES), runners, budget);
      expect(exploration.schedules).toBe(budget);
      return { ...seenIn(exploration), guarantee: exploration.guarantee };
    };
    const [one, ...others] = [1, 2, 3].map(explored);
    expect(one!.verdict).toBe('budget');
    expect(one!.outcomes.length).toBeGreaterThan(2);
    for (const other of others) expect(other).toEqual(one);
  });
});
