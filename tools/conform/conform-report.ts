import type { Divergence } from '../../tests/conform/replay.js';
import type { PathName } from '../../uapi/path-name.js';
import { shellQuote } from '../glob.js';
import type { CaseResult } from '../report/runner.js';
import type { SequenceResult } from './conform-worker.js';

const SHOWN_STEPS = 30;
const SHOWN_CHARACTERS = 400;
const SHOWN_ANSWER = 4000;

export interface Summary {
  readonly sequences: number;
  readonly ops: number;
  readonly divergences: number;
  /** Where there are several: all, joined by commas. */
  readonly path: string;
}

/** The command that replays one sequence again and prints everything that the machine does in it. */
export function rerunCommand(file: string, seq: string, path: PathName): string {
  return `npx --no-install dmirror conform ${shellQuote(file)} --seq ${shellQuote(seq)} --path ${path} --trace`;
}

/** A divergence as lines for a reader. */
export function divergenceText(found: Divergence, rerun: string): string[] {
  const { seq, at, op, expected, actual, before, state } = found;
  const left = before.length - SHOWN_STEPS;
  return [
    `--- ${seq} op ${at + 1}`,
    ...(left > 0 ? [`    (${left} ops before)`] : []),
    ...before.slice(-SHOWN_STEPS).map(([line, answer]) => shorten(`    ${line} => ${answer}`)),
    `  ! ${op}`,
    shorten(`    kernel:  ${expected}`, SHOWN_ANSWER),
    shorten(`    dmirror: ${actual}`, SHOWN_ANSWER),
    ...state.split('\n').map((line) => `      ${line}`),
    `  rerun: ${rerun}`,
  ];
}

export function summaryText({ sequences, ops, divergences, path }: Summary): string {
  return `${sequences} sequences, ${ops} ops replayed, ${divergences} divergences (path ${path})`;
}

/** The same in one line. */
export function divergenceMessage({ op, expected, actual }: Divergence): string {
  return `${op}: the kernel answers ${shorten(expected)}, dmirror ${shorten(actual)}`;
}

/** The results in the form that the JUnit writer knows; a sequence is a case, its family the suite. */
export function asCases(results: readonly SequenceResult[]): CaseResult[] {
  return results.map(({ seq, divergence, file, path, ms }) => {
    const suite = seq.replace(/-[^-]*$/, '');
    const base = { name: `conform.${suite}.${seq}`, suite, path, ms };
    if (divergence === null) return { ...base, status: 'pass' };
    return {
      ...base,
      status: 'fail',
      message: divergenceMessage(divergence),
      diagnostics: divergenceText(divergence, rerunCommand(file, seq, path)),
    };
  });
}

export function shorten(line: string, limit = SHOWN_CHARACTERS): string {
  return line.length <= limit ? line : `${line.slice(0, limit)}... (${line.length} characters)`;
}
