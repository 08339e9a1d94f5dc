import { describe, expect, it } from 'vitest';
import { compare } from './differential.js';
import { FAMILIES, type Family } from './families.js';
import { Replayer } from './replay.js';

/** Sequences a family; the seed of a failing one is in its name. */
const COUNT = process.env.DMIRROR_FULL === '1' ? 300 : 12;

/** Guards against a hang, not against a slow host. */
const TIMEOUT_MS = 600_000;

describe('generated sequences', () => {
  it.each(Object.keys(FAMILIES) as Family[])(
    '%s: both paths answer alike and leave the same page tables',
    { timeout: TIMEOUT_MS },
    (family) => {
      const pair = [
        new Replayer({ path: 'classic', checkInvariants: true }),
        new Replayer({ path: 'unified', checkInvariants: true }),
      ] as const;
      for (let seed = 1; seed <= COUNT; seed++) expect(compare(family, seed, pair)).toBeNull();
    },
  );
});
