// Files of recordings, of sequences and of litmus tests alike: JSON lines, plain or gzip, and what tells the path that they were recorded on.

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { pathError } from '../../driver/hmm/index.js';
import type { PathName } from '../../uapi/path-name.js';

/** A line that is not empty. */
export interface RecordedLine {
  readonly text: string;
  /** `FILE:LINE` */
  readonly where: string;
}

/** On which path a file was recorded. */
export interface RecordedPath {
  /** Null: nothing says so. */
  readonly path: PathName | null;
  /** What says so. */
  readonly why: string;
}

/** What file names of the recorded postings begin with. */
const NAME_PATHS: readonly (readonly [prefix: string, path: PathName])[] = [
  ['v1-', 'posted-v1'],
  ['late-', 'posted-late'],
];

/** The lines of a file but a first one of `{"path": ...}`, which counts more than its name. Throws on what can't be read. */
export function recordedLines(
  file: string,
  bytes: Buffer = readFileSync(file),
): RecordedPath & { readonly lines: readonly RecordedLine[] } {
  const lines = textOf(file, bytes)
    .split('\n')
    .map((text, i) => ({ text, where: `${file}:${i + 1}` }))
    .filter(({ text }) => text.trim() !== '');
  const named = lines[0] === undefined ? null : pathLine(lines[0]);
  if (named !== null) return { lines: lines.slice(1), path: named, why: 'its first line' };
  return { lines, ...pathByName(file) };
}

/** What a line holds. Throws on what is not JSON. */
export function parsedLine({ text, where }: RecordedLine): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${where}: not JSON`);
  }
}

function pathByName(file: string): RecordedPath {
  const byName = NAME_PATHS.find(([prefix]) => basename(file).startsWith(prefix));
  return byName === undefined ? { path: null, why: '' } : { path: byName[1], why: `its name, ${byName[0]}*` };
}

/** The path that a line names, null when it is another kind of line. */
function pathLine(line: RecordedLine): PathName | null {
  const { path, ...rest } = (parsedLine(line) ?? {}) as { path?: unknown };
  if (path === undefined || Object.keys(rest).length > 0) return null;
  const wrong = pathError(String(path));
  if (wrong === null) return path as PathName;
  throw new Error(`${line.where}: no ${wrong.what} '${wrong.word}'; they are ${wrong.known.join(', ')}`);
}

/** Without the mark that some editors begin UTF-8 with. */
function textOf(file: string, bytes: Buffer): string {
  try {
    const raw = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
    return raw.toString('utf8').replace(/^\ufeff/, '');
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`);
  }
}
