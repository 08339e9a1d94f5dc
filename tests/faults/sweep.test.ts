import { describe, expect, it } from 'vitest';
import { MachinePool } from '../../driver/sys/machine/machine-pool.js';
import { replayLines } from '../../tools/fault/replay.js';
import { RUN_TOKEN } from '../../tools/fault/run-token.js';
import { shrinkToken } from '../../tools/fault/shrink.js';
import { casesByName } from '../../tools/fault/sweep/cases.js';
import { type JobResult, Sweeper, type SweepJob, type SweepOptions } from '../../tools/fault/sweep/sweep-job.js';
import { joinSlices } from '../../tools/fault/sweep/sweep-slices.js';
import { count, some, stride } from '../counts.js';

const OPTIONS: SweepOptions = {
  profile: '6.12',
  seed: 1,
  pages: 66,
  rounds: 2,
  all: false,
  pairs: 0,
  defects: [],
  first: false,
};
const CASES = casesByName('6.12');

const ENTRY_CASES = [...CASES.keys()].filter((name) => name.includes('.entries.'));
const HUGE_ENTRY_CASES = [...CASES.keys()].filter((name) => name.includes('.huge_entries.'));

function sweep(name: string, options: Partial<SweepOptions> = {}): Promise<JobResult> {
  const all = { ...OPTIONS, ...options };
  return new Sweeper(casesByName(all.profile), all).run({ name, path: 'unified' });
}

const TIMES = count(3, 100);

describe('a sweep', () => {
  it.each([
    ...some(['hmm.hmm_device_private.migrate_on_fault', 'hmm.hmm_device_private.migrate'], 2),
    'hmm2.hmm2_device_coherent.double_map',
  ])('of %s breaks nothing, with pairs too', async (name) => {
    const { findings, runs } = await sweep(name, { pairs: 10 });
    expect(findings).toEqual([]);
    expect(runs).toBeGreaterThan(50);
  });

  it.each(some(ENTRY_CASES, 4))('of %s breaks nothing', async (name) => {
    expect((await sweep(name)).findings).toEqual([]);
  });

  it.each(HUGE_ENTRY_CASES.filter((_, i) => i % stride(6, 12) === 0))('of %s breaks nothing on 7.3', async (name) => {
    const { findings, runs } = await sweep(name, { profile: '7.3' });
    expect(findings).toEqual([]);
    expect(runs).toBeGreaterThan(50);
  });

  it.each(some([true, false], 2))('in slices comes to the whole, with first %s', async (first) => {
    const job = { name: 'hmm.hmm_device_private.migrate', path: 'unified' } as const;
    const sweeper = new Sweeper(CASES, { ...OPTIONS, first, defects: first ? ['trylockLeak'] : [] });
    const slices = [1, 2, 3].map((at) => ({ ...job, slice: { at, of: 3 } }));
    const results = new Map<SweepJob, JobResult>();
    for (const slice of slices) results.set(slice, await sweeper.run(slice));
    const [whole] = joinSlices(slices, results, { first });
    expect(whole).toEqual(await sweeper.run(job));
    expect(whole!.findings.length > 0).toBe(first);
    results.delete(slices[1]!);
    expect(joinSlices(slices, results, { first: false })).toMatchObject([{ parts: '2 of 3' }]);
  });

  it('is the same whatever was swept before', async () => {
    const sweeper = new Sweeper(CASES, OPTIONS);
    const job = { name: 'hmm.hmm_device_private.exclusive', path: 'classic' } as const;
    await sweeper.run({ name: 'hmm.hmm_device_private.anon_read', path: 'classic' });
    expect(await sweeper.run(job)).toEqual(await new Sweeper(CASES, OPTIONS).run(job));
  });
});

describe('a token', () => {
  const token =
    'dmf1:hmm.hmm_device_private.migrate:unified:1:66x2::folio_trylock/collect/3/FAIL+lru_isolate/unmap/5/FAIL';

  it('of an earlier version says the run too', () => {
    const id = RUN_TOKEN.read(token);
    expect(RUN_TOKEN.read(RUN_TOKEN.write(id))).toEqual(id);
  });

  it.each([
    ['nonsense', /no token/],
    [token.replace('FAIL', 'EBUSY'), /cannot return EBUSY/],
    [token.replace('unified', 'other'), /no path/],
    [token.replace('folio_', 'folia_'), /no fault point/],
  ])('%s is refused', (text, why) => expect(() => RUN_TOKEN.read(text)).toThrow(why));

  it(`replays to the same bytes, ${TIMES} times of ${TIMES}`, async () => {
    const first = (await replayLines(token)).lines.join('\n');
    const pool = new MachinePool();
    for (let i = 1; i < TIMES; i++) expect((await replayLines(token, { pool })).lines.join('\n') === first).toBe(true);
  });

  it('replays to the same bytes on a machine that had another life before', async () => {
    const pool = new MachinePool();
    const other = 'dmf1:hmm.hmm_device_private.exclusive:unified:1:66x2::mirror_store/call/1/ENOMEM';
    const alone = (await replayLines(token)).lines;
    for (let i = 0; i < 3; i++) {
      await replayLines(other, { pool });
      expect((await replayLines(token, { pool })).lines).toEqual(alone);
    }
  });

  it('shrinks to the fault that does it', async () => {
    const failing =
      'dmf1:hmm.hmm_device_private.migrate:unified:1:66x2:trylockLeak:lru_isolate/unmap/5/FAIL+folio_trylock/collect/3/FAIL';
    const small = await shrinkToken(RUN_TOKEN.read(failing));
    expect(small.injections).toMatchObject([{ point: 'folio_trylock', nth: 3 }]);
  });
});
