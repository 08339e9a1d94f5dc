import { mailTexts } from '../abi/load/mail.js';
import { parsePatches } from '../abi/load/patch.js';
import { inputBytes, UsageError } from '../exit-code.js';
import { PROPERTIES } from './properties.js';
import { type Posting, postingNamed } from './review.js';

/** A flag that a patch defines: `MIGRATE_VMA_FAULT = 1 << 4`. */
const FLAG = /^\+\s*(?:#define\s+)?((?:MIGRATE_VMA|HMM_PFN)_\w+)\s*(?:=\s*)?([^,/]+)/;
const COMMAND = /^\+#define\s+(HMM_DMIRROR_\w+)\s+_IOWR\('H',\s*(\w+),/;

const HEADER = 'test_hmm_uapi.h';

/**
 * A posting from its mails: the header, the numbering and the flags are what they say. How the code behaves no reader of a diff can
 * tell, so that is taken from the late form, and said.
 */
export async function postingFromMail(file: string): Promise<Posting> {
  const texts = await mailTexts(inputBytes(file, 'name v1, late, or a file of mails'));
  const patches = texts.flatMap(parsePatches).filter(({ newPath }) => newPath !== '');
  if (patches.length === 0)
    throw new UsageError(
      `--posting ${file}: no mail in it has a patch`,
      'name v1, late, or a file of mails with the patches of a posting',
    );
  const added = texts.flatMap((text) => text.split('\n').filter((line) => line.startsWith('+')));
  const files = [...new Set(patches.map(({ newPath }) => newPath))].sort();
  const flags = added.flatMap((line) => FLAG.exec(line)?.slice(1, 3).join(' ').trim() ?? []);
  const commands = added.flatMap((line) => COMMAND.exec(line)?.slice(1, 3).join(' ') ?? []);
  const changesHeader = files.some((path) => path.endsWith(HEADER));
  return {
    ...postingNamed('late'),
    title: file,
    header: changesHeader ? { mbox: file } : null,
    told: [
      `The mails change ${files.join(', ')}.`,
      `Numbering: ${commands.join(', ') || 'unchanged'}. Flags: ${[...new Set(flags)].join(', ') || 'none new'}.`,
      `A diff does not tell how the code behaves. Not told, and taken from the late form unless --path-file says otherwise: ${PROPERTIES.map(({ name }) => name).join(', ')}.`,
    ],
  };
}
