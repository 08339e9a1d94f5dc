import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ExploreOptions, exploreSubject } from '../../../driver/explore/explore.js';
import { runs } from '../../counts.js';
import { type SmallProgram, SmallSubject, smallProgram } from './small-program.js';

const BUDGET = 20_000;

const explored = (program: SmallProgram, options: ExploreOptions) =>
  exploreSubject((director) => new SmallSubject(program, director), { budget: BUDGET, ...options });

const seenBy = (program: SmallProgram, options: ExploreOptions) => {
  const { outcomes, findings, ...counts } = explored(program, options);
  const names = [...outcomes.keys(), ...findings.map(({ kind, message }) => `${kind}: ${message}`)].sort();
  return { names, outcomes, ...counts };
};

describe('dpor', () => {
  it.each([
    [2, 3, runs(20, 1000)],
    [3, 2, runs(8, 500)],
  ])('comes to what every schedule together comes to, %i tasks of up to %i ops', (tasks, ops, parameters) => {
    let compared = 0;
    fc.assert(
      fc.property(smallProgram(tasks, ops), (program) => {
        const all = seenBy(program, { strategy: 'all' });
        const { names, outcomes, schedules, inequivalent, verdict } = seenBy(program, { strategy: 'dpor' });
        expect(verdict).toBe('complete');
        if (all.verdict !== 'complete') {
          expect(names).toEqual(expect.arrayContaining(all.names));
          return;
        }
        compared++;
        expect(names).toEqual(all.names);
        expect(schedules).toBeLessThanOrEqual(all.schedules);
        expect(inequivalent).toBeLessThanOrEqual(schedules);
        for (const [outcome, { witness }] of outcomes) {
          const again = explored(program, { strategy: 'replay', choices: witness });
          expect([...again.outcomes.keys()]).toEqual([outcome]);
        }
      }),
      parameters,
    );
    expect(compared).toBeGreaterThan(parameters.numRuns / 2);
  });
});
