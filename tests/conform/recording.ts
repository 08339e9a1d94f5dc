// Recordings of a real kernel: their format is in recordings/README.md.

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { PATH_NAMES, type PathName } from '../../uapi/path-name.js';

/** An op line, and what the real kernel answered. */
export type Step = readonly [op: string, answer: string];

/** One recorded sequence. */
export interface Sequence {
  /** `family-number`. */
  readonly seq: string;
  readonly steps: readonly Step[];
}

/** A file of them, and on which path the kernel ran that it was recorded from. */
export interface Recording {
  readonly sequences: readonly Sequence[];
  /** Null: the file says nothing of it. */
  readonly path: PathName | null;
  /** What says so. */
  readonly why: string;
}

/** What file names of the recorded postings begin with. */
const NAME_PATHS: readonly (readonly [prefix: string, path: PathName])[] = [
  ['v1-', 'posted-v1'],
  ['late-', 'posted-late'],
];

/** A file, plain or gzip, one JSON object a line, the first of which may be `{"path": ...}`. Throws on what is not a recording. */
export function readRecordingFile(path: string): Recording {
  const lines = textOf(path).split('\n');
  const first = lines.findIndex((line) => line.trim() !== '');
  const named = first < 0 ? null : pathLine(lines[first]!, `${path}:${first + 1}`);
  if (named !== null) lines[first] = '';
  const sequences = lines.flatMap((line, i) => (line.trim() === '' ? [] : parseSequence(line, `${path}:${i + 1}`)));
  if (named !== null) return { sequences, path: named, why: 'its first line' };
  return { sequences, ...pathByName(path) };
}

/** On which path a file was recorded, as far as its name tells. */
export function pathByName(file: string): Pick<Recording, 'path' | 'why'> {
  const byName = NAME_PATHS.find(([prefix]) => basename(file).startsWith(prefix));
  return byName === undefined ? { path: null, why: '' } : { path: byName[1], why: `its name, ${byName[0]}*` };
}

/** All sequences of a file. */
export function readRecording(path: string): readonly Sequence[] {
  return readRecordingFile(path).sequences;
}

/** The path that a line names, null when it is another kind of line. */
function pathLine(line: string, where: string): PathName | null {
  const { path, ...rest } = (parseLine(line, where) ?? {}) as { path?: unknown };
  if (path === undefined || Object.keys(rest).length > 0) return null;
  const known = PATH_NAMES.find((name) => name === path);
  if (known === undefined) throw new Error(`${where}: no path '${path}'; they are ${PATH_NAMES.join(', ')}`);
  return known;
}

function textOf(path: string): string {
  try {
    const raw = readFileSync(path);
    return (raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw).toString('utf8');
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

/** The family of a sequence: `mix` of `mix-17`. */
export function familyOf(sequence: Sequence): string {
  return sequence.seq.replace(/-[^-]*$/, '');
}

function parseSequence(line: string, where: string): Sequence {
  const found = parseLine(line, where);
  if (!isSequence(found)) throw new Error(`${where}: not a recorded sequence`);
  return found;
}

function parseLine(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error(`${where}: not JSON`);
  }
}

function isSequence(value: unknown): value is Sequence {
  const { seq, steps } = (value ?? {}) as { seq?: unknown; steps?: unknown };
  return (
    typeof seq === 'string' && Array.isArray(steps) && steps.every((step) => Array.isArray(step) && step.length === 2)
  );
}
