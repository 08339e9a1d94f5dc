import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { conformLitmus } from '../../tools/explore/litmus-conform.js';
import { type Litmus, readLitmusFile } from '../../tools/explore/litmus-file.js';
import { neverSeenOutcomes } from '../../tools/explore/never-seen.js';
import type { PathName } from '../../uapi/path-name.js';
import { count, isLong, stride } from '../counts.js';

const RECORDED = readLitmusFile(join(import.meta.dirname, '../litmus/recorded.jsonl'));
/** Every so manieth test where not all are taken. */
const SAMPLE = stride(5, 86);
const tests = RECORDED.filter((_, i) => i % SAMPLE === 0);

/** Where there is time, what the register has beside is to be reached too. */
function wanted(test: Litmus, registered: readonly string[]): Litmus {
  const recorded = test.recorded!;
  const outcomes = new Map([...recorded.outcomes, ...registered.map((outcome) => [outcome, 0] as const)]);
  return isLong ? { ...test, recorded: { ...recorded, outcomes } } : test;
}

describe('races of a real kernel', () => {
  it.each(tests.map((test) => [test.name, test] as const))(
    '%s: each outcome is reached, and what else is was judged',
    (_name, test) => {
      const how = {
        path: 'classic',
        profile: '6.12',
        seed: 1,
        isChecked: false,
        budget: count(20_000, 120_000),
      } as const;
      const registered = neverSeenOutcomes(test.name);
      const { missing, serial, findings, extra } = conformLitmus(wanted(test, registered), how, () => 0);
      const unjudged = extra.map(([outcome]) => outcome).filter((outcome) => !registered.includes(outcome));
      const nothing = { missing: [], serial: [], findings: [], unjudged: [] };
      expect({ missing, serial, findings, unjudged }).toEqual(nothing);
    },
  );

  it('has 302 outcomes of 86 races', () => {
    expect(RECORDED).toHaveLength(86);
    expect(RECORDED.reduce((sum, { recorded }) => sum + recorded!.outcomes.size, 0)).toBe(302);
  });
});

describe.each([
  ['v1', 7],
  ['late', 21],
] as const)('races of a kernel with the posting %s', (form, races) => {
  const file = join(import.meta.dirname, `../litmus/${form}-litmus.jsonl`);
  const recorded = readLitmusFile(file);
  const path: PathName = `posted-${form}`;

  it('are of its path, as their name says', () => {
    expect(recorded).toHaveLength(races);
    expect([...new Set(recorded.map((test) => test.path))]).toEqual([path]);
  });

  it.each(recorded.filter((_, i) => i % stride(22, 44) === 0).map((test) => [test.name, test] as const))(
    '%s: each outcome is reached',
    (_name, test) => {
      const how = { path, profile: '6.12', seed: 1, isChecked: false, budget: count(20_000, 120_000) } as const;
      const { missing, serial } = conformLitmus(test, how, () => 0);
      expect({ missing, serial }).toEqual({ missing: [], serial: [] });
    },
  );
});
