import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { recordAsked } from '../../../../tools/commands/debug.js';
import { type ExploreCommandOptions, exploreCommand } from '../../../../tools/commands/explore.js';
import { addExplore } from '../../../../tools/commands/explore-command.js';
import type { Litmus } from '../../../../tools/explore/litmus-file.js';
import { RACE_TOKEN } from '../../../../tools/explore/race-token.js';
import { namedTests } from '../../../../tools/explore/shipped-tests.js';
import { witnessLines, witnessOf } from '../../../../tools/explore/witness.js';
import { recordedOutput } from '../recorded-output.js';

const folder = mkdtempSync(join(tmpdir(), 'dmirror-explore-'));
afterAll(() => rmSync(folder, { recursive: true }));

const OPTIONS: ExploreCommandOptions = {
  ...{ list: false, dialect: 'dmirror', strategy: 'dpor', seed: 1, budget: 2000 },
  ...{ faults: 0, jobs: 1, allowIncomplete: false, json: true },
} as const;

async function run(words: readonly string[], options: Partial<ExploreCommandOptions> = {}) {
  const to = recordedOutput();
  const status = await exploreCommand(words, { ...OPTIONS, ...options }, to);
  return { status, text: to.lines.join('\n'), reports: () => to.lines.map((line) => JSON.parse(line)), to };
}

function file(name: string, conditions: object): string {
  const path = join(folder, name);
  const test = {
    ...{ name: 'stores', setup: ['open 0 0', 'map 0 0 0 1 anon rw', 'store 0 0 0 1 0x10'] },
    ...{ threads: [['store 0 0 0 1 0x20'], ['dm 0 0 READ 0 0 1']], observe: ['load 0 0 0 1'], ...conditions },
  };
  writeFileSync(path, JSON.stringify(test));
  return path;
}

const ONF = `
machine: { path: classic }
setup: ['open 0 0', 'map 0 0 0 2 anon rw', 'store 0 0 0 2 16']
threads: [['dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 2'], ['unmap 0 0 0 2']]
observe: ['dm 0 0 SNAPSHOT 0 0 2']
`;

describe('dmirror explore', () => {
  it('ends with 0 when all is complete, 5 when the budget ends it, and 0 again when that may be', async () => {
    expect((await run(['mig-unmap'])).status).toBe(0);
    expect((await run(['mig-unmap'], { budget: 5 })).status).toBe(5);
    expect((await run(['mig-unmap'], { budget: 5, allowIncomplete: true })).status).toBe(0);
    expect((await run(['mig-unmap'], { strategy: 'bounded', preemptions: 0 })).status).toBe(5);
  });

  it('ends with 1 for an unmet condition, and says what to run next, which shows it again', async () => {
    const path = file('forbid.jsonl', { forbid: ['* => 0 1 20'] });
    const { status, text } = await run([path], { json: false });
    expect(status).toBe(1);
    expect(text).toMatch(/# forbidden: .* => 0 1 20\n# {3}replay: npx --no-install dmirror explore replay '?dm2:race:/);
    const [, token = ''] = /explore replay '?([^'\s]+)/.exec(text) ?? [];
    expect((await run(['replay', token], { json: false })).text).toMatch(/^outcome: .* => 0 1 20$/m);
  });

  it('ends with 5 for what must be reached and may still be, also where it may be incomplete', async () => {
    const path = file('require.jsonl', { require: ['none'] });
    expect((await run([path])).status).toBe(1);
    const { status, text } = await run([path], { budget: 1, allowIncomplete: true, json: false });
    expect(status).toBe(5);
    expect(text).toContain('# not reached yet: none');
  });

  it('says how many schedules do not come to what is asked for, and whether there are others', async () => {
    const path = file('none.jsonl', {});
    await expect(run([path], { witness: '7 7', json: false })).rejects.toThrow(
      /'7 7' in \d+ schedules, .* is complete$/,
    );
    await expect(run([path], { witness: '7 7', json: false, budget: 1 })).rejects.toThrow(
      /in 1 schedules, .*'budget'$/,
    );
  });

  it('says in its columns what entries and mirrors become, cut in the middle for a terminal alone', () => {
    const [test] = namedTests(['mig-unmap']) as [Litmus];
    const witness = witnessOf([
      RACE_TOKEN.write({ test, path: 'classic', profile: '6.12', injections: [], choices: [] }),
    ]);
    const whole = witnessLines(witness, { isTerminal: false });
    const text = whole.join('\n');
    expect(text).toMatch(/mirror of file \d+ 0x\w+-0x\w+ -> pfn \d+ write$/m);
    expect(text).toMatch(/mirror of file \d+ 0x\w+-0x\w+ -> none$/m);
    expect(text).not.toContain('…');
    const cut = witnessLines(witness, { isTerminal: true });
    const [long] = whole.filter((line) => line.trim().length > 64).slice(1);
    expect(cut.some((line) => line.includes('…') && line.endsWith(long!.slice(-30)))).toBe(true);
  });

  it('traces a schedule of each outcome, and one that is asked for', async () => {
    const runsIn = async (options: Partial<ExploreCommandOptions>) => {
      const trace = join(folder, 'trace.json');
      const { reports } = await run(['mig-unmap'], { budget: 5, allowIncomplete: true, ...options, trace });
      const runs = readFileSync(trace, 'utf8').match(/(?<=^\{"run":").*(?="\}$)/gm);
      return { runs, reports };
    };
    const { runs, reports } = await runsIn({});
    expect(runs).toEqual(reports()[0].outcomes.map(({ token }: { token: string }) => token));
    expect((await runsIn({ witness: '-2', budget: 2000, json: false })).runs).toHaveLength(1);
  });

  it('runs with each failure too, whose outcomes have it in their token', async () => {
    const [report] = (await run([file('faults.jsonl', {})], { faults: 1 })).reports();
    expect(report).toMatchObject({ verdict: 'complete', problems: [] });
    expect(report.failures).toBeGreaterThan(5);
    const failed = report.outcomes.find(({ fault = '' }) => fault.startsWith('copy_from_user'));
    expect(failed.token.length).toBeLessThan(200);
    expect(JSON.parse((await run(['replay', failed.token])).text).outcome).toBe(failed.outcome);
  });

  it('speaks to devices in any dialect, with the same outcomes', async () => {
    const [own] = (await run(['mig-unmap'])).reports();
    const [other] = (await run(['mig-unmap'], { dialect: '6.12' })).reports();
    const outcomes = ({ outcomes }: typeof own) => outcomes.map(({ outcome }: { outcome: string }) => outcome).sort();
    expect(outcomes(other)).toEqual(outcomes(own));
    const { text } = await run(['replay', other.outcomes[0].token]);
    expect(JSON.parse(text).outcome).toBe(other.outcomes[0].outcome);
  });

  it('takes the machine of the command line before that of the file, and of --diff its sides', async () => {
    const given = join(folder, 'machine.yaml');
    writeFileSync(
      given,
      `machine: { path: posted-v1, profile: 7.3 }\nsetup: ['map 0 0 0 1 anon rw']\nthreads: [['load 0 0 0 1']]\n`,
    );
    const machineOf = async (options: Partial<ExploreCommandOptions>) => {
      const { path, profile } = (await run([given], options)).reports()[0];
      return [path, profile];
    };
    expect(await machineOf({})).toEqual(['posted-v1', '7.3']);
    expect(await machineOf({ path: 'unified' })).toEqual(['unified', '7.3']);
    expect(await machineOf({ profile: '6.19' })).toEqual(['posted-v1', '6.19']);
    const onf = join(folder, 'onf.yaml');
    writeFileSync(onf, ONF);
    const diff = async (sides: string[], options: Partial<ExploreCommandOptions> = {}) =>
      (await run([onf], { ...options, diff: sides, budget: 300 })).reports();
    expect((await diff(['classic', 'posted-v1'])).map(({ only }) => only)).toContain('posted-v1');
    const kernels = await diff(['6.12', '7.3'], { path: 'posted-v1' });
    expect(kernels.at(-1).compared).toMatchObject([{ side: '6.12' }, { side: '7.3' }]);
  });

  it('does the choices of a token on another path too, or says that they do not fit there', async () => {
    const token = (path: 'unified' | 'posted-late', choices: number[]) => {
      const [test] = namedTests(['fresh-onf-mig1']) as [Litmus];
      return RACE_TOKEN.write({ test, path, profile: '6.12', injections: [], choices });
    };
    const first = [...Array<number>(15).fill(0), 1];
    const there = await run(['replay', token('posted-late', first)], { path: 'unified', json: false });
    expect(there.status).toBe(0);
    expect(there.to.lines.at(-1)).toBe(`# on unified: ${token('unified', first)}`);
    const own = await run(['replay', token('unified', first)], { json: false });
    expect(own.to.lines).toEqual(there.to.lines.slice(0, -1));
    const far = token('posted-late', [...Array<number>(5000).fill(0), 1]);
    await expect(run(['replay', far], { path: 'unified' })).rejects.toMatchObject({
      message: expect.stringMatching(/^the schedule of the token does not fit on unified: it has 5001 choices/),
      hint: 'explore fresh-onf-mig1 there instead, with --path unified',
    });
    const asked = { defect: [], maxMemory: 2 ** 28 };
    expect((await recordAsked([token('posted-late', first)], { ...asked, path: 'unified' })).title).toContain(
      'on unified,',
    );
    await expect(recordAsked([far], { ...asked, path: 'unified' })).rejects.toThrow(/does not fit on unified/);
    await expect(recordAsked([far], asked)).rejects.toThrow(/^part 'schedule' of the token/);
    await expect(recordAsked([far], { ...asked, seed: 2 })).rejects.toThrow(/^--seed goes with no token/);
  });

  it.each([
    ['--html', 'x'],
    ['--profile', '6.19'],
    ['--strategy', 'all'],
    ['-j', '2'],
    ['--witness', '0'],
  ])('refuses %s with replay', async (...words) => {
    const root = new Command().exitOverride();
    addExplore(root, { status: { code: 0 }, output: recordedOutput } as never);
    const parsed = root.parseAsync(['explore', 'replay', 'TOKEN', ...words], { from: 'user' });
    await expect(parsed).rejects.toThrow(/means nothing for replay/);
  });

  it('holds a complete exploration against what Linux showed, and tells what of the set-up fails', async () => {
    const outcomes = { '0 1 | 0 1 0 10 => 0 1 20': [2, 1], '-2 => 0': [3, 1] };
    const setup = ['open 0 0', 'map 0 0 0 1 anon rw', 'store 0 0 1 1 0x10', 'store 0 0 0 1 0x10'];
    const path = file('missing.jsonl', { outcomes, setup, setup_answers: ['0', '0', '-1011 0', '0 2'] });
    const missing = /seen 4 times on Linux, not reached( yet)?: -2 => 0/;
    const [whole] = (await run([path])).reports();
    expect(whole.problems.map(({ what }: { what: string }) => what)).toEqual(
      expect.arrayContaining([
        'the set-up answers 0 1 to store 0 0 0 1 0x10, and 0 2 on Linux',
        expect.stringMatching(missing),
      ]),
    );
    expect(whole.notes).toEqual(['set-up: store 0 0 1 1 0x10 answers -1011 0']);
    const part = await run([path], { budget: 1, json: false });
    expect([part.status, missing.exec(part.text)?.[1]]).toEqual([1, ' yet']);
    const other = await run([path], { profile: '7.3', json: false });
    expect([other.status, missing.test(other.text)]).toEqual([0, true]);
    const plain = await run([file('some.jsonl', { outcomes })], { budget: 1, json: false });
    expect([plain.status, missing.test(plain.text)]).toEqual([5, true]);
  });

  it('says of pct what one schedule is worth', async () => {
    const [report] = (await run(['mig-unmap'], { strategy: 'pct', depth: 2, budget: 50 })).reports();
    expect(report.guarantee).toBeGreaterThan(0);
  });

  it.each([
    [['mig-umap'], {}, /no litmus test is named 'mig-umap' \(did you mean 'mig-unmap'\?\)/],
    [['mig-unmap'], { dialect: '6.x' }, /there is no dialect '6.x'/],
    [['mig-unmap'], { depth: 2 }, /--depth is of --strategy pct/],
    [['mig-unmap'], { diff: ['classic'] }, /--diff takes two sides/],
    [['mig-unmap'], { trace: 'x.json', list: true }, /--trace is of what is explored/],
    [['replay'], {}, /takes one token/],
    [[file('setup.jsonl', { setup: ['load 3 0 0 1'] })], {}, /'load 3 0 0 1' of its set-up can not be done/],
  ])('refuses %s with %o', async (words, options, message) => {
    await expect(run(words, options)).rejects.toThrow(message);
  });
});
