import { describe, expect, it } from 'vitest';
import { DEFECTS, type DefectName, NEED_TWO_TASKS, noDefects } from '../../driver/inject/defects.js';
import { loadPlan } from '../../tools/fault/plans/plan-parse.js';
import type { PlanResult } from '../../tools/fault/plans/plan-result.js';
import { runPlan } from '../../tools/fault/plans/plan-run.js';
import { Sweeper } from '../../tools/fault/sweep/sweep-job.js';
import type { PathName } from '../../uapi/path-name.js';
import { some } from '../counts.js';
import { allCases } from '../selftests/index.js';

type OneTask = Exclude<DefectName, (typeof NEED_TWO_TASKS)[number]>;

/** Which shipped plan finds a planted defect, on which path, and what the report must name: the phase, and the page of the call. */
const FOUND_BY: Readonly<Record<OneTask, readonly [plan: string, path: PathName, phase: string, page: number]>> = {
  unwindForgotten: ['on-fault-gives-up-after-prepare', 'unified', 'range-fault', 0],
  writeLost: ['reference-seen-by-setup', 'classic', 'unmap', 5],
  notifierEndSkipped: ['on-fault-gives-up-after-prepare', 'unified', 'range-fault', 0],
  doubleUnlock: ['reference-seen-by-setup', 'classic', 'unmap', 5],
  trylockLeak: ['trylock-fails-on-page-3', 'classic', 'collect', 3],
  staleAfterSplit: ['thp-with-zeroes', 'unified', 'collect', 0],
  holeAsPage: ['thp-with-zeroes', 'unified', 'collect', 0],
  ownerHides: ['foreign-migration-is-an-invalidation', 'unified', 'copy', 0],
  shareUnlocksFaultPage: ['share-fails-on-a-cpu-fault', 'classic', 'collect', 0],
  finalizeWithoutPages: ['no-memory-on-the-way-back', 'classic', 'copy', 3],
  lockLeftTrue: ['mirror-has-no-room', 'classic', 'call', 6],
  setSeqOutside: ['dontneed-between-walk-and-mutex', 'classic', 'call', 0],
  copyUnchecked: ['short-copy-to-the-device', 'classic', 'copy', 2],
};

/** The same of what a path does that one of its properties says. */
const FOUND_ON: readonly (readonly [path: PathName, right: PathName, plan: string, phase: string, page: number])[] = [
  ['unified+undoesOnError=false', 'unified', 'setup-error-after-collect', 'range-fault', 0],
  [
    'unified+undoesBeforeSleep=false+undoesOnError=false',
    'unified',
    'on-fault-meets-an-invalidation',
    'range-fault',
    0,
  ],
  ['classic+dropsYoungDirty', 'classic', 'trylock-fails-on-page-3', 'collect', 3],
];

function runOf(plan: string, path: PathName, defects: readonly DefectName[]): Promise<PlanResult> {
  return runPlan(loadPlan(`tests/faults/plans/${plan}.yaml`), { path, defects });
}

function expectFound({ status, fired, violations, failures }: PlanResult, phase: string, page: number): void {
  expect(status).toBe('fail');
  expect(violations.length + failures.length).toBeGreaterThan(0);
  expect(fired).toContainEqual(expect.objectContaining({ phase, page }));
}

describe('the register of planted defects', () => {
  it('has at least 14, all off', () => {
    expect(Object.keys(DEFECTS).length).toBeGreaterThanOrEqual(14);
    expect(Object.values(noDefects())).not.toContain(true);
    expect([...Object.keys(FOUND_BY), ...NEED_TWO_TASKS].sort()).toEqual(Object.keys(DEFECTS).sort());
  });

  it.each(Object.keys(FOUND_BY) as OneTask[])('%s is found, at the right page and phase', async (defect) => {
    const [plan, path, phase, page] = FOUND_BY[defect];
    expect((await runOf(plan, path, [])).status).toBe('pass');
    expectFound(await runOf(plan, path, [defect]), phase, page);
  });

  it.each(FOUND_ON)('and %s, where %s has nothing', async (path, right, plan, phase, page) => {
    expect((await runOf(plan, right, [])).status).toBe('pass');
    expectFound(await runOf(plan, path, []), phase, page);
  });
});

const FOUND = [
  ['trylockLeak', 'collect', 'hmm.hmm_device_private.migrate'],
  ['doubleUnlock', 'unmap', 'hmm.hmm_device_private.migrate'],
  ['copyUnchecked', 'copy', 'hmm.hmm_device_private.migrate'],
  ['unwindForgotten', 'range-fault', 'hmm.hmm_device_private.migrate_on_fault'],
] as const;

describe('a sweep', () => {
  it.each(some(FOUND, 4))('finds %s in phase %s by itself', async (defect, phase, name) => {
    const cases = new Map(allCases().map((testCase) => [testCase.name, testCase]));
    const options = {
      profile: '6.12' as const,
      seed: 1,
      pages: 66,
      rounds: 2,
      all: false,
      pairs: 0,
      defects: [defect],
      first: true,
    };
    const { findings } = await new Sweeper(cases, options).run({ name, path: 'unified' });
    expect(findings).toHaveLength(1);
    expect(findings[0]!.fired.map((fired) => fired.phase)).toContain(phase);
    expect(findings[0]!.token).toContain(`/${phase}/`);
  });
});
