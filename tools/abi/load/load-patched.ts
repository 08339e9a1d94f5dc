import { basename } from 'node:path';
import { UsageError } from '../../exit-code.js';
import { type FoundHeader, findHeader, isHeaderName, type LoadOptions, readBytes, readHeader } from './load.js';
import { mailPatches } from './mail.js';
import type { AbiModel } from './model.js';
import { applyLoosely, applyPatch, type FilePatch } from './patch.js';

/** What `spec` becomes by the patches of a mail. */
export async function loadPatched(
  spec: string,
  patchFile: string,
  options: LoadOptions & { path?: string | undefined },
): Promise<AbiModel> {
  const dialect = isHeaderName(spec) ? undefined : await dialectHeader(spec);
  const found = dialect ?? findHeader(spec, options);
  const path = options.path ?? (dialect ? 'test_hmm_uapi.h' : basename(found.path));
  const { patches: all, replies } = await mailPatches(patchFile, readBytes(patchFile));
  const patches = all.filter(({ newPath, oldPath }) => endsWithPath(newPath, path) || endsWithPath(oldPath, path));
  if (patches.length === 0) {
    throw new UsageError(`${patchFile} changes no file '${path}'`, 'name the header as the patch does, with --path');
  }
  const text = applyAll(found.text, patches, (before, patch) =>
    (dialect ? applyLoosely : applyPatch)(before, patch, spec),
  );
  if (dialect) checkDefines(text, spec);
  const without = replies > 0 ? ` but for ${replies} ${replies === 1 ? 'reply' : 'replies'}` : '';
  return readHeader({ ...found, name: `${spec} with ${basename(patchFile)}${without}`, text }, options);
}

/** What stands in place of a path where there is no file. */
export const NO_FILE = '/dev/null';

/** A file that is made begins empty, and one that is deleted leaves nothing, but where it was made anew elsewhere before. */
function applyAll(
  text: string,
  patches: readonly FilePatch[],
  apply: (before: string, patch: FilePatch) => string,
): string {
  let [after, current] = [text, ''];
  for (const patch of patches) {
    const { oldPath, newPath } = patch;
    if (newPath !== NO_FILE) [after, current] = [apply(oldPath === NO_FILE ? '' : after, patch), newPath];
    else if (current === '' || current === oldPath) after = '';
  }
  return after;
}

/** A macro with two values counts with the later one; where nothing says which it is to be, that is a mistake of the patches. */
function checkDefines(text: string, spec: string): void {
  if (/^\s*#\s*(if|undef)/m.test(text)) return;
  const values = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/^\s*#\s*define\s+(\w+)(.*)$/gm)) {
    const [known, plain] = [values.get(name), value.replace(/\/\*.*/, '').replace(/\s+/g, '')];
    if (known !== undefined && known !== plain)
      throw new UsageError(
        `with ${spec} ${name} is defined twice: ${known}, ${plain}`,
        'give the mails of one posting',
      );
    values.set(name, plain);
  }
}

/** A dialect has no text of its own: one is made for it. */
async function dialectHeader(spec: string): Promise<FoundHeader | undefined> {
  const [{ dialectAbi }, { headerText }] = await Promise.all([
    import('./dialect-model.js'),
    import('../header-text.js'),
  ]);
  const model = dialectAbi(spec);
  return model && { name: `${model.name}.h`, path: `${model.name}.h`, text: headerText(model), read: () => undefined };
}

function endsWithPath(path: string, end: string): boolean {
  return path === end || path.endsWith(`/${end}`);
}
