import { describe, expect, it } from 'vitest';
import { explainLines, record } from '../../../tools/recording-api.js';

const options = { path: 'classic', profile: '6.12', seed: 1, dialect: 'dmirror', defects: [] } as const;

describe('record, for programs', () => {
  it('writes a race down, and answers for each step of it', async () => {
    const run = await record(['mig-unmap'], options);
    expect(run.findings).toEqual([]);
    const { recording } = run;
    const kinds = new Set<string>();
    for (let step = 0; step <= recording.steps; step++)
      for (const { pages } of recording.at(step).view().spaces) for (const { kind } of pages) kinds.add(kind);
    expect([...kinds]).toEqual(expect.arrayContaining(['present', 'migration', 'device-private']));
    expect(explainLines(run).join('\n')).toContain('mig-unmap');
  });

  it('names what is like a name that nothing has', async () => {
    await expect(record(['mig-unmapp'], options)).rejects.toThrow(/mig-unmapp/);
  });
});
