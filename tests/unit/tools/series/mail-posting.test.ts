import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { postingFromMail } from '../../../../tools/series/mail-posting.js';
import { PROPERTIES } from '../../../../tools/series/properties.js';

const folder = mkdtempSync(join(tmpdir(), 'dmirror-mail-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HEADER = `diff --git a/lib/test_hmm_uapi.h b/lib/test_hmm_uapi.h
--- a/lib/test_hmm_uapi.h
+++ b/lib/test_hmm_uapi.h
@@ -10,2 +10,3 @@
 #define HMM_DMIRROR_MIGRATE_TO_DEV	_IOWR('H', 0x02, struct hmm_dmirror_cmd)
-#define HMM_DMIRROR_MIGRATE_TO_SYS	_IOWR('H', 0x03, struct hmm_dmirror_cmd)
+#define HMM_DMIRROR_MIGRATE_ON_FAULT_TO_DEV	_IOWR('H', 0x03, struct hmm_dmirror_cmd)
+#define HMM_DMIRROR_MIGRATE_TO_SYS	_IOWR('H', 0x04, struct hmm_dmirror_cmd)
`;
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
    expect(header).toEqual({ mbox: join(folder, 'two.mbox') });
    expect(path).toBe('posted-late');
    const [files, numbering, untold] = told;
    expect(files).toBe('The mails change include/linux/migrate.h, lib/test_hmm_uapi.h.');
    expect(numbering).toContain('HMM_DMIRROR_MIGRATE_ON_FAULT_TO_DEV 0x03, HMM_DMIRROR_MIGRATE_TO_SYS 0x04.');
    expect(numbering).toContain('MIGRATE_VMA_FAULT 1 << 7');
    for (const { name } of PROPERTIES) expect(untold).toContain(name);
  });

  it('has no header where the mails change none', async () => {
    const { header, told } = await posting('flags.mbox', FLAGS);
    expect(header).toBeNull();
    expect(told[1]).toMatch(/^Numbering: unchanged/);
  });

  it('is refused without a patch', async () => {
    await expect(posting('talk.mbox', 'Only talk.\n')).rejects.toThrow(/talk\.mbox: no mail in it has a patch/);
  });
});
