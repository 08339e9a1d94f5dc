import { existsSync } from 'node:fs';
import { readRecording, type Sequence } from '../tests/conform/recording.js';
import { type Divergence, Replayer } from '../tests/conform/replay.js';
import type { PathName } from '../tests/selftests/case.js';
import { EXIT, UsageError } from './exit-code.js';
import type { Output } from './selftest.js';

export interface ConformOptions {
  readonly path: PathName;
  /** Only sequences of these names; empty: all. */
  readonly seq: readonly string[];
  readonly invariants: boolean;
}

const SHOWN_STEPS = 30;
const SHOWN_CHARACTERS = 400;

/** Replays recordings and prints the first divergence of each sequence that has one. The exit status. */
export async function conform(files: readonly string[], options: ConformOptions, { out }: Output): Promise<number> {
  const sequences = load(files, options.seq);
  const replayer = new Replayer({ path: options.path, checkInvariants: options.invariants });
  let divergences = 0;
  let steps = 0;
  for (const sequence of sequences) {
    const found = replayer.replay(sequence);
    steps += found === null ? sequence.steps.length : found.at + 1;
    if (found === null) continue;
    divergences++;
    for (const line of describe(found)) out(line);
  }
  out(`${sequences.length} sequences, ${steps} ops replayed, ${divergences} divergences (path ${options.path})`);
  return divergences === 0 ? EXIT.pass : EXIT.fail;
}

function load(files: readonly string[], names: readonly string[]): Sequence[] {
  const missing = files.find((file) => !existsSync(file));
  if (missing !== undefined) throw new UsageError(`no such file: ${missing}`, 'Give files of recordings.');
  const all = files.flatMap((file) => readRecording(file));
  const chosen = names.length === 0 ? all : all.filter(({ seq }) => names.includes(seq));
  if (chosen.length === 0) throw new UsageError('no sequence has this name', 'Sequences are named like mix-17.');
  return chosen;
}

function describe({ seq, at, op, expected, actual, before, state }: Divergence): string[] {
  return [
    `--- ${seq} step ${at}`,
    ...before.slice(-SHOWN_STEPS).map(([line, answer]) => short(`    ${line} => ${answer}`)),
    `  ! ${op}`,
    short(`    kernel:  ${expected}`),
    short(`    dmirror: ${actual}`, 4000),
    ...state.split('\n').map((line) => `      ${line}`),
  ];
}

function short(line: string, limit = SHOWN_CHARACTERS): string {
  return line.length <= limit ? line : `${line.slice(0, limit)}... (${line.length} characters)`;
}
