// Recordings of a real kernel: their format is in recordings/README.md.

import { parsedLine, type RecordedLine, type RecordedPath, recordedLines } from './recorded-lines.js';

/** An op line, and what the real kernel answered. */
export type Step = readonly [op: string, answer: string];

/** One recorded sequence. */
export interface Sequence {
  /** `family-number`. */
  readonly seq: string;
  readonly steps: readonly Step[];
}

/** A file of them, and on which path the kernel ran that it was recorded from. */
export interface Recording extends RecordedPath {
  readonly sequences: readonly Sequence[];
}

/** Throws on what is not a recording. */
export function readRecordingFile(file: string, bytes?: Buffer): Recording {
  const { lines, ...path } = recordedLines(file, bytes);
  return { sequences: lines.map(parseSequence), ...path };
}

/** All sequences of a file. */
export function readRecording(file: string): readonly Sequence[] {
  return readRecordingFile(file).sequences;
}

/** The family of a sequence: `mix` of `mix-17`. */
export function familyOf(sequence: Sequence): string {
  return sequence.seq.replace(/-[^-]*$/, '');
}

function parseSequence(line: RecordedLine): Sequence {
  const found = parsedLine(line);
  if (!isSequence(found)) throw new Error(`${line.where}: not a recorded sequence`);
  return found;
}

function isSequence(value: unknown): value is Sequence {
  const { seq, steps } = (value ?? {}) as { seq?: unknown; steps?: unknown };
  return (
    typeof seq === 'string' && Array.isArray(steps) && steps.every((step) => Array.isArray(step) && step.length === 2)
  );
}
