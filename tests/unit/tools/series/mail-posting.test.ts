import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { postingOf } from '../../../../tools/series/mail-posting.js';
import { PROPERTIES } from '../../../../tools/series/properties.js';
import { type Posting, postingNamed } from '../../../../tools/series/review.js';
import { type UnitResults, unitsOf } from '../../../../tools/series/review-units.js';

const folder = mkdtempSync(join(tmpdir(), 'dmirror-mail-'));
afterAll(() => rmSync(folder, { recursive: true }));

const NAMES = ['MIGRATE_TO_SYS', 'SNAPSHOT', 'EXCLUSIVE', 'CHECK_EXCLUSIVE', 'RELEASE'];
const define = (name: string, nr: number): string =>
  `#define HMM_DMIRROR_${name}	_IOWR('H', 0x0${nr}, struct hmm_dmirror_cmd)\n`;
const HEADER = `diff --git a/lib/test_hmm_uapi.h b/lib/test_hmm_uapi.h
--- a/lib/test_hmm_uapi.h
+++ b/lib/test_hmm_uapi.h
@@ -10,6 +10,7 @@
 ${define('MIGRATE_TO_DEV', 2)}${NAMES.map((name, i) => `-${define(name, 3 + i)}`).join('')}${[
   'MIGRATE_ON_FAULT_TO_DEV',
   ...NAMES,
 ]
   .map((name, i) => `+${define(name, 3 + i)}`)
   .join('')}`;
const FLAGS = `diff --git a/include/linux/migrate.h b/include/linux/migrate.h
--- a/include/linux/migrate.h
+++ b/include/linux/migrate.h
@@ -100,1 +100,2 @@
 	MIGRATE_VMA_SELECT_COMPOUND = 1 << 3,
+	MIGRATE_VMA_FAULT = 1 << 7,
`;

const inHeader = (hunk: string): string => HEADER.replace(/@@[\s\S]*/, hunk);
/** What puts a patch back. */
const reverted = (patch: string): string => {
  const back = { '+': '-', '-': '+' } as Readonly<Record<string, string>>;
  const hunk = patch.replace(/[\s\S]*(?=@@ -)/, '').replace(/-(\S+) \+(\S+)/, '-$2 +$1');
  const lines = hunk.replace(/^[+-]/gm, (sign) => back[sign]!).split('\n');
  // What goes stands before what comes.
  const [head, , ...rest] = [lines[0]!, '', ...lines.slice(1)];
  const rank = (line: string): number => ' -+'.indexOf(line[0] ?? '+');
  return patch.replace(/@@[\s\S]*/, [head, ...rest.filter(Boolean).sort((a, b) => rank(a) - rank(b)), ''].join('\n'));
};
const moved = (patch: string): string =>
  patch.replace(/@@[\s\S]*/, '@@ -1,1 +1,1 @@\n+\tMIGRATE_VMA_FAULT = 1  << 7,\n-\tMIGRATE_VMA_FAULT = 1 << 7,\n');
const SPELT = inHeader(
  `@@ -15,1 +15,2 @@\n ${define('RELEASE', 7)}+#define HMM_DMIRROR_MIGRATE_ON_FAULT_TO_DEV _IOWR( 'H', 11, struct hmm_dmirror_cmd ) /* x */\n`,
);
const FIELD = inHeader('@@ -20,2 +20,3 @@\n \t__u64\t\tcpages;\n+\t__u64\t\twalks;\n \t__u64\t\tfaults;\n');
const GONE = inHeader(`@@ -1,1 +0,0 @@\n-${define('READ', 0)}`).replace('+++ b/lib/test_hmm_uapi.h', '+++ /dev/null');

function mail(number: number, patch: string): string {
  const subject = `Subject: [PATCH v12 ${number}/2] a posting that nobody has made`;
  return `From someone@example.org Mon Jan  4 10:00:00 2027\nFrom: Someone <someone@example.org>\n${subject}\n\nWhy it is done.\n---\n${patch}-- \n2.50\n\n`;
}

function posting(name: string, ...patches: readonly string[]): ReturnType<typeof postingOf> {
  const file = join(folder, name);
  writeFileSync(file, patches.map((patch, i) => mail(i + 1, patch)).join(''));
  return postingOf(file);
}

describe('a posting from its mails', () => {
  it('has their header, numbering and flags, and says of every property that it is not told', async () => {
    const { header, path, told } = await posting('two.mbox', FLAGS, HEADER);
    expect(header).toEqual({ mbox: join(folder, 'two.mbox'), base: 'M5' });
    expect(path).toBe('posted-late');
    const [files, numbering, untold] = told;
    expect(files).toBe('The mails change include/linux/migrate.h, lib/test_hmm_uapi.h.');
    expect(numbering).toContain('HMM_DMIRROR_MIGRATE_ON_FAULT_TO_DEV 0x03, HMM_DMIRROR_MIGRATE_TO_SYS 0x04, ');
    expect(numbering).toContain('MIGRATE_VMA_FAULT 1 << 7');
    for (const { name } of PROPERTIES) expect(untold).toContain(name);
  });

  it('has no header where the mails change none', async () => {
    const { header, told } = await posting('flags.mbox', FLAGS);
    expect(header).toBeNull();
    expect(told[1]).toMatch(/^Numbering: unchanged/);
  });

  it('is read as mailers encode it, and takes no word of a cover letter or of code for a flag', async () => {
    const encoded = (encoding: string, text: string, number: number): string =>
      mail(number, text).replace('\n\n', `\nMIME-Version: 1.0\nContent-Transfer-Encoding: ${encoding}\n\n`);
    const [head, body] = encoded('base64', FLAGS, 1).split(/(?<=\n\n)([\s\S]*)/) as [string, string];
    const code = FLAGS.replace('MIGRATE_VMA_FAULT = 1 << 7,', 'HMM_PFN_VALID | HMM_PFN_WRITE;').replace(
      'migrate.h',
      'x.c',
    );
    const mails = [
      mail(0, 'Changes:\n+ MIGRATE_VMA_TALK = 1 << 9 was dropped\n'),
      `${head}${Buffer.from(body).toString('base64')}\n\n`,
      encoded('quoted-printable', HEADER.replaceAll('=', '=3D').replaceAll('HMM_DMIRROR_', 'HMM_DMIR=\nROR_'), 2),
      mail(3, code),
    ].join('');
    for (const text of [mails, mails.replaceAll('\n', '\r\n')]) {
      const file = join(folder, 'encoded.mbox');
      writeFileSync(file, text);
      const { header, told } = await postingOf(file);
      expect(header).toEqual({ mbox: file, base: 'M5' });
      expect(told[1]).toMatch(
        /^Numbering: HMM_DMIRROR_MIGRATE_ON_FAULT_TO_DEV 0x03, .*, HMM_DMIRROR_RELEASE 0x08\. Flags: MIGRATE_VMA_FAULT 1 << 7\.$/,
      );
    }
  });

  it.each([
    [
      'a damaged mail',
      HEADER.replace('-#def', '#def'),
      /mbox: '\[PATCH v12 1\/2\].*': the patch ends inside a hunk: @@ -10/,
    ],
    [
      'a header that was never released',
      HEADER.replace('TO_SYS', 'ELSEWHERE'),
      /fit no header .* does not apply to M7: there is no line '.*ELSEWHERE/,
    ],
  ])('is refused for %s with the place', async (_what, patch, message) => {
    await expect(posting('wrong.mbox', patch)).rejects.toThrow(message);
  });

  it.each<[string, readonly string[], RegExp]>([
    ['what is put back is unchanged', [HEADER, reverted(HEADER)], /^Numbering: unchanged\. Flags: none new\.$/],
    [
      'what is put back and done again is changed',
      [HEADER, reverted(HEADER), HEADER],
      /^Numbering: HMM_DMIRROR_MIGRATE_ON/,
    ],
    ['another spelling is a number', [SPELT], /^Numbering: HMM_DMIRROR_MIGRATE_ON_FAULT_TO_DEV 0x0b\./],
    [
      'a field changes every number',
      [FIELD],
      /^Numbering: 10 ioctl .*HMM_DMIRROR_READ 0xc0304800, which was 0xc0284800\./,
    ],
    [
      'a header that is gone has no number',
      [GONE],
      /^Numbering: HMM_DMIRROR_READ is gone, .*HMM_DMIRROR_RELEASE is gone/,
    ],
    ['a flag that comes again is new', [FLAGS, reverted(FLAGS), FLAGS], /Flags: MIGRATE_VMA_FAULT 1 << 7\.$/],
    ['a flag that moves is not', [FLAGS, moved(FLAGS)], /Flags: MIGRATE_VMA_FAULT 1 << 7\.$/],
    ['a flag that is put back is none', [FLAGS, reverted(FLAGS)], /Flags: none new\.$/],
    ['statements are no flags', [FLAGS.replace('_FAULT = 1 << 7,', '_FAULT == flags;')], /Flags: none new\.$/],
    ['a flag without a value is one', [FLAGS.replace(' = 1 << 7,', ', /* x */')], /Flags: MIGRATE_VMA_FAULT\.$/],
  ])('is told as it is after all mails: %s', async (_what, patches, message) => {
    const { told } = await posting('net.mbox', ...patches);
    expect(told[1]).toMatch(message);
  });

  it('is without replies, each mail once', async () => {
    const reply = mail(1, SPELT).replace('Subject: ', 'Subject: Re: ');
    const file = join(folder, 'replies.mbox');
    writeFileSync(file, mail(1, HEADER) + reply + mail(1, HEADER));
    const { told } = await postingOf(file);
    expect(told[0]).toBe('The mails change lib/test_hmm_uapi.h. Replies, which are left out: 1.');
    expect(told[1]).toContain('HMM_DMIRROR_MIGRATE_ON_FAULT_TO_DEV 0x03, ');
    writeFileSync(file, reply);
    expect((await postingOf(file)).told[1]).toContain('HMM_DMIRROR_MIGRATE_ON_FAULT_TO_DEV 0x0b.');
  });

  it.each([
    [
      'two versions',
      [mail(1, HEADER), mail(1, SPELT).replace('v12', 'v11')],
      /more than one posting: '\[PATCH v12 .*' and '\[PATCH v11/,
    ],
    ['one number twice', [mail(1, HEADER), mail(1, SPELT)], /more than one posting/],
    ['two numbers', [mail(1, HEADER), mail(2, SPELT)], /_TO_DEV is defined twice: _IOWR\('H',/],
  ])('is refused for %s', async (_what, mails, message) => {
    const file = join(folder, 'more.mbox');
    writeFileSync(file, mails.join(''));
    await expect(postingOf(file)).rejects.toThrow(message);
  });

  it.each([
    ['v11', "no posting and no file 'v11' (did you mean 'v1'?)"],
    ['posted-late', "no posting and no file 'posted-late' (did you mean 'late'?)"],
    ['some.mbox', "no posting and no file 'some.mbox'; there are: v1, late"],
  ])('%s is none', async (word, message) => {
    await expect(postingOf(word)).rejects.toThrow(message);
  });

  /** What the header of a posting does to clients of each released numbering. */
  async function breaksOf(made: Posting): Promise<UnitResults['header']> {
    const [unit] = unitsOf(made, { sequences: 0, races: null as never, tests: [], now: () => 0 });
    return (await unit!.run()) as UnitResults['header'];
  }

  it.each([
    ['v1', HEADER, ['M5']],
    ['a field', FIELD, ['M7', 'M6', 'M5', 'M4', 'M3', 'M2', 'M1']],
    ['a new number', SPELT, []],
  ])('is compared as its own base has it with every numbering: %s', async (_what, patch, broken) => {
    const breaks = await breaksOf(await posting('units.mbox', patch));
    expect(breaks.map(({ numbering }) => numbering)).toEqual(['M7', 'M6', 'M5', 'M4', 'M3', 'M2', 'M1']);
    const own = breaks.filter((each) => each.own > 0).map(({ numbering }) => numbering);
    expect(own).toEqual(expect.arrayContaining(broken));
    expect(own.length > 0).toBe(broken.length > 0);
    for (const { breaks: all, own, silent, errors } of breaks) {
      expect(own).toBeLessThanOrEqual(all);
      expect(silent.length + errors.length > 0).toBe(all > 0);
    }
  });

  it('of the late form is on top of FLAGS', async () => {
    const [, newest] = await breaksOf(postingNamed('late'));
    expect(newest).toMatchObject({ numbering: 'M6', errors: [expect.stringContaining('HMM_DMIRROR_FLAGS went from')] });
  });

  it('is refused without a patch', async () => {
    await expect(posting('talk.mbox', 'Only talk.\n')).rejects.toThrow(/talk\.mbox: no mail in it has a patch/);
  });
});
