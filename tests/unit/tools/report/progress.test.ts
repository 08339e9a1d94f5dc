import { describe, expect, it } from 'vitest';
import { Progress, type ProgressEnvironment } from '../../../../tools/report/progress.js';

const STATE = { done: 3, total: 120, failed: 1, name: 'classic hmm.hmm_device_private.anon_read' };

function drawn(target: { isTTY?: boolean; columns?: number }, env: ProgressEnvironment = {}): string {
  let text = '';
  const progress = new Progress({ ...target, write: (part: string) => (text += part) }, env);
  progress.update(STATE);
  progress.clear();
  progress.clear();
  return text;
}

describe('Progress', () => {
  it('draws nothing where there is no terminal', () => {
    expect(drawn({})).toBe('');
    expect(drawn({ isTTY: true }, { TERM: 'dumb' })).toBe('');
  });

  it('draws one line and takes it away', () => {
    expect(drawn({ isTTY: true })).toBe(
      '\r\x1b[K[3/120] \x1b[31m1 failed\x1b[39m classic hmm.hmm_device_private.anon_read\r\x1b[K',
    );
  });

  it('has no colour under NO_COLOR, unless that is empty', () => {
    expect(drawn({ isTTY: true }, { NO_COLOR: '1' })).not.toContain('\x1b[31m');
    expect(drawn({ isTTY: true }, { NO_COLOR: '' })).toContain('\x1b[31m');
  });

  it('never wraps', () => {
    const line = drawn({ isTTY: true, columns: 40 }, { NO_COLOR: '1' }).split('\x1b[K')[1]!;
    expect(line.length).toBeLessThan(40);
  });
});
