import { describe, expect, it } from 'vitest';
import { Progress, type ProgressEnvironment, type ProgressTarget } from '../../../../tools/report/progress.js';

const NAME = 'classic hmm.hmm_device_private.anon_read';

/** What is written of a run that has done 3 of 120 after two seconds. */
function drawn(
  target: Omit<ProgressTarget, 'write'>,
  env: ProgressEnvironment = {},
  { ms = 2000, isTotalOpen = false } = {},
) {
  let text = '';
  let at = 0;
  const progress = new Progress({ ...target, write: (part: string) => (text += part) }, env, () => at);
  progress.update({ done: 0, total: 120, failed: 0, name: NAME });
  text = '';
  at = ms;
  progress.update({ done: 3, total: 120, isTotalOpen, failed: 1, name: NAME });
  progress.clear();
  progress.clear();
  return text;
}

describe('Progress', () => {
  it('draws one line with rate and time left, and takes it away', () => {
    expect(drawn({ isTTY: true, columns: 120 })).toBe(
      `\r\x1b[K[3/120] 1.5/s, 1 m 18 s left \x1b[31m1 failed\x1b[39m ${NAME}\r\x1b[K`,
    );
  });

  it('writes a line every ten seconds where there is no terminal', () => {
    expect(drawn({})).toBe('');
    expect(drawn({}, {}, { ms: 10_000 })).toBe(`3 of 120 done, 0.30/s, 6 m 30 s left, 1 failed: ${NAME}\n`);
    expect(drawn({ isTTY: true }, { TERM: 'dumb' }, { ms: 10_000 })).toContain('3 of 120 done');
  });

  it('tells no time left while the total is open', () => {
    expect(drawn({}, {}, { ms: 10_000, isTotalOpen: true })).toBe(
      `3 of at least 120 done, 0.30/s, 1 failed: ${NAME}\n`,
    );
    expect(drawn({ isTTY: true, columns: 120 }, { NO_COLOR: '1' }, { isTotalOpen: true })).toContain(
      '[3/>=120] 1.5/s 1 failed',
    );
  });

  it('has no colour under NO_COLOR, unless that is empty', () => {
    expect(drawn({ isTTY: true }, { NO_COLOR: '1' })).not.toContain('\x1b[31m');
    expect(drawn({ isTTY: true }, { NO_COLOR: '' })).toContain('\x1b[31m');
  });

  it('never wraps', () => {
    const line = drawn({ isTTY: true, columns: 60 }, { NO_COLOR: '1' }).split('\x1b[K')[1]!;
    expect(line.length).toBeLessThan(60);
  });
});
