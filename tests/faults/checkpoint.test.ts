import { describe, expect, it } from 'vitest';
import { Arena } from '../../driver/check/arena.js';
import { ruleOf } from '../../driver/inject/injection.js';
import { MachinePool } from '../../driver/sys/machine/machine-pool.js';
import { CaseWalk } from '../../tools/fault/sweep/checkpoint.js';
import { type CaseRun, type Outcome, runUnderFaults } from '../../tools/fault/sweep/run-case.js';
import { Sweeper, type SweepJob } from '../../tools/fault/sweep/sweep-job.js';
import { EQUAL_PATHS } from '../../uapi/path-name.js';
import { count, some } from '../counts.js';
import { allCases } from '../selftests/index.js';
import { atScale } from '../selftests/scale.js';

const CASES = new Map(allCases().map((testCase) => [testCase.name, testCase]));
const OPTIONS = {
  profile: '6.12' as const,
  seed: 1,
  pages: 66,
  rounds: 2,
  all: false,
  pairs: 12,
  defects: [],
  first: false,
};

/** As OPTIONS says. */
const SIZES = { bufferBytes: OPTIONS.pages * 4096, rounds: OPTIONS.rounds, schedules: OPTIONS.rounds };

/** About this many of a case's runs are made in both ways. */
const SAMPLE = count(4, 16);

function told({ sites: _, ...outcome }: Outcome): unknown {
  return outcome;
}

async function compare(job: SweepJob): Promise<number> {
  const testCase = CASES.get(job.name)!;
  const pool = new MachinePool();
  const { chosen } = await new Sweeper(CASES, OPTIONS, pool).clean(job);
  const base: CaseRun = { path: job.path, machine: {}, seed: OPTIONS.seed };
  const walk = new CaseWalk(pool, [new Arena(), new Arena()], (more) => [testCase, { ...base, ...more }]);
  const step = Math.ceil(chosen.length / SAMPLE);
  let begun = 0;
  let rest = 0;
  for (const run of chosen.filter((_, i) => i % step === 0)) {
    if (run.rest > rest) await walk.to(run);
    rest = Math.max(rest, run.rest);
    const rules = run.injections.map(ruleOf);
    const whole = await runUnderFaults(pool, testCase, { ...base, rules });
    expect(whole.fired.length, JSON.stringify(run)).toBeGreaterThan(0);
    if (walk.at === null) continue;
    begun++;
    expect(told(await runUnderFaults(pool, testCase, { ...base, rules, from: walk.at }))).toEqual(told(whole));
  }
  walk.end();
  return begun;
}

const NAMES = [
  'hmm.hmm_device_private.migrate',
  'hmm.hmm_device_coherent.migrate_multiple',
  'hmm.hmm_device_private.anon_write_child',
  'hmm2.hmm2_device_private.double_map',
  'migrate_on_fault.rows.thp_pinned',
  'migrate_on_fault.rows.swap',
  'migrate_on_fault.rows.shmem_none',
  'migrate_on_fault.races.fork',
  'migrate_on_fault.races.close_of_another_file',
  'migrate_on_fault.reviews.two_faults_on_one_page',
];

describe('a run that begins at a snapshot', () => {
  it.each(some(NAMES, 6))('of %s tells what a whole run tells', async (name) => {
    for (const path of EQUAL_PATHS)
      expect(await atScale(SIZES, () => compare({ name, path }))).toBeGreaterThan(SAMPLE / 3);
  });
});
