import { describe, expect, it } from 'vitest';
import { PROFILE_NAMES } from '../../driver/mm/profile.js';
import { count, some } from '../counts.js';
import { FAMILIES, type Family } from './families.js';
import { Replayer } from './replay.js';
import { compare } from './shrink/differential.js';

/** Sequences a family; the seed of a failing one is in its name. */
const COUNTS = { '6.12': count(1, 24), '6.19': count(1, 10), '7.3': count(1, 10) };

/** Guards against a hang, not against a slow host. */
const TIMEOUT_MS = 600_000;

describe('generated sequences', () => {
  const families = Object.keys(FAMILIES) as Family[];
  const pairs = PROFILE_NAMES.flatMap((profile) => families.map((family) => [family, profile] as const));
  it.each(some(pairs, 3))(
    '%s on %s: both paths answer alike and leave the same page tables',
    { timeout: TIMEOUT_MS },
    (family, profile) => {
      const pair = [
        new Replayer({ path: 'classic', checkInvariants: true, machine: { profile } }),
        new Replayer({ path: 'unified', checkInvariants: true, machine: { profile } }),
      ] as const;
      for (let seed = 1; seed <= COUNTS[profile]; seed++) expect(compare(family, seed, pair)).toBeNull();
    },
  );
});
