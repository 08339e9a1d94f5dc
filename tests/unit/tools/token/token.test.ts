import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GUEST_TOKEN, type GuestId } from '../../../../tools/exec/guest-token.js';
import { readLitmusFile } from '../../../../tools/explore/litmus-file.js';
import { RACE_TOKEN, tokenWords } from '../../../../tools/explore/race-token.js';
import { namedTests } from '../../../../tools/explore/shipped-tests.js';
import { RUN_TOKEN } from '../../../../tools/fault/run-token.js';
import { OPS_TOKEN } from '../../../../tools/series/ops-run.js';
import { parseSchedule, scheduleText } from '../../../../tools/token/schedule.js';
import { runs } from '../../../counts.js';

const [test] = namedTests(['mig-unmap']);
const race = { test: test!, path: 'unified', profile: '7.3', injections: [], choices: [0, 0, 1, 0, 3] } as const;
const guest: GuestId = {
  ...{ program: 'A'.repeat(16), args: ['-t', 'anon_read'], env: ['LANG=C'], path: 'classic', profile: '6.12' },
  ...{ dialect: '6.12', ram: 2 ** 30, swap: 0, hugepages: 8, invariants: 'touched' },
  schedule: { seed: 7, depth: 3, steps: 1200 },
};
const run = RUN_TOKEN.read('dmf1:hmm.hmm_device_private.migrate:unified:1:66x2::folio_trylock/collect/3/FAIL');

describe('a schedule', () => {
  const choices = fc.array(fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat({ max: 90 })), { maxLength: 300 });

  it('is read back without the defaults at its end', () => {
    fc.assert(
      fc.property(choices, (all) => {
        const end = all.findLastIndex((choice) => choice !== 0) + 1;
        expect(parseSchedule(scheduleText(all))).toEqual(all.slice(0, end));
      }),
      runs(100, 2000),
    );
  });

  it('with 50 choices off the default fits a token of 200 characters, in a test that is not shipped too', () => {
    const off = Array.from({ length: 50 }, (_, i) => [...new Array<number>((i * 37) % 60).fill(0), 1 + (i % 3)]);
    const token = RACE_TOKEN.write({ ...race, test: { ...test!, name: 'mine' }, choices: off.flat() });
    expect(token.length).toBeLessThan(200);
    expect(RACE_TOKEN.read(token).choices).toEqual(off.flat());
  });
});

describe('a test too long for a token', () => {
  it('goes in by its hash, and is read from its file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dmirror-token-'));
    const file = join(folder, 'long.jsonl');
    const hex = (i: number): string => createHash('sha256').update(String(i)).digest('hex').slice(0, 8);
    const ops = Array.from({ length: 60 }, (_, i) => `store 0 0 ${i % 2} 1 0x${hex(i)}`);
    const long = { name: 'long', setup: ['map 0 0 0 2 anon rw'], threads: [ops, ['load 0 0 0 2']], observe: [] };
    const other = { ...long, name: 'other', threads: [['load 0 0 0 1'], ops] };
    writeFileSync(file, [other, long].map((one) => JSON.stringify(one)).join('\n'));
    const id = { ...race, test: readLitmusFile(file)[1]! };
    const token = RACE_TOKEN.writeShort(id);
    expect(RACE_TOKEN.write(id).length).toBeGreaterThan(200);
    expect(token.length).toBeLessThan(200);
    expect(tokenWords(token, file)).toEqual([token, file]);
    expect(RACE_TOKEN.read(token, file)).toEqual(id);
    expect(() => RACE_TOKEN.read(token)).toThrow(/part 'test'.*whose file is missing/);
    const renamed = join(folder, 'renamed.jsonl');
    writeFileSync(renamed, JSON.stringify({ ...long, name: 'renamed' }));
    expect(RACE_TOKEN.read(token, renamed).test.threads).toEqual(id.test.threads);
    writeFileSync(file, JSON.stringify({ ...long, observe: ['load 0 0 0 1'] }));
    expect(() => RACE_TOKEN.read(token, file)).toThrow(/part 'test'.*has not the test that the token was printed for/);
    expect(() => RACE_TOKEN.read(RACE_TOKEN.write(race), file)).toThrow(/part 'test'.*needs no '.*long\.jsonl'/);
    rmSync(folder, { recursive: true });
  });
});

describe('a token', () => {
  it.each([
    ['race', RACE_TOKEN, race],
    ['race of a test that is not shipped', RACE_TOKEN, { ...race, test: { ...test!, name: 'mine', recorded: null } }],
    ['run', RUN_TOKEN, run],
    ['ops', OPS_TOKEN, { ops: ['open 0 0', 'map 0 0 0 1 anon rw'], path: 'posted-v1+clearsDst', profile: '6.12' }],
    ['guest', GUEST_TOKEN, guest],
  ] as const)('of a %s is read back', (_what, kind: { write(id: never): string; read(token: string): unknown }, id) => {
    expect(kind.read(kind.write(id as never))).toEqual(id);
  });

  it('with any one character changed or cut is refused, and the part is named', () => {
    const token = RACE_TOKEN.write(race);
    for (let i = 0; i < token.length; i++) {
      for (const wrong of [
        token.slice(0, i),
        `${token.slice(0, i)}${token[i] === 'x' ? 'y' : 'x'}${token.slice(i + 1)}`,
      ])
        expect(() => RACE_TOKEN.read(wrong)).toThrow(/part '\w+'|is no token|of the kind|behind its last part/);
    }
  });

  it.each([
    ['nonsense', /no token/],
    ['dme1:mig-unmap:classic:6.12:', /part 'version' of the token: dme1 is not read any more/],
    ['dm3:race:x', /part 'version' of the token: dm3 is of a newer dmirror/],
    ['dm2:rase:', /part 'kind' of the token: there is no kind 'rase' \(did you mean 'race'\?\)/],
    ['dm2:race:mig-unmap', /ends before its part 'machine'/],
    ['dm2:race:mig-umap~abc:classic:::AA', /part 'check'/],
    [
      'dm2:race:mig-umap~abc:classic:::AAAAAAAA',
      /part 'test'.*no litmus test is named 'mig-umap' \(did you mean 'mig-unmap'\?\)/,
    ],
    ['dm2:race:mig-unmap~abc:classic:::AAAAAAAA', /part 'test'.*'mig-unmap' is another race/],
    [RACE_TOKEN.write(race).replace('unified', 'unifed'), /part 'machine'.*no path 'unifed'/],
    [RACE_TOKEN.write(race).replace('7.3', '7.4'), /part 'machine'.*no profile '7.4'/],
    [RACE_TOKEN.write(race).replace('unified', 'classic'), /part 'machine'.*'classic@7.3' is damaged/],
    [RUN_TOKEN.write(run), /a token of the kind 'run' has no race/],
  ])('says what is wrong with %s', (token, message) => {
    expect(() => RACE_TOKEN.read(token)).toThrow(message);
  });
});
