import { loadPatched } from '../abi/load/load-patched.js';
import { mailPatches } from '../abi/load/mail.js';
import { inputBytes, UsageError } from '../exit-code.js';
import { PROPERTIES } from './properties.js';
import { type Posting, postingNamed } from './review.js';
import { releasedNumberings } from './review-units.js';

/** A flag that a patch defines: `MIGRATE_VMA_FAULT = 1 << 4`. */
const FLAG = /^\s*(?:#define\s+((?:MIGRATE_VMA|HMM_PFN)_\w+)|((?:MIGRATE_VMA|HMM_PFN)_\w+)\s*=)\s*([^,/]+)/;
const COMMAND = /^#define\s+(HMM_DMIRROR_\w+)\s+_IOWR\('H',\s*(\w+),/;

const HEADER = 'test_hmm_uapi.h';

/**
 * A posting from its mails: the header, the numbering and the flags are what they say. How the code behaves no reader of a diff can
 * tell, so that is taken from the late form, and said.
 */
export async function postingFromMail(file: string): Promise<Posting> {
  const found = await mailPatches(file, inputBytes(file, 'name v1, late, or a file of mails'));
  const patches = found.filter(({ newPath }) => newPath !== '');
  if (patches.length === 0)
    throw new UsageError(
      `--posting ${file}: no mail in it has a patch`,
      'name v1, late, or a file of mails with the patches of a posting',
    );
  const lines = patches.flatMap(({ hunks }) => hunks.flatMap((hunk) => hunk.lines));
  const removed = new Set(lines.flatMap((line) => (line.startsWith('-') ? line.slice(1).trim() : [])));
  const added = lines.flatMap((line) =>
    line.startsWith('+') && !removed.has(line.slice(1).trim()) ? line.slice(1) : [],
  );
  const files = [...new Set(patches.map(({ newPath }) => newPath))].sort();
  const flags = added.flatMap((line) => {
    const [, defined, name = defined, value = ''] = FLAG.exec(line) ?? [];
    return name === undefined ? [] : `${name} ${value}`.trim();
  });
  const commands = added.flatMap((line) => COMMAND.exec(line)?.slice(1, 3).join(' ') ?? []);
  const header = files.some((path) => path.endsWith(HEADER)) ? { mbox: file, base: await baseOf(file) } : null;
  return {
    ...postingNamed('late'),
    title: file,
    files: [file],
    header,
    told: [
      `The mails change ${files.join(', ')}.`,
      `Numbering: ${commands.join(', ') || 'unchanged'}. Flags: ${[...new Set(flags)].join(', ') || 'none new'}.`,
      `A diff does not tell how the code behaves. Not told, and taken from the late form unless --path-file says otherwise: ${PROPERTIES.map(({ name }) => name).join(', ')}.`,
    ],
  };
}

/** The newest released numbering that the patches apply to and then give no number to two commands. */
async function baseOf(mbox: string): Promise<string> {
  let newest: unknown;
  for (const id of releasedNumberings().reverse())
    try {
      const { commands } = await loadPatched(id, mbox, {});
      if (new Set(commands.map(({ nr }) => nr)).size === commands.length) return id;
      newest ??= new UsageError(`with ${id} they give one number to two commands`, 'name the mails of one posting');
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      newest ??= error;
    }
  const { message, hint } = newest as UsageError;
  throw new UsageError(`--posting ${mbox}: to no header that Linux has released: ${message}`, hint);
}
