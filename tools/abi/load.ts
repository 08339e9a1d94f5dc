import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, posix } from 'node:path';
import { type Dialect, dialectByName, dialectIds } from '../../uapi/dialect.js';
import { UsageError } from '../exit-code.js';
import { modelOfDialect } from './dialect-model.js';
import { headerText } from './header-text.js';
import type { AbiModel } from './model.js';

export interface LoadOptions {
  /** A git tree that REV:path is looked up in. */
  readonly git?: string | undefined;
  readonly include: readonly string[];
  readonly target: string;
  readonly skip: readonly string[];
}

/** A header's text, and how to find what it includes. */
interface Found {
  readonly name: string;
  readonly text: string;
  read(path: string): string | undefined;
}

/** An ABI by a dialect's name, a header's path, or REV:path. Throws UsageError when it is not there or can't be read. */
export async function loadAbi(spec: string, options: LoadOptions): Promise<AbiModel> {
  const dialect = dialectOf(spec);
  return dialect ? modelOfDialect(dialect) : parseFound(findHeader(spec, options), options);
}

/** What `spec` becomes by the patches of a mail. */
export async function loadPatched(
  spec: string,
  patchFile: string,
  options: LoadOptions & { path?: string | undefined },
): Promise<AbiModel> {
  const [{ mailTexts }, { applyLoosely, applyPatch, parsePatch }] = await Promise.all([
    import('./mail.js'),
    import('./patch.js'),
  ]);
  const dialect = dialectOf(spec);
  const found: Found = dialect
    ? { name: `${dialect.id}.h`, text: headerText(modelOfDialect(dialect)), read: () => undefined }
    : findHeader(spec, options);
  const path = options.path ?? (dialect ? 'test_hmm_uapi.h' : basename(found.name));
  const texts = mailTexts(readBytes(patchFile));
  const patches = texts
    .flatMap(parsePatch)
    .filter(({ newPath, oldPath }) => endsWithPath(newPath, path) || endsWithPath(oldPath, path));
  if (patches.length === 0) {
    throw new UsageError(`${patchFile} changes no file '${path}'`, 'name the header as the patch does, with --path');
  }
  const text = patches.reduce((before, patch) => (dialect ? applyLoosely : applyPatch)(before, patch), found.text);
  return parseFound({ ...found, name: `${spec} with ${basename(patchFile)}`, text }, options, found.name);
}

function endsWithPath(path: string, end: string): boolean {
  return path === end || path.endsWith(`/${end}`);
}

function dialectOf(spec: string): Dialect | undefined {
  return /[/:]|\.h$/.test(spec) ? undefined : dialectByName(spec);
}

function readBytes(file: string): Buffer {
  try {
    return file === '-' ? readFileSync(0) : readFileSync(file);
  } catch (error) {
    throw new UsageError(`${file} can't be read: ${(error as Error).message}`, 'name a file that exists');
  }
}

function findHeader(spec: string, { git }: LoadOptions): Found {
  const revision = /^([^:/][^:]*):(.+)$/.exec(spec);
  if (git !== undefined && revision) return gitHeader(git, revision[1]!, revision[2]!);
  if (!existsSync(spec)) throw unknownSource(spec, git, revision !== null);
  return { name: spec, text: readBytes(spec).toString('utf8'), read: readIfThere };
}

function unknownSource(spec: string, git: string | undefined, isRevision: boolean): UsageError {
  if (isRevision && git === undefined) {
    return new UsageError(`'${spec}' looks like a git revision and a path`, 'name the tree with --git FOLDER');
  }
  return new UsageError(
    `there is no dialect and no file '${spec}'`,
    `dialects: ${dialectIds().join(', ')}, or a kernel version such as 6.12`,
  );
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function gitHeader(tree: string, revision: string, path: string): Found {
  const show = (file: string) =>
    execFileSync('git', ['-C', tree, 'cat-file', 'blob', `${revision}:${file}`], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const read = (file: string) => {
    try {
      return isAbsolute(file) ? readIfThere(file) : show(file);
    } catch {
      return undefined;
    }
  };
  if (revision.startsWith('-'))
    throw new UsageError(`'${revision}' is no revision`, 'a revision does not begin with -');
  try {
    return { name: `${revision}:${path}`, text: show(path), read };
  } catch (error) {
    const text = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    throw new UsageError(
      `git has no ${revision}:${path} in ${tree}: ${text.split('\n')[0]}`,
      'check --git, the revision and the path',
    );
  }
}

/** The C parser is loaded here only: dialects need none of it. */
async function parseFound(found: Found, options: LoadOptions, own = found.name): Promise<AbiModel> {
  const [{ parseHeader }, { HeaderError, SourceText }, { targetByName }, { modelOfHeader }] = await Promise.all([
    import('./c/parse-header.js'),
    import('./c/source-text.js'),
    import('./c/target.js'),
    import('./header-model.js'),
  ]);
  const target = targetByName(options.target)!;
  const find = (name: string, { angled, from }: { angled: boolean; from: string }) => {
    const prefix = /^[^:/][^:]*:/.exec(own)?.[0] ?? '';
    const base = from === found.name ? own : from;
    const beside = angled
      ? []
      : [posix.join(dirname(base.startsWith(prefix) ? base.slice(prefix.length) : base), name)];
    for (const path of [...beside, ...options.include.map((folder) => join(folder, name))]) {
      const text = found.read(path);
      if (text !== undefined) return new SourceText(prefix + path, text);
    }
    return undefined;
  };
  try {
    const header = await parseHeader(found.name, found.text, { target, findHeader: find, skip: options.skip });
    return modelOfHeader(header, found.text);
  } catch (error) {
    if (error instanceof HeaderError) throw new UsageError(error.message, error.hint);
    throw error;
  }
}
