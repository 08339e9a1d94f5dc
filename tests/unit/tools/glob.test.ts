import { describe, expect, it } from 'vitest';
import { globToRegExp, shellQuote } from '../../../tools/glob.js';

describe('globToRegExp', () => {
  it.each([
    ['hmm.*.anon_read', 'hmm.hmm_device_private.anon_read', true],
    ['hmm.*.anon_read', 'hmm.hmm_device_private.anon_read_prot', false],
    ['anon_read', 'hmm.hmm_device_private.anon_read', false],
    ['a.c', 'abc', false],
    ['a?c', 'abc', true],
    ['a[bc]d', 'acd', true],
    ['a[!bc]d', 'acd', false],
    ['a[b', 'a[b', true],
    ['{a,b}*', 'bcd', true],
    ['{a,b}*', 'cd', false],
    ['a,b', 'a,b', true],
    ['a+(b)', 'a+(b)', true],
  ])('%s on %s: %s', (glob, name, matches) => expect(globToRegExp(glob).test(name)).toBe(matches));

  it.each(['[', '{', '{a', '}', '[]', '[!]', '[a-', '\\', '(', '*[', '[z-a]', '{a,{b}'])(
    'makes a pattern of the broken glob %s',
    (glob) => {
      expect(globToRegExp(glob).test(glob)).toBe(true);
    },
  );
});

describe('shellQuote', () => {
  it('quotes only what a shell would change', () => {
    expect(shellQuote('hmm.hmm_device_private.anon_read')).toBe('hmm.hmm_device_private.anon_read');
    expect(shellQuote('mig-unmap~KtQ')).toBe('mig-unmap~KtQ');
    expect(shellQuote('~')).toBe("'~'");
    expect(shellQuote('*.anon_*')).toBe("'*.anon_*'");
    expect(shellQuote("it's")).toBe("'it'\\''s'");
  });
});
