import { expect, it } from 'vitest';
import { replay } from '../../../../tools/commands/replay.js';
import { seriesRun } from '../../../../tools/commands/series.js';
import { shrink } from '../../../../tools/fault/shrink.js';
import { record } from '../../../../tools/recording/record.js';
import { linesOf, sequencesOf } from '../../../../tools/series/hunt.js';
import { OPS_TOKEN, opsIn } from '../../../../tools/series/ops-run.js';
import { recordedOutput } from '../recorded-output.js';

const TWICE =
  'open 0 0; load 0 0 0 1; map 0 0 0 1 anon rw; dm 0 0 MIGRATE_TO_DEV 0 0 1; dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 1';
const OOPS = /KernelOops: the device touches the memory of a device-private page/;

function ran(path: 'posted-v1' | 'unified'): { status: number; lines: string[] } {
  const output = recordedOutput();
  return { status: seriesRun(TWICE, { path }, output), lines: output.lines };
}

it('what ops show that must not be has a token, which every command takes', async () => {
  const { status, lines } = ran('posted-v1');
  expect(status).toBe(1);
  expect(lines.at(-2)).toMatch(OOPS);
  const [, token = ''] = /^# dmirror fault replay (dm2:ops:\S+)$/.exec(lines.at(-1)!)!;
  const replayed = recordedOutput();
  expect(await replay([token], {}, replayed)).toBe(1);
  expect(replayed.lines).toEqual(lines.slice(0, -1));
  const shrunk = recordedOutput();
  expect(await shrink(token, { defect: [] }, shrunk)).toBe(1);
  expect(OPS_TOKEN.read(shrunk.lines[1]!).ops).toHaveLength(4);
  const options = { path: 'classic', profile: '6.12', seed: 1, dialect: 'dmirror', defects: [] } as const;
  expect((await record([token], options as never)).findings[0]).toMatch(OOPS);
});

it('ops that show nothing have none', () => {
  const { status, lines } = ran('unified');
  expect(status).toBe(0);
  expect(lines.at(-1)).toBe('5 ops on unified: nothing is wrong');
});

it('ops that are none are refused, and all that the generator writes are taken', () => {
  expect(() => opsIn(' ; ')).toThrow(/there are no ops/);
  expect(() => opsIn('open 0 0; stroe 0 0 0 1 1')).toThrow(/op 2: no op 'stroe' \(did you mean 'store'/);
  for (const sequence of sequencesOf(90)) expect(opsIn(linesOf(sequence).join(';')).length).toBeGreaterThan(4);
});
