import { describe, expect, it } from 'vitest';
import { some } from '../../counts.js';
import { parseConfiguration } from '../configuration.js';
import { generate } from '../generate.js';
import { Replayer } from '../replay.js';
import { runBoth } from './differential.js';
import { shrink } from './shrink.js';

function pair(one: string, other: string): [Replayer, Replayer] {
  return [new Replayer(parseConfiguration(one)), new Replayer(parseConfiguration(other))];
}

describe('shrink', () => {
  it.each(some([['small-3'], ['mix-2']] as const, 2))(
    'a planted defect is reduced to the few ops that show it: %s',
    (seq) => {
      const both = pair('unified', 'unified,defect=holeAsPage');
      const [family, seed] = seq.split('-') as ['small' | 'mix', string];
      const lines = generate(family, Number(seed));
      expect(lines.length).toBeGreaterThan(20);
      const found = shrink(seq, lines, both)!;
      expect(found.lines.length).toBeLessThanOrEqual(4);
      expect(found.difference.seen[0]).not.toBe(found.difference.seen[1]);
      for (const [at] of found.lines.entries())
        expect(runBoth(seq, found.lines.toSpliced(at, 1), both).difference).toBeNull();
    },
  );

  it('where both agree there is nothing to reduce', () => {
    expect(shrink('small-3', generate('small', 3), pair('classic', 'unified'))).toBeNull();
  });

  it('an unknown configuration is named', () => {
    expect(() => parseConfiguration('other')).toThrow("'other' is no path");
    expect(() => parseConfiguration('classic,defect=none')).toThrow("'defect=none' is not known");
  });
});
