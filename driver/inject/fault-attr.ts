import type { Prng } from '../core/prng.js';

/** The knobs of one fault, with the kernel's names, meaning and defaults. Linux: struct fault_attr */
export interface FaultAttr {
  /** Percent. */
  probability: number;
  /** Of the calls that get so far, only every interval-th may fail. */
  interval: number;
  /** Failures left; -1 for no limit. */
  times: number;
  /** Sizes that pass before the first failure: pages for page allocations, 1 a call elsewhere. */
  space: number;
  /** Calls that interval has counted. */
  count: number;
}

/** An attribute that always strikes, once. Deviates: Linux begins with probability 0, a plan that names a point wants it. */
export function faultAttr(knobs: Partial<Omit<FaultAttr, 'count'>> = {}): FaultAttr {
  return { probability: 100, interval: 1, times: 1, space: 0, ...knobs, count: 0 };
}

/**
 * Whether this call fails. The order of the checks is the kernel's: a call that is refused by an earlier one is not
 * counted by a later one. Linux: lib/fault-inject.c:should_fail(), should_fail_ex()
 */
export function shouldFail(attr: FaultAttr, size: number, prng: Prng): boolean {
  if (attr.probability === 0) return false;
  if (attr.times === 0) return false;
  if (attr.space > size) {
    attr.space -= size;
    return false;
  }
  if (attr.interval > 1) {
    attr.count++;
    if (attr.count % attr.interval !== 0) return false;
  }
  if (attr.probability <= prng.below(100)) return false;
  if (attr.times !== -1) attr.times--;
  return true;
}
