import { describe, expect, it } from 'vitest';
import { parseConfiguration } from '../configuration.js';
import { generate } from '../generate.js';
import { Replayer } from '../replay.js';
import { runBoth } from './differential.js';
import { shrink } from './shrink.js';

function pair(one: string, other: string): [Replayer, Replayer] {
  return [new Replayer(parseConfiguration(one)), new Replayer(parseConfiguration(other))];
}

describe('shrink', () => {
  it('a planted defect is reduced to the few ops that show it', () => {
    const both = pair('unified', 'unified,defect=holeAsPage');
    const lines = generate('small', 3);
    expect(lines.length).toBeGreaterThan(20);
    const found = shrink('small-3', lines, both);
    expect(found?.lines.length).toBeLessThanOrEqual(4);
    expect(found?.difference.seen[0]).not.toBe(found?.difference.seen[1]);
  });

  it('the result is minimal: without any one op both agree', () => {
    const both = pair('unified', 'unified,defect=holeAsPage');
    const { lines } = shrink('mix-2', generate('mix', 2), both)!;
    for (const [at] of lines.entries()) {
      expect(runBoth('mix-2', lines.toSpliced(at, 1), both).difference).toBeNull();
    }
  });

  it('where both agree there is nothing to reduce', () => {
    expect(shrink('small-3', generate('small', 3), pair('classic', 'unified'))).toBeNull();
  });

  it('an unknown configuration is named', () => {
    expect(() => parseConfiguration('other')).toThrow("'other' is no path");
    expect(() => parseConfiguration('classic,defect=none')).toThrow("'defect=none' is not known");
  });
});
