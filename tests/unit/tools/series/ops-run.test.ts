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
  const elsewhere = recordedOutput();
  expect(await replay([token], { path: 'unified' }, elsewhere)).toBe(0);
  const there = OPS_TOKEN.write({ ...OPS_TOKEN.read(token), path: 'unified' });
  expect(elsewhere.lines.slice(-2)).toEqual(['5 ops on unified: nothing is wrong', `# on unified: ${there}`]);
  const shrunk = recordedOutput();
  expect(await shrink([token], { defect: [] }, shrunk)).toBe(1);
  expect(OPS_TOKEN.read(shrunk.lines[1]!).ops).toHaveLength(4);
  const options = { path: 'classic', profile: '6.12', seed: 1, dialect: 'dmirror', defects: [] } as const;
  expect((await record([token], options as never)).findings[0]).toMatch(OOPS);
});

it('ops that show nothing have none', () => {
  const { status, lines } = ran('unified');
  expect(status).toBe(0);
  expect(lines.at(-1)).toBe('5 ops on unified: nothing is wrong');
});

it('all that the generator writes is taken', () => {
  for (const sequence of sequencesOf(90)) expect(opsIn(linesOf(sequence).join(';')).length).toBeGreaterThan(4);
});

it.each([
  [' ; ', /there are no ops/],
  ['open 0 0; stroe 0 0 0 1 1', /op 2: no op 'stroe' \(did you mean 'store'/],
  ['constructor 0', /op 1: no op 'constructor'/],
  ['open 0 0\nmap 0 0 0 1 anon rw', /op 1: 'open 0 0 map 0 0 0 1 anon rw' has 9 words behind open, not 2: 'open P D'/],
  ['load 0 0 0 1 7', /op 1: 'load 0 0 0 1 7' has 5 words behind load, not 4: 'load P R off n' is wanted/],
  ['open 0 9', /op 1: 'open 0 9': D is 9, and there are 0 to 7: 'open P D'/],
  ['dm 0 0 READ 0 0 1 5', /has 7 words behind dm, not 6: 'dm P D CMD R off n' is wanted/],
  ['dm 0 0 WRITE 0 0 1', /has 6 words behind dm, not 7: 'dm P D WRITE R off n V' is wanted/],
  ['map 0 0 0 1 dev rw', /has 6 words behind map, not 7: 'map P R off n dev PROT D' is wanted/],
  ['map 0 0 0 1 anon rwz', /'rwz' is no protection, as rw or -: 'map P R off n KIND PROT'/],
  ['gup 0 0 0 1 1 6 0', /CALL is 6, and there are 0 to 5/],
])('%j is refused with the place and the form', (text, message) => {
  expect(() => opsIn(text)).toThrow(message);
});
