import { describe, expect, it } from 'vitest';
import { exploreLitmus, raceOf } from '../../tools/explore/explore-work.js';
import { NO_CONDITIONS } from '../../tools/explore/litmus-file.js';
import { serialOutcomes } from '../../tools/explore/serial-outcomes.js';
import { EQUAL_PATHS } from '../../uapi/path-name.js';
import { count } from '../counts.js';
import { generateRace } from './concurrent-generate.js';

const RACES = count(2, 16);
const BUDGET = 400;
/** At least so many of ten end within the budget, so that what is compared is something. */
const COMPLETE_OF_TEN = 4;

describe('generated races', () => {
  it('come to what their ops do in each serial order, to the same on both paths, and to nothing that must not be', () => {
    let complete = 0;
    for (let seed = 1; seed <= RACES; seed++) {
      const test = { ...generateRace(seed), conditions: NO_CONDITIONS, recorded: null };
      const explored = EQUAL_PATHS.map((path) => {
        const how = { path, profile: '6.12', strategy: 'dpor', budget: BUDGET, seed: 1, isChecked: true } as const;
        const { outcomes, findings, verdict } = exploreLitmus(test, how);
        expect(findings, test.name).toEqual([]);
        if (verdict !== 'complete') return null;
        const names = [...outcomes.keys()].sort();
        expect(names, test.name).toEqual(expect.arrayContaining([...serialOutcomes(raceOf(test, how))]));
        return names;
      });
      if (explored.includes(null)) continue;
      complete++;
      expect(explored[1], test.name).toEqual(explored[0]);
    }
    expect((complete * 10) / RACES).toBeGreaterThanOrEqual(COMPLETE_OF_TEN);
  });
});
