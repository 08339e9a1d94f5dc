import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { postingFromMail } from '../../../../tools/series/mail-posting.js';
import { PROPERTIES } from '../../../../tools/series/properties.js';
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

function mail(number: number, patch: string): string {
  const subject = `Subject: [PATCH v12 ${number}/2] a posting that nobody has made`;
  return `From someone@example.org Mon Jan  4 10:00:00 2027\nFrom: Someone <someone@example.org>\n${subject}\n\nWhy it is done.\n---\n${patch}-- \n2.50\n\n`;
}

function posting(name: string, ...patches: readonly string[]): ReturnType<typeof postingFromMail> {
  const file = join(folder, name);
  writeFileSync(file, patches.map((patch, i) => mail(i + 1, patch)).join(''));
  return postingFromMail(file);
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
    const encoded = (encoding: string, text: string): string =>
      mail(1, text).replace('\n\n', `\nMIME-Version: 1.0\nContent-Transfer-Encoding: ${encoding}\n\n`);
    const [head, body] = encoded('base64', FLAGS).split(/(?<=\n\n)([\s\S]*)/) as [string, string];
    const code = FLAGS.replace('MIGRATE_VMA_FAULT = 1 << 7,', 'HMM_PFN_VALID | HMM_PFN_WRITE;').replace(
      'migrate.h',
      'x.c',
    );
    const mails = [
      mail(0, 'Changes:\n+ MIGRATE_VMA_TALK = 1 << 9 was dropped\n'),
      `${head}${Buffer.from(body).toString('base64')}\n\n`,
      encoded('quoted-printable', HEADER.replaceAll('=', '=3D').replaceAll('HMM_DMIRROR_', 'HMM_DMIR=\nROR_')),
      mail(2, code),
    ].join('');
    for (const text of [mails, mails.replaceAll('\n', '\r\n')]) {
      const file = join(folder, 'encoded.mbox');
      writeFileSync(file, text);
      const { header, told } = await postingFromMail(file);
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
    ['a header that was never released', HEADER.replace('TO_SYS', 'ELSEWHERE'), /to no header .* no line '.*ELSEWHERE/],
  ])('is refused for %s with the place', async (_what, patch, message) => {
    await expect(posting('wrong.mbox', patch)).rejects.toThrow(message);
  });

  it('is compared as its own base has it with every numbering', async () => {
    const made = await posting('units.mbox', HEADER);
    const [unit] = unitsOf(made, { sequences: 0, races: null as never, tests: [], now: () => 0 });
    const breaks = (await unit!.run()) as UnitResults['header'];
    expect(breaks.length).toBeGreaterThan(5);
    expect(breaks.every((each) => each.breaks > 0)).toBe(true);
  });

  it('is refused without a patch', async () => {
    await expect(posting('talk.mbox', 'Only talk.\n')).rejects.toThrow(/talk\.mbox: no mail in it has a patch/);
  });
});
