import { existsSync } from 'node:fs';
import { loadAbi } from '../abi/load/load.js';
import { loadPatched, NO_FILE } from '../abi/load/load-patched.js';
import { mailPatches } from '../abi/load/mail.js';
import { type AbiModel, hex } from '../abi/load/model.js';
import type { FilePatch } from '../abi/load/patch.js';
import { inputBytes, UsageError } from '../exit-code.js';
import { shellQuote } from '../glob.js';
import { hint } from '../nearest.js';
import { mailFlags } from './mail-flags.js';
import { PROPERTIES } from './properties.js';
import { type Posting, postingNamed } from './review.js';
import { releasedNumberings } from './review-units.js';

const HEADER = 'test_hmm_uapi.h';
const WAY_OUT = 'name v1, late, or a file of mails with the patches of a posting';

/** What `--posting` says. Throws UsageError. */
export async function postingOf(word: string): Promise<Posting> {
  if (word === 'v1' || word === 'late') return postingNamed(word);
  if (existsSync(word)) return postingFromMail(word);
  const near = hint(word.replace(/^posted-/, ''), ['v1', 'late']);
  throw new UsageError(`--posting: there is no posting and no file '${word}'${near}`, WAY_OUT);
}

/**
 * A posting from its mails: the header, the numbering and the flags are what they say. How the code behaves no reader of a diff can
 * tell, so that is taken from the late form, and said.
 */
async function postingFromMail(file: string): Promise<Posting> {
  const { patches, replies } = await mailPatches(file, inputBytes(file, WAY_OUT));
  if (patches.length === 0)
    throw new UsageError(
      `--posting ${file}: no mail in it${replies > 0 ? ' but replies' : ''} has a patch that changes lines`,
      WAY_OUT,
    );
  const pathsOf = (patch: FilePatch): string => (patch.newPath === NO_FILE ? patch.oldPath : patch.newPath);
  const gone = patches.filter(({ newPath }) => newPath === NO_FILE).map(({ oldPath }) => oldPath);
  const files = [...new Set(patches.map(pathsOf))].sort();
  const isChanged = patches.some((patch) => [patch.oldPath, patch.newPath].some((path) => path.endsWith(HEADER)));
  const header = isChanged ? await headerOf(file) : null;
  const flags = [...(header?.constants ?? []), ...mailFlags(patches)];
  return {
    ...postingNamed('late'),
    title: file,
    files: [file],
    header: header && { base: header.base, mbox: file },
    told: [
      `The mails change ${files.map((path) => (gone.includes(path) ? `${path} (deleted)` : path)).join(', ')}.${
        replies > 0 ? ` Replies, which are left out: ${replies}.` : ''
      }`,
      `Numbering: ${header?.numbering || 'unchanged'}. Flags: ${flags.join(', ') || 'none new'}.`,
      `A diff does not tell how the code behaves. Not told, and taken from the late form unless --path-file says otherwise: ${PROPERTIES.map(({ name }) => name).join(', ')}.`,
    ],
  };
}

/** The newest released numbering that the patches apply to and then give no number to two commands, and what they make of it. */
async function headerOf(mbox: string): Promise<{ base: string; numbering: string; constants: readonly string[] }> {
  let newest: UsageError | undefined;
  for (const base of releasedNumberings())
    try {
      const patched = await loadPatched(base, mbox, {});
      checkNumbers(patched, base);
      const before = await loadAbi(base);
      return { base, numbering: numbering(before, patched), constants: newConstants(before, patched) };
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      newest ??= error;
    }
  throw new UsageError(
    `--posting ${mbox}: its patches fit no header that Linux has released: ${newest!.message}`,
    `give all mails of one posting; of another header, dmirror abi check HEADER --patch ${shellQuote(mbox)} tells what they do`,
  );
}

function checkNumbers({ commands }: AbiModel, base: string): void {
  const other = commands.find(({ nr }, i) => commands.findIndex((each) => each.nr === nr) < i);
  if (other === undefined) return;
  const names = commands.filter(({ nr }) => nr === other.nr).map(({ name }) => name);
  throw new UsageError(`with ${base} ${names.join(' and ')} have the number ${hex(other.nr, 2)}`, WAY_OUT);
}

/** What is told of the numbers after the patches; '' where they are as before. */
function numbering(before: AbiModel, { commands, unread }: AbiModel): string {
  const was = new Map(before.commands.map((command) => [command.name, command]));
  const numbered = [...commands].sort((a, b) => a.nr - b.nr);
  const moved = numbered.filter(({ name, nr }) => was.get(name)?.nr !== nr);
  const names = new Set([...commands, ...unread].map(({ name }) => name));
  const gone = before.commands.filter(({ name }) => !names.has(name));
  const resized = numbered.filter(({ name, nr, value }) => was.get(name)?.nr === nr && was.get(name)?.value !== value);
  const [first] = resized;
  return [
    ...moved.map(({ name, nr }) => `${name} ${hex(nr, 2)}`),
    ...unread.map(({ name, problem }) => `${name} can't be read (${problem})`),
    ...gone.map(({ name }) => `${name} is gone`),
    ...(first === undefined
      ? []
      : [
          `${resized.length} ioctl numbers have another size or direction, as ${first.name} ${hex(first.value)}, which was ${hex(was.get(first.name)!.value)}`,
        ]),
  ].join(', ');
}

function newConstants(before: AbiModel, after: AbiModel): string[] {
  const was = new Map(before.constants.map(({ name, value }) => [name, value]));
  const changed = after.constants.filter(({ name, value }) => was.get(name) !== value);
  return changed.map(({ name, value }) => `${name} ${hex(value)}`);
}
