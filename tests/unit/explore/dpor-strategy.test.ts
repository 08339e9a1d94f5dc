import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ExploreOptions, explore, exploreSubject } from '../../../driver/explore/explore.js';
import type { FindingKind } from '../../../driver/explore/race-finding.js';
import { isLong, runs } from '../../counts.js';
import { type MachineOp, type MachineProgram, MachineRace, machineProgram } from './machine-race.js';
import { type SmallOp, type SmallProgram, SmallSubject, smallProgram } from './small-program.js';

/** Schedules of brute force. */
const BUDGET = isLong ? 20_000 : 8000;

const explored = (program: SmallProgram, options: ExploreOptions, spinsSleep = false) =>
  exploreSubject((director) => new SmallSubject(program, director, spinsSleep), { budget: BUDGET, ...options });

const HANGS: ReadonlySet<FindingKind> = new Set(['deadlock', 'hang', 'lost wake-up', 'livelock']);

const hasSpins = (program: SmallProgram) => JSON.stringify(program).includes('"spin"');

/** Who hangs is named, unless somebody goes round in a loop: how far others came by then is not. */
const seenBy = (program: SmallProgram, options: ExploreOptions, spinsSleep = false) => {
  const { outcomes, findings, ...counts } = explored(program, options, spinsSleep);
  const names = findings.map(({ kind, message }) =>
    hasSpins(program) && HANGS.has(kind) ? 'hang' : `${kind}: ${message}`,
  );
  return { names: [...new Set([...outcomes.keys(), ...names])].sort(), outcomes, ...counts };
};

/** Whether brute force came to its end, in which who would go round in a loop sleeps. */
function compare(program: SmallProgram): boolean {
  const all = seenBy(program, { strategy: 'all' }, true);
  const { names, outcomes, schedules, inequivalent, verdict } = seenBy(program, { strategy: 'dpor' });
  expect(verdict).toBe('complete');
  if (all.verdict !== 'complete') {
    expect(names).toEqual(expect.arrayContaining(all.names));
    return false;
  }
  expect(names).toEqual(all.names);
  if (!hasSpins(program)) expect(schedules).toBeLessThanOrEqual(all.schedules);
  expect(inequivalent).toBeLessThanOrEqual(schedules);
  for (const [outcome, { witness }] of outcomes) {
    const again = explored(program, { strategy: 'replay', choices: witness });
    expect([...again.outcomes.keys()]).toEqual([outcome]);
  }
  return true;
}

const cell = (op: 'pass' | 'read' | 'awaitLate', at = 0): SmallOp => ({ op, cell: at, value: 1 });
const withLock = (op: 'mutex' | 'readLock', ...within: SmallOp[]): SmallOp => ({ op, within });

const onPage0 = (what: MachineOp['what']): MachineOp[] => [{ what, page: 0, npages: 1, which: 0 }];

/** In which MADV_FREE meets a folio that somebody else has locked. */
const LAZYFREE: [MachineProgram, number[]] = [
  {
    ...{ path: 'classic', pages: 1, hasSwap: false, hasChild: false, setup: [] },
    threads: [onPage0('free'), onPage0('READ'), onPage0('EXCLUSIVE')],
  },
  [15],
];

describe('dpor', () => {
  it.each([
    [2, 6, runs(10, 80)],
    [3, isLong ? 6 : 4, runs(12, 60)],
  ])('comes to what every schedule together comes to, %i tasks of up to %i ops', (tasks, ops, parameters) => {
    let compared = 0;
    const programs = smallProgram(tasks, Math.ceil(6 / tasks)).filter((program) => program.flat().length <= ops);
    fc.assert(
      fc.property(programs, (program) => {
        if (compare(program)) compared++;
      }),
      parameters,
    );
    expect(compared).toBeGreaterThan(parameters.numRuns / 2);
  });

  it.each<SmallOp[][]>([
    [[cell('pass'), withLock('mutex')], [withLock('mutex', cell('read'))], [cell('read')]],
    [[cell('pass', 1)], [withLock('mutex', cell('awaitLate'))], [withLock('readLock', cell('awaitLate', 1))]],
  ])('does so where a step that finds a lock taken would touch more if it did not: %j, %j, %j', (...program) => {
    compare(program);
  });

  it.each([
    [2, { ...runs(6, 24) }],
    [3, { ...runs(3, 8), examples: [LAZYFREE] }],
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
