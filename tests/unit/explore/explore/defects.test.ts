import { describe, expect, it } from 'vitest';
import { explore } from '../../../../driver/explore/index.js';
import { type DefectName, NEED_TWO_TASKS } from '../../../../driver/inject/defects.js';
import { raceOf } from '../../../../tools/explore/explore-work.js';
import { shippedTest } from '../../../../tools/explore/shipped-tests.js';
import { PATH_NAMES, type PathName } from '../../../../uapi/path-name.js';
import { type MachineOp, MachineRace } from '../machine-race.js';

const op = (what: MachineOp['what'], which = 0): MachineOp => ({ what, page: 0, npages: 1, which });

/** Races that name no bug: what a page holds and what a device reads is what was stored last, and everybody comes to an end. */
const RACES: Readonly<Record<string, { setup: MachineOp[]; threads: MachineOp[][]; expected: RegExp }>> = {
  'a store against a migration': {
    setup: [op('store')],
    threads: [[op('MIGRATE_TO_DEV')], [op('store', 1)]],
    expected: /=> 4 53000000$/,
  },
  'a device that reads against memory that is dropped': {
    setup: [op('store')],
    threads: [[op('READ')], [op('dontneed')]],
    expected: /=> 4 00000000$/,
  },
};

/** What is wrong with what a race can come to. */
function wrongs(name: string, path: PathName, defect: DefectName | null): string[] {
  const { setup, threads, expected } = RACES[name]!;
  const race = new MachineRace({ path, pages: 1, hasSwap: false, hasChild: false, setup, threads });
  if (defect !== null) race.machine.kernel.defects[defect] = true;
  const { outcomes, findings, verdict } = explore(race, { budget: 5000 });
  expect(verdict).toBe('complete');
  const unexpected = [...outcomes.keys()].filter((outcome) => !expected.test(outcome));
  return [...unexpected, ...findings.map(({ kind, message }) => `${kind}: ${message}`)];
}

describe.each(PATH_NAMES)('an exploration of two tasks, %s', (path) => {
  it.each(Object.keys(RACES))('finds nothing wrong with %s', (name) => expect(wrongs(name, path, null)).toEqual([]));

  it.each(NEED_TWO_TASKS)('finds %s', (defect) => {
    expect(Object.keys(RACES).flatMap((name) => wrongs(name, path, defect))).not.toEqual([]);
  });
});

describe('an exploration of a shipped test', () => {
  it('finds that RELEASE and a migration that wants a new chunk wait for each other', () => {
    const race = raceOf(shippedTest('fresh-mig-release'), { path: 'classic', profile: '6.12' });
    const { findings } = explore(race, { budget: 400, until: (result) => result.findings.length > 0 });
    expect(findings.map(({ kind, message }) => `${kind}: ${message}`)).toEqual([
      expect.stringMatching(/^(deadlock|lost wake-up): .*devmem_lock/),
    ]);
  });
});
