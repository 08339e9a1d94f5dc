import { describe, expect, it } from 'vitest';
import { deal, shardOf } from '../../../../tools/shard/split.js';

const SLURM = { SLURM_ARRAY_TASK_ID: '7', SLURM_ARRAY_TASK_MIN: '5', SLURM_ARRAY_TASK_COUNT: '4' };

describe('shardOf', () => {
  it.each([
    ['2/5', {}, 2, 5],
    ['auto', { CI_NODE_INDEX: '1', CI_NODE_TOTAL: '3' }, 1, 3],
    ['auto', SLURM, 3, 4],
    ['auto', { ...SLURM, SLURM_ARRAY_TASK_ID: '11', SLURM_ARRAY_TASK_STEP: '2' }, 4, 4],
    ['auto/6', { JOB_COMPLETION_INDEX: '0' }, 1, 6],
  ])('%s of %o', (text, env, index, total) => {
    expect(shardOf(text, env)).toEqual({ index, total });
  });

  it.each([
    ['0/5', {}, 'there is no shard 0 of 5'],
    ['6/5', {}, 'there is no shard 6 of 5'],
    ['1', {}, '--shard 1 is no shard'],
    ['auto', {}, 'none of CI_NODE_INDEX'],
    ['auto', { JOB_COMPLETION_INDEX: '0' }, 'JOB_COMPLETION_INDEX is set, which has no total: --shard auto/N'],
    ['auto', { CI_NODE_TOTAL: '3' }, 'CI_NODE_INDEX is not set'],
    ['auto', { SLURM_ARRAY_TASK_ID: '3' }, 'SLURM_ARRAY_TASK_MIN and SLURM_ARRAY_TASK_COUNT are not set'],
    ['auto', { ...SLURM, CI_NODE_INDEX: '1', CI_NODE_TOTAL: '3' }, 'the variables of two schedulers are set'],
    ['auto', { CI_NODE_INDEX: 'x', CI_NODE_TOTAL: '3' }, "CI_NODE_INDEX='x' is no whole number"],
    ['auto/6', {}, 'JOB_COMPLETION_INDEX is not set'],
    ['auto/6', { JOB_COMPLETION_INDEX: '6' }, 'there is no shard 7 of 6'],
  ])('refuses %s of %o', (text, env, why) => {
    expect(() => shardOf(text, env)).toThrow(why);
  });
});

describe('deal', () => {
  it('gives the dearest first, to whoever has least, and goes on from what is dealt', () => {
    const loads = [0, 0];
    expect(deal([1, 5, 3, 1, 2], loads)).toEqual([0, 0, 1, 1, 1]);
    expect(loads).toEqual([6, 6]);
    expect(deal([1, 1, 4], loads)).toEqual([1, 1, 0]);
  });
});
