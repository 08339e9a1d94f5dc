import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { abiHistory, abiName } from '../../../../tools/commands/abi.js';
import { abiCheck, abiShow, type CheckOptions } from '../../../../tools/commands/abi-check.js';
import { UsageError } from '../../../../tools/exit-code.js';
import { loadAbiHistory } from '../../uapi/abi-history.js';
import { headerOf } from '../abi/headers.js';
import { type RecordedOutput, recordedOutput } from '../recorded-output.js';

const folder = mkdtempSync(join(tmpdir(), 'dmirror-abi-'));
afterAll(() => rmSync(folder, { recursive: true }));
const generation = (id: string) => loadAbiHistory().generations.find((g) => g.id === id)!;
const file = (name: string, text: string | Buffer) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const BASE = { include: [], target: 'x86_64', skip: [], rename: [], format: 'text' } as const;

async function check(old: string, newer: string | undefined, options: Partial<CheckOptions> = {}) {
  const output = recordedOutput();
  const status = await abiCheck({ old, new: newer }, { ...BASE, ...options }, output);
  return { status, out: output.lines, err: output.talk, files: output.files, text: output.lines.join('\n') };
}

describe('abi check', () => {
  test('is 0 for what only adds and 1 for a break', async () => {
    expect((await check('6.12', '7.3')).status).toBe(0);
    expect((await check('6.12', 'B-onfault')).status).toBe(1);
  });

  test('fails on the classes it is told to', async () => {
    expect((await check('M5', 'M6', { failOn: 'added' })).status).toBe(1);
    expect((await check('M5', 'M6', { failOn: 'any' })).status).toBe(1);
    expect((await check('M5', 'B-onfault', { failOn: 'none' })).status).toBe(0);
    expect((await check('M5', 'B-onfault', { failOn: 'removed' })).status).toBe(0);
    await expect(check('M5', 'M6', { failOn: 'broken' })).rejects.toThrow(UsageError);
  });

  test('prints one JSON object a finding', async () => {
    const { out } = await check('M5', 'B-onfault', { format: 'json' });
    const findings = out.map((line) => JSON.parse(line));
    expect(findings.filter((f) => f.class === 'silent-alias').length).toBe(5);
    const snapshot = findings.find((f) => f.new?.name === 'HMM_DMIRROR_SNAPSHOT');
    expect(snapshot).toMatchObject({
      class: 'silent-alias',
      old: { name: 'HMM_DMIRROR_EXCLUSIVE', value: '0xc0284805' },
      newClient: { overrunBytesPerPage: 4095 },
    });
  });

  test('prints SARIF with the place in the header', async () => {
    const [a, b] = [file('a.h', headerOf(generation('M5'))), file('b.h', headerOf(generation('B-onfault')))];
    const sarif = JSON.parse((await check(a, b, { format: 'sarif' })).text);
    const [result] = sarif.runs[0].results;
    expect(sarif.version).toBe('2.1.0');
    expect(result).toMatchObject({ ruleId: 'silent-alias', level: 'error' });
    expect(result.locations[0].physicalLocation.artifactLocation.uri).toBe(relative('.', b));
    const rules = sarif.runs[0].tool.driver.rules.map((rule: { id: string }) => rule.id);
    for (const { ruleId } of sarif.runs[0].results) expect(rules).toContain(ruleId);
  });

  test('prints annotations for GitHub, with the place, and what fails as the error', async () => {
    const [a, b] = [file('g1.h', "#define FOO_A _IO('x', 1)\n"), file('g2.h', "\n#define FOO_A _IO('x', 2)\n")];
    const { out } = await check(a, b, { format: 'github' });
    expect(out).toEqual([
      `::error file=${relative('.', b)},line=2,col=9,title=renumbered::FOO_A went from 0x7801 to 0x7802: old callers get an error`,
      `::error title=dmirror abi check::${a} -> ${b}: 1 break`,
    ]);
    const none = await check(a, b, { format: 'github', failOn: 'none' });
    expect([none.status, none.out[0]!.slice(0, 9)]).toEqual([0, '::warning']);
  });

  test.each(['github', 'sarif'] as const)('names an odd file in the way of %s', async (format) => {
    const odd = file('100% odd%0A.h', '#define N 1\n#define N_EVER 7\n');
    const { text } = await check(odd, file('g3.h', '#define N 1\n'), { format });
    expect(text).toContain('100%25 odd%250A.h'.replace(' ', format === 'sarif' ? '%20' : ' '));
  });

  test('looks on each side in include folders of its own', async () => {
    for (const [side, nr] of [
      ['old', 1],
      ['new', 2],
    ] as const) {
      mkdirSync(join(folder, side), { recursive: true });
      file(`${side}/nr.h`, `#define NR ${nr}\n`);
    }
    const one = file('one.h', "#include <nr.h>\n#define A _IO('x', NR)\n");
    const sides = { includeOld: [join(folder, 'old')], includeNew: [join(folder, 'new')] };
    expect((await check(one, one, sides)).text).toContain('A went from 0x7801 to 0x7802');
    expect((await check(one, one, { include: sides.includeOld })).text).toContain('compatible');
    await expect(check(one, one)).rejects.toThrow("there is no header 'nr.h'");
  });

  test('compares folders with links in them, and goes round in none', async () => {
    for (const side of ['tree1', 'tree2']) {
      mkdirSync(join(folder, side, 'linux'), { recursive: true });
      file(`${side}/linux/a.h`, "#define A _IO('x', 1)\n");
      symlinkSync('.', join(folder, side, 'loop'));
      symlinkSync('linux', join(folder, side, 'more'));
      symlinkSync('nowhere.h', join(folder, side, 'gone.h'));
    }
    const { text } = await check(join(folder, 'tree1'), join(folder, 'tree2'));
    expect(text).toMatch(/compatible, 1 not compared; 2 headers compared/);
  });

  test('takes a saved ABI in the place of a header', async () => {
    const output = recordedOutput();
    await abiShow('M5', { ...BASE, json: true }, output);
    const saved = file('m5.json', output.lines.join('\n'));
    expect((await check(saved, 'M5')).text).toContain('compatible');
    expect((await check(saved, 'B-onfault')).out.length).toBe((await check('M5', 'B-onfault')).out.length);
    await expect(check(file('bad.json', '{"commands":[{}]}'), 'M5')).rejects.toThrow('bad.json: command 1 has no name');
  });

  test('prints Markdown that names every silent alias', async () => {
    const { text } = await check('M3', 'M4', { format: 'markdown' });
    expect(text).toContain('### ABI check: M3 -> M4: 4 breaks');
    expect(text).toContain('- 0xc0284803 was HMM_DMIRROR_SNAPSHOT and is HMM_DMIRROR_MIGRATE_TO_SYS');
  });

  test('takes two names as one when told', async () => {
    const a = file('r1.h', "#define FOO_A _IO('x', 1)\n");
    const b = file('r2.h', "#define FOO_B _IO('x', 1)\n");
    expect((await check(a, b)).text).toContain('silent-alias');
    const { status, text } = await check(a, b, { rename: ['FOO_A=FOO_B'] });
    expect([status, text]).toEqual([0, expect.stringContaining('renamed: command')]);
    expect((await check(a, b)).text).toContain('unknown: FOO_A is not modelled');
  });

  test('needs either NEW or --patch, and things that exist', async () => {
    await expect(check('M5', undefined)).rejects.toThrow('either NEW or --patch');
    await expect(check('M5', 'M99')).rejects.toThrow("no dialect and no file 'M99'");
    await expect(check('M5', 'HEAD:x.h')).rejects.toThrow('git revision');
    await expect(check('M5', file('bad.h', 'struct {'))).rejects.toThrow('bad.h:1:');
  });
});

describe('suppressions', () => {
  const entry = { class: 'removed', name: 'HMM_DMIRROR_READ_UNLOCKED_TIMEOUT', reason: 'never released' };
  const suppress = (list: unknown) => ({ suppress: file('s.json', JSON.stringify(list)) });

  test('take a finding out, and say why', async () => {
    const { status, text } = await check('B-timeout', 'M7', suppress([entry]));
    expect([status, text]).toEqual([0, expect.stringContaining('never released')]);
  });

  test('are written for what fails, and count once they have reasons', async () => {
    const { status, files } = await check('M5', 'B-onfault', { writeSuppressions: 'known.json' });
    const written = files.get('known.json')!;
    expect(status).toBe(1);
    await expect(check('M5', 'B-onfault', { suppress: file('w.json', written) })).rejects.toThrow('gives no reason');
    const filled = file('w.json', written.replaceAll('"reason": ""', '"reason": "wanted"'));
    expect((await check('M5', 'B-onfault', { suppress: filled })).status).toBe(0);
  });

  test('that ran out count no more', async () => {
    const late = await check('B-timeout', 'M7', suppress([{ ...entry, expires: '2020-01-01' }]));
    expect([late.status, late.err.join()]).toEqual([1, expect.stringContaining('ran out on 2020-01-01')]);
    expect((await check('B-timeout', 'M7', suppress([{ ...entry, expires: '2999-01-01' }]))).status).toBe(0);
  });

  test.each([
    ['matches nothing', [{ ...entry, name: 'NO' }], 'matches nothing'],
    ['gives no reason', [{ class: 'removed', name: 'A' }], 'no reason'],
    ['has a blank reason', [{ ...entry, reason: ' ' }], 'no reason'],
    ['has a wrong day', [{ ...entry, expires: 'soon' }], "'soon' is no day"],
    ['has an unknown key', [{ ...entry, reasons: 'x' }], "unknown key 'reasons'"],
    ['is no list', {}, 'no list'],
  ])('one that %s is an error', async (_, list, message) => {
    await expect(check('B-timeout', 'M7', suppress(list))).rejects.toThrow(message);
  });
});

describe('a patch', () => {
  const before = headerOf(generation('M5'));
  const after = headerOf(generation('B-onfault'));
  file('test_hmm_uapi.h', before);
  const diff = diffOf(before, after);
  const expected = async () =>
    (await check('M5', 'B-onfault', { format: 'json' })).out.map((line) => JSON.parse(line).message);
  const messages = async (old: string, patch: string) =>
    (await check(old, undefined, { patch, format: 'json' })).out.map((line) => JSON.parse(line).message);

  function diffOf(a: string, b: string): string {
    const [x, y] = [file('x', a), file('y', b)];
    try {
      execFileSync('diff', ['-u', '--label', 'a/lib/test_hmm_uapi.h', '--label', 'b/lib/test_hmm_uapi.h', x, y]);
      return '';
    } catch (error) {
      return (error as { stdout: Buffer }).stdout.toString();
    }
  }

  const mail = (encoding: string, body: string) =>
    `From 0123456789 Mon Sep 17 00:00:00 2001\nFrom: A <a@b.c>\nSubject: [PATCH 1/1] mm: a\n longer subject\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: ${encoding}\n\n${body}`;
  const whole = `Text before.\n---\n lib/test_hmm_uapi.h | 2 ++\n\n${diff}-- \n2.50.0\n`;
  const quoted = whole
    .replace(/[=\t]/g, (c) => `=${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
    .replace(/(.{60})/g, '$1=\n');
  const base64 = Buffer.from(whole.replaceAll('\n', '\r\n'))
    .toString('base64')
    .replace(/(.{76})/g, '$1\n');
  const parts = `From a@b Mon Sep 17 00:00:00 2001\nSubject: x\nContent-Type: multipart/mixed; boundary="XX"\n\n--XX\nContent-Type: text/plain\n\nHello\n--XX\nContent-Type: text/x-patch\nContent-Transfer-Encoding: base64\n\n${base64}\n--XX--\n`;

  test.each([
    ['bare', diff],
    ['in a format-patch mail', mail('8bit', whole)],
    ['in quoted-printable', mail('quoted-printable', quoted)],
    ['in base64 with CRLF', mail('base64', base64)],
    ['as an attachment', parts],
    [
      'in an mbox behind a cover letter',
      `From a@b Mon Sep 17 00:00:00 2001\nSubject: [PATCH 0/1] cover\n\nHello.\n>From here on.\n\n${mail('8bit', whole)}`,
    ],
  ])('%s is the step from OLD to NEW', async (_, text) => {
    const patch = file('p.mbox', text);
    expect((await messages(join(folder, 'test_hmm_uapi.h'), patch)).sort()).toEqual((await expected()).sort());
  });

  test('of a series applies in the order of its subjects', async () => {
    const first = "#define A _IO('x', 1)\n";
    const path = file('order.h', first);
    const step = (n: number, minus: string, plus: string) =>
      `From a@b Mon Sep 17 00:00:00 2001\nSubject: [PATCH v2 ${n}/2] x\n\n--- a/order.h\n+++ b/order.h\n@@ -1 +1 @@\n-${minus}\n+${plus}\n\n`;
    const [a, b, c] = [1, 2, 3].map((nr) => `#define A _IO('x', ${nr})`) as [string, string, string];
    const { text } = await check(path, undefined, { patch: file('s.mbox', step(2, b, c) + step(1, a, b)) });
    expect(text).toContain('A went from 0x7801 to 0x7803');
  });

  test('applies to a dialect, which has no text of its own', async () => {
    expect((await messages('M5', file('p.diff', diff))).sort()).toEqual((await expected()).sort());
  });

  test('may be made for another header than that of the clients', async () => {
    const patch = file('p.diff', diff);
    const { text } = await check('M3', undefined, { patch, base: 'M5' });
    expect(text).toContain('M3 -> M5 with p.diff: 5 breaks');
    await expect(check('M3', undefined, { patch })).rejects.toThrow('does not apply to M3');
    await expect(check('M3', 'M5', { base: 'M5' })).rejects.toThrow('--base says what --patch was made for');
  });

  test('that does not apply, or is about something else, is an error', async () => {
    const other = file('test_hmm_uapi.h', headerOf(generation('M1')));
    await expect(check(other, undefined, { patch: file('p.diff', diff) })).rejects.toThrow('does not apply');
    await expect(check(file('z.h', before), undefined, { patch: file('p.diff', diff) })).rejects.toThrow(
      "changes no file 'z.h'",
    );
    file('test_hmm_uapi.h', before);
  });
});

test('a header of a git revision is found in the tree', async () => {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@t', ...args]);
  git('init', '-q');
  file('u.h', '#include "sub.h"\n#define A _IO(BASE, 1)\n');
  file('sub.h', "#define BASE 'x'\n");
  git('add', 'u.h', 'sub.h');
  git('commit', '-qm', '1');
  file('u.h', '#include "sub.h"\n#define A _IO(BASE, 2)\n');
  git('commit', '-qam', '2');
  const { status, text } = await check('HEAD~1:u.h', 'HEAD:u.h', { git: folder });
  expect([status, text]).toEqual([1, expect.stringContaining('A went from 0x7801 to 0x7802')]);
  await expect(check('HEAD:no.h', 'HEAD:u.h', { git: folder })).rejects.toThrow('git has no HEAD:no.h');
});

test('abi show prints numbers, offsets and holes', async () => {
  const output = recordedOutput();
  const path = file('show.h', "struct s { char a; int b; };\n#define A _IOR('x', 1, struct s)\n#define N -1\n");
  expect(await abiShow(path, { ...BASE, json: false }, output)).toBe(0);
  expect(output.lines.slice(1).join('\n')).toMatchInlineSnapshot(`
    "
    commands
      number      nr    type  dir  size  name  argument
      0x80087801  0x01  'x'   R       8  A  struct s

    struct s, 8 bytes, aligned to 4
          0      1  char a
          1      3  hole
          4      4  int b

    constants N
      0xffffffffffffffff N"
  `);
});

test('abi name and abi history tell every meaning of a number', () => {
  const run = (f: (output: RecordedOutput) => number) => {
    const output = recordedOutput();
    return [f(output), output.lines] as const;
  };
  expect(run((l) => abiName('0xc0284804', { dialect: '6.12' }, l))).toEqual([
    0,
    ['M5               HMM_DMIRROR_SNAPSHOT'],
  ]);
  expect(run((l) => abiName(String(0xc0284804 | 0), { dialect: 'B-onfault' }, l))[1][0]).toContain('MIGRATE_TO_SYS');
  expect(run((l) => abiName('0x12', {}, l))[0]).toBe(1);
  expect(() => abiName('four', {}, recordedOutput())).toThrow(UsageError);
  const [, lines] = run((l) => abiHistory(undefined, { json: true }, l));
  const stories = Object.fromEntries(lines.map((line) => JSON.parse(line)).map((s) => [s.value, s.meanings]));
  for (const [number, meanings] of Object.entries(loadAbiHistory().number_meanings)) {
    for (const [id, name] of Object.entries(meanings)) expect(stories[number][name]).toContain(id);
  }
});
