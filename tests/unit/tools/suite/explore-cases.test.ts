import { expect, it } from 'vitest';
import { exploreCases, replayCase } from '../../../../tools/suite/explore-cases.js';
import { ProcessHandle } from '../../../../uapi/client/process-handle.js';
import { some } from '../../../counts.js';
import type { SelftestCase } from '../../../selftests/case.js';
import { recordedOutput } from '../recorded-output.js';

/** Holds for the order that comes first by default alone. */
const RACY: SelftestCase = {
  name: 'hmm.fake.racy',
  suite: 'hmm',
  async run({ boot }) {
    const process = await ProcessHandle.create(await boot());
    const other = await process.newThread();
    const { addr } = await process.map(4096);
    await Promise.all([process.write(addr, Uint8Array.of(1)), other.write(addr, Uint8Array.of(2))]);
    const [last] = await process.read(addr, 1);
    if (last !== 2) throw new Error(`the last word is ${last}`);
  },
};
const OPTIONS = {
  paths: ['classic'],
  profile: '6.12',
  seed: 1,
  timeoutMs: 60_000,
  json: true,
  budget: 200,
  jobs: 1,
} as const;

it.each(some(['random', 'dpor'] as const, 2))(
  'finds with %s the schedule in which a case fails, and a token repeats it',
  async (strategy) => {
    const output = recordedOutput();
    expect(
      await exploreCases(
        [RACY],
        { ...OPTIONS, strategy, budget: strategy === 'dpor' ? 200 : 40, junit: 'x.xml' },
        output,
      ),
    ).toBe(1);
    expect(output.files.get('x.xml')).toContain('<failure message="the last word is 1">');
    const [{ problems, verdict, inequivalent }] = output.lines.map((line) => JSON.parse(line));
    expect(problems).toMatchObject([{ what: 'the last word is 1' }]);
    expect(verdict).toBe(strategy === 'dpor' ? 'complete' : 'budget');
    expect(typeof inequivalent).toBe(strategy === 'dpor' ? 'number' : 'undefined');
    const again = recordedOutput();
    expect(await replayCase(problems[0].token, [RACY], { trace: null, out: again.out })).toBe(1);
    expect(again.lines).toEqual(['hmm.fake.racy fails: the last word is 1']);
  },
);
