import { describe, expect, it } from 'vitest';
import { KtapWriter } from '../../../../tools/report/ktap.js';
import { leaves, parseKtap } from '../ktap-parser.js';

function written(use: (ktap: KtapWriter) => void): string {
  const lines: string[] = [];
  use(new KtapWriter((line) => lines.push(line)));
  return `${lines.join('\n')}\n`;
}

describe('KtapWriter', () => {
  const nested = written((ktap) => {
    ktap.open(2);
    ktap.open(2, 'classic');
    ktap.result({ status: 'pass', name: 'a' });
    ktap.result({ status: 'fail', name: 'b', diagnostics: ['expected: 1', 'actual: 2\nsecond line'] });
    ktap.close('classic');
    ktap.open(1, 'unified');
    ktap.result({ status: 'skip', name: 'a', reason: 'no huge pages' });
    ktap.close('unified');
    ktap.close();
  });

  it('writes version lines, plans, indents and verdicts', () => {
    expect(nested).toBe(`KTAP version 1
1..2
  KTAP version 1
  # Subtest: classic
  1..2
  ok 1 a
  # expected: 1
  # actual: 2
  # second line
  not ok 2 b
not ok 1 classic
  KTAP version 1
  # Subtest: unified
  1..1
  ok 1 a # SKIP no huge pages
ok 2 unified # SKIP all 1 skipped
`);
  });

  it('is read back by the strict parser', () => {
    const found = leaves(parseKtap(nested)).map(({ path, node }) => [path, node.ok, node.skip]);
    expect(found).toEqual([
      ['classic > a', true, undefined],
      ['classic > b', false, undefined],
      ['unified > a', true, 'no huge pages'],
    ]);
  });

  it('keeps a name with a hash or a line break on one line and whole', () => {
    const text = written((ktap) => {
      ktap.open(1);
      ktap.result({ status: 'pass', name: 'a # SKIP b\nnot ok 2 c' });
      ktap.close();
    });
    expect(parseKtap(text)).toMatchObject([{ ok: true, name: 'a \\# SKIP b not ok 2 c' }]);
  });

  it('throws when results and plan differ', () => {
    expect(() => written((ktap) => ktap.open(0) ?? ktap.result({ status: 'pass', name: 'a' }))).toThrow(
      /beyond the plan/,
    );
    expect(() => written((ktap) => ktap.open(2) ?? ktap.close())).toThrow('plan 1..2 but 0 results');
  });
});

describe('the strict parser', () => {
  it.each([
    ['no version line', '1..1\nok 1 a\n'],
    ['too few results', 'KTAP version 1\n1..2\nok 1 a\n'],
    ['too many results', 'KTAP version 1\n1..1\nok 1 a\nok 2 b\n'],
    ['a gap', 'KTAP version 1\n1..1\nok 2 a\n'],
    ['an odd indent', 'KTAP version 1\n1..1\n ok 1 a\n'],
    ['two of a name', 'KTAP version 1\n1..2\nok 1 a\nok 2 a\n'],
    ['stray text', 'KTAP version 1\n1..1\nhello\nok 1 a\n'],
    ['a group that hides a failure', 'KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 a\nok 1 g\n'],
    ['a subtest with no result of its own', 'KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  ok 1 a\n'],
    ['a torn last line', 'KTAP version 1\n1..1\nok 1 a'],
  ])('refuses %s', (_, text) => expect(() => parseKtap(text)).toThrow());
});
