import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ExploreOptions, explore, exploreSubject } from '../../../driver/explore/explore.js';
import { runs } from '../../counts.js';
import { MachineRace, machineProgram } from './machine-race.js';
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
    [2, 3, runs(20, 100)],
    [3, 2, runs(12, 50)],
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
    expect(compared).toBeGreaterThan(parameters.numRuns / 4);
  });

  it.each([
    [2, runs(30, 60)],
    [3, runs(8, 15)],
  ])('comes to the same for calls of a machine that stop at few points, %i tasks', (tasks, parameters) => {
    const stops = fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 4 });
    let compared = 0;
    fc.assert(
      fc.property(machineProgram(tasks, { ops: 1, pages: 1 }), stops, (program, points) => {
        const seen = (strategy: 'all' | 'dpor') => {
          const race = new MachineRace(program, new Set(points));
          const { outcomes, findings, verdict } = explore(race, {
            strategy,
            budget: 2000,
            stepLimit: 400,
            isChecked: false,
          });
          return { names: [...outcomes.keys(), ...findings.map(({ kind }) => kind)].sort(), verdict };
        };
        const [all, dpor] = [seen('all'), seen('dpor')];
        // A program that is too large for brute force may be for both.
        if (all.verdict !== 'complete') {
          if (dpor.verdict === 'complete') expect(dpor.names).toEqual(expect.arrayContaining(all.names));
          return;
        }
        expect(dpor.verdict).toBe('complete');
        compared++;
        expect(dpor.names).toEqual(all.names);
      }),
      parameters,
    );
    expect(compared).toBeGreaterThan(parameters.numRuns / 2);
  });
});
