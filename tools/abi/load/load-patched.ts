import { basename } from 'node:path';
import { UsageError } from '../../exit-code.js';
import { type FoundHeader, findHeader, isHeaderName, type LoadOptions, readBytes, readHeader } from './load.js';
import { mailPatches } from './mail.js';
import type { AbiModel } from './model.js';
import { applyLoosely, applyPatch } from './patch.js';

/** What `spec` becomes by the patches of a mail. */
export async function loadPatched(
  spec: string,
  patchFile: string,
  options: LoadOptions & { path?: string | undefined },
): Promise<AbiModel> {
  const dialect = isHeaderName(spec) ? undefined : await dialectHeader(spec);
  const found = dialect ?? findHeader(spec, options);
  const path = options.path ?? (dialect ? 'test_hmm_uapi.h' : basename(found.path));
  const all = await mailPatches(patchFile, readBytes(patchFile));
  const patches = all.filter(({ newPath, oldPath }) => endsWithPath(newPath, path) || endsWithPath(oldPath, path));
  if (patches.length === 0) {
    throw new UsageError(`${patchFile} changes no file '${path}'`, 'name the header as the patch does, with --path');
  }
  const text = patches.reduce((before, patch) => (dialect ? applyLoosely : applyPatch)(before, patch), found.text);
  return readHeader({ ...found, name: `${spec} with ${basename(patchFile)}`, text }, options);
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
