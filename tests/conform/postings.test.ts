// The postings of the migrate-on-fault series, against kernels that ran them; and what else they change, against the kernel without.

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { stride } from '../counts.js';
import { FAMILIES } from './families.js';
import { readRecordingFile, type Sequence } from './recording.js';
import { Replayer } from './replay.js';

const STRIDE = stride(1, 192);
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
      expect(differing(path, recording('late-series').sequences, NOT_SPLIT_BY_LATE, stride(3, 192))).toEqual(
        NOT_SPLIT_BY_LATE,
      );
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
    expect(differing(path, all, changed, stride(5, 400)).sort()).toEqual([...changed].sort());
  });
});

/** What a SNAPSHOT shows behind a call of MIGRATE_ON_FAULT_TO_DEV that has failed: 22 for a page that is on the device. */
describe.each<PathName>([...EQUAL_PATHS, 'posted-v1', 'posted-late'])('a call that fails on %s', (path) => {
  const whole = 'map 0 0 0 4 anon rw; store 0 0 0 4 100';
  const call = (npages: number): string => `dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 ${npages}`;

  it.each([
    ['comes to another vma', `${whole}; map 0 0 4 4 anon r; ${call(8)}`, '-34', '22222222'],
    ['comes to one that can not be read', `${whole}; map 0 0 4 4 anon -; ${call(8)}`, '-34', '22222222'],
    ['comes to a gap', `${whole}; ${call(8)}`, '-14', '22222222'],
    ['may not read', `${whole}; protect 0 0 0 4 -; ${call(4)}; protect 0 0 0 4 r`, '-14', '01010101'],
  ])('where it %s has moved what comes before', (_where, ops, answer, bytes) => {
    const lines = `open 0 0; ${ops}; dm 0 0 SNAPSHOT 0 0 4`.split('; ');
    const { steps } = new Replayer({ path }).record('small-0', lines).sequence;
    expect(steps.find(([op]) => op.includes('ON_FAULT'))?.[1]).toBe(`${answer} 0 0`);
    expect(steps.at(-1)?.[1]).toBe(`0 4 0 ${bytes}`);
  });

  it('has moved what can move where a page is pinned, which v1 mirrors as well', () => {
    const lines = `open 0 0; ${whole}; pin 0 0 2 1 1; ${call(4)}; dm 0 0 SNAPSHOT 0 0 4`.split('; ');
    const { steps } = new Replayer({ path }).record('small-0', lines).sequence;
    expect(steps.at(-2)?.[1]).toMatch(path === 'posted-v1' ? /^0 4 0 / : /^-2 0 0$/);
    expect(steps.at(-1)?.[1]).toBe('0 4 0 22220222');
  });
});
