import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { conformLitmus } from '../../tools/explore/litmus-conform.js';
import { readLitmusFile } from '../../tools/explore/litmus-file.js';
import { count, stride } from '../counts.js';

const RECORDED = readLitmusFile(join(import.meta.dirname, '../litmus/recorded.jsonl'));
/** Every so manieth test where not all are taken. */
const SAMPLE = stride(1, 12);
const tests = RECORDED.filter((_, i) => i % SAMPLE === 0);

describe('races of a real kernel', () => {
  it.each(tests.map((test) => [test.name, test] as const))('%s: each outcome is reached', (_name, test) => {
    const how = {
      path: 'classic',
      profile: '6.12',
      budget: count(20_000, 120_000),
      seed: 1,
      isChecked: false,
    } as const;
    const { missing, serial, findings } = conformLitmus(test, how, () => 0);
    expect({ missing, serial, findings }).toEqual({ missing: [], serial: [], findings: [] });
  });

  it('has 302 outcomes of 86 races', () => {
    expect(RECORDED).toHaveLength(86);
    expect(RECORDED.reduce((sum, { recorded }) => sum + recorded!.outcomes.size, 0)).toBe(302);
  });
});
