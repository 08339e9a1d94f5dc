import { describe, expect, it } from 'vitest';
import { Prng } from '../../../driver/core/prng.js';
import { faultAttr, shouldFail } from '../../../driver/inject/fault-attr.js';

/** Which of the first calls fail, from 1. */
function failing(knobs: Parameters<typeof faultAttr>[0], calls = 12, size = 1): number[] {
  const attr = faultAttr(knobs);
  const prng = new Prng(1);
  return Array.from({ length: calls }, (_, i) => i + 1).filter(() => shouldFail(attr, size, prng));
}

describe('the knobs of a fault', () => {
  it('strike once by default, and for ever with times -1', () => {
    expect(failing({})).toEqual([1]);
    expect(failing({ times: -1 }, 4)).toEqual([1, 2, 3, 4]);
  });

  it('let every interval-th call fail', () => expect(failing({ interval: 3, times: 2 })).toEqual([3, 6]));

  it('let space pass first, by size', () => {
    expect(failing({ space: 3, times: -1 }, 5)).toEqual([3, 4, 5]);
    expect(failing({ space: 3, times: -1 }, 4, 2)).toEqual([2, 3, 4]);
  });

  it('count for interval only what space has let through', () =>
    expect(failing({ space: 4, interval: 2, times: -1 }, 9)).toEqual([5, 7, 9]));

  it('never strike with probability 0, and about as often as it says else', () => {
    expect(failing({ probability: 0, times: -1 })).toEqual([]);
    const share = failing({ probability: 30, times: -1 }, 10_000).length / 10_000;
    expect(share).toBeGreaterThan(0.28);
    expect(share).toBeLessThan(0.32);
  });

  it('do not use up times for calls that chance spares', () =>
    expect(failing({ probability: 50, times: 3 }, 100)).toHaveLength(3));
});
