import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { inputBytes, UsageError } from '../../exit-code.js';
import { headerFinder } from '../c/include-path.js';
import { type Header, parseHeader } from '../c/parse-header.js';
import { HeaderError, type SourceText } from '../c/source-text.js';
import { DEFAULT_TARGET, type Target } from '../c/target.js';
import { modelOfHeader } from './header-model.js';
import type { AbiModel } from './model.js';

export interface LoadOptions {
  /** A git tree that REV:path is looked up in. */
  readonly git?: string | undefined;
  readonly include?: readonly string[];
  readonly target?: Target;
  /** Says which macros to leave out. */
  readonly skip?: (name: string) => boolean;
}

/** A header's text, and how to read what it includes. */
export interface FoundHeader {
  readonly name: string;
  /** Where it is: a path, or REV:path. */
  readonly path: string;
  readonly text: string;
  read?(path: string): string | undefined;
}

/** An ABI by a dialect's name, a header's path, or REV:path. Throws UsageError when it is not there or can't be read. */
export async function loadAbi(spec: string, options: LoadOptions = {}): Promise<AbiModel> {
  if (isHeaderName(spec)) return readAbi(findHeader(spec, options), options);
  // Dialects need none of the C parser, and headers none of the dialects.
  const { dialectAbi } = await import('./dialect-model.js');
  const dialect = dialectAbi(spec);
  return dialect ?? readAbi(findHeader(spec, options), options);
}

/** It can only be a file: a dialect's name has neither a slash nor an ending. */
export function isHeaderName(spec: string): boolean {
  return /[/:]|\.(h|json)$/.test(spec);
}

export function readBytes(file: string): Buffer {
  return inputBytes(file === '-' ? 0 : file, 'name a file that exists');
}

export function findHeader(spec: string, { git }: LoadOptions): FoundHeader {
  const revision = /^([^:/][^:]*):(.+)$/.exec(spec);
  if (git !== undefined && revision) return gitHeader(git, revision[1]!, revision[2]!);
  if (!existsSync(spec)) throw unknownSource(spec, git, revision !== null);
  return { name: spec, path: spec, text: readBytes(spec).toString('utf8'), read: readIfThere };
}

function unknownSource(spec: string, git: string | undefined, isRevision: boolean): UsageError {
  if (isRevision && git === undefined) {
    return new UsageError(`'${spec}' looks like a git revision and a path`, 'name the tree with --git FOLDER');
  }
  return new UsageError(
    `there is no dialect and no file '${spec}'`,
    'name a header, or a dialect: `dmirror abi history` shows them, and kernel versions such as 6.12 name one too',
  );
}

function readIfThere(path: string): string | undefined {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path, 'utf8') : undefined;
}

function gitHeader(tree: string, revision: string, path: string): FoundHeader {
  const prefix = `${revision}:`;
  const show = (file: string) =>
    execFileSync('git', ['-C', tree, 'cat-file', 'blob', file], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const read = (file: string) => {
    try {
      return file.startsWith(prefix) ? show(file) : readIfThere(file);
    } catch {
      return undefined;
    }
  };
  if (revision.startsWith('-'))
    throw new UsageError(`'${revision}' is no revision`, 'a revision does not begin with -');
  try {
    return { name: prefix + path, path: prefix + path, text: show(prefix + path), read };
  } catch (error) {
    const text = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    throw new UsageError(
      `git has no ${revision}:${path} in ${tree}: ${text.split('\n')[0]}`,
      'check --git, the revision and the path',
    );
  }
}

/** Headers that were read before in this process. */
const sources = new Map<string, SourceText | undefined>();

/** The ABI of a header that was found, or of what `abi show --json` once wrote. */
async function readAbi(found: FoundHeader, options: LoadOptions): Promise<AbiModel> {
  if (found.path.endsWith('.json')) return (await import('./saved.js')).savedAbi(found.name, found.text);
  return readHeader(found, options);
}

export function readHeader(found: FoundHeader, options: LoadOptions): AbiModel {
  return { ...modelOfHeader(parseFile(found, options)), name: found.name };
}

/** All that a header declares. Throws UsageError where it can't be read. */
export function parseFile({ name, path, text, read = readIfThere }: FoundHeader, options: LoadOptions): Header {
  const { target = DEFAULT_TARGET, include = [], skip } = options;
  const findHeader = headerFinder(path, {
    ...{ include, target: target.name, read },
    // Files of a git tree are of that revision only.
    sources: /^[^:/][^:]*:/.test(path) ? new Map() : sources,
  });
  try {
    return parseHeader(path, text, { target, findHeader, ...(skip && { skip }) });
  } catch (error) {
    if (!(error instanceof HeaderError)) throw error;
    const where = name === path ? '' : ` (${basename(name)})`;
    throw new UsageError(`${error.message}${where}`, error.hint);
  }
}
