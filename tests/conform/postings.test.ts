// The postings of the migrate-on-fault series, against kernels that ran them; and what else they change, against the kernel without.

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { stride } from '../counts.js';
import { FAMILIES } from './families.js';
import { readRecordingFile, type Sequence } from './recording.js';
import { Replayer } from './replay.js';

const STRIDE = stride(1, 24);
/** Guards against a hang, not against a slow host. */
const TIMEOUT_MS = 600_000;

function recording(name: string): ReturnType<typeof readRecordingFile> {
  return readRecordingFile(fileURLToPath(new URL(`./recordings/${name}.jsonl.gz`, import.meta.url)));
}

/** The sequences, of a sample and those `named`, in which an answer is another than the kernel's. */
function differing(path: PathName, sequences: readonly Sequence[], named: readonly string[], one = STRIDE): string[] {
  const replayer = new Replayer({ path, checkInvariants: EQUAL_PATHS.includes(path) });
  const chosen = sequences.filter(({ seq }, i) => i % one === 0 || named.includes(seq));
  return chosen.filter((sequence) => replayer.replay(sequence) !== null).map(({ seq }) => seq);
}

/** MIGRATE_TO_SYS splits the huge pages that it meets in 6.12 and on our paths; the late form leaves what it does not select. */
const NOT_SPLIT_BY_LATE = ['thp-F16', 'thp-25'];

describe('kernels with the series', () => {
  it.each(['late', 'v1'])(
    '%s: every answer is that of the path that the file names',
    { timeout: TIMEOUT_MS },
    (form) => {
      const { path, sequences } = recording(`${form}-series`);
      expect(path).toBe(`posted-${form}`);
      expect(differing(path!, sequences, [])).toEqual([]);
    },
  );

  it.each(EQUAL_PATHS)(
    'late: also that of %s, but for huge pages that MIGRATE_TO_SYS splits',
    { timeout: TIMEOUT_MS },
    (path) => {
      expect(differing(path, recording('late-series').sequences, NOT_SPLIT_BY_LATE)).toEqual(NOT_SPLIT_BY_LATE);
    },
  );
});

/** Where a posting changes what 6.12 answers without it: as above, and entries that no invalidation reaches any more. */
const CHANGED: readonly (readonly [PathName, readonly string[]])[] = [
  ['posted-late', ['thp-15', 'thp-25', 'thp-88', 'thp-118', 'thp-122', 'thp-127']],
  ['posted-v1', ['coherent-60', 'coherent-90', 'mix-272', 'small-13', 'swap-129']],
];

describe.each(CHANGED)('%s on the recordings of 6.12', (path, changed) => {
  it('changes these sequences and no other', { timeout: TIMEOUT_MS }, () => {
    const all = Object.keys(FAMILIES).flatMap((family) => recording(family).sequences);
    expect(differing(path, all, changed, stride(2, 100)).sort()).toEqual([...changed].sort());
  });
});
