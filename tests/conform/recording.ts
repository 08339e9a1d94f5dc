// Recordings of a real kernel: their format is in recordings/README.md.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** An op line, and what the real kernel answered. */
export type Step = readonly [op: string, answer: string];

/** One recorded sequence. */
export interface Sequence {
  /** `family-number`. */
  readonly seq: string;
  readonly steps: readonly Step[];
}

/** All sequences of a file, plain or gzip, one JSON object a line. Throws on what is not a recording. */
export function readRecording(path: string): Sequence[] {
  return textOf(path)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, i) => parseSequence(line, `${path}:${i + 1}`));
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
  let found: unknown;
  try {
    found = JSON.parse(line);
  } catch {
    throw new Error(`${where}: not JSON`);
  }
  if (!isSequence(found)) throw new Error(`${where}: not a recorded sequence`);
  return found;
}

function isSequence(value: unknown): value is Sequence {
  const { seq, steps } = (value ?? {}) as { seq?: unknown; steps?: unknown };
  return (
    typeof seq === 'string' && Array.isArray(steps) && steps.every((step) => Array.isArray(step) && step.length === 2)
  );
}
