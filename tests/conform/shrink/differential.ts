// One sequence on two configurations of ours: every answer and the final page tables must be the same.

import type { Family } from '../families.js';
import { generate } from '../generate.js';
import type { Sequence } from '../recording.js';
import { FAILED, type Replayer } from '../replay.js';

/** Where two configurations differ. */
export interface Difference {
  /** Index of the op; the number of ops when only the final page tables differ. */
  readonly at: number;
  /** The answers, or page tables, of both. */
  readonly seen: readonly [string, string];
}

/** Null when both agree and no machine failed; else what was seen, with the ops up to there. */
export function compare(family: Family, seed: number, pair: readonly [Replayer, Replayer]): string | null {
  const { difference, sequence } = runBoth(`${family}-${seed}`, generate(family, seed), pair);
  if (difference !== null) return report(sequence, difference.at, difference.seen);
  // Both fail alike: that is no difference, but only a hang that Linux has too is no fault.
  const failed = sequence.steps.findIndex(([, answer]) => answer.startsWith(FAILED));
  if (failed < 0 || hangsInLinux(sequence.steps[failed]![1])) return null;
  return report(sequence, failed, [sequence.steps[failed]![1]]);
}

/** The first answer that differs, or the final page tables. Where both machines fail at the same op, nothing more counts. */
export function runBoth(
  seq: string,
  lines: readonly string[],
  [one, other]: readonly [Replayer, Replayer],
): { difference: Difference | null; sequence: Sequence } {
  const first = one.record(seq, lines);
  const second = other.record(seq, lines);
  const { sequence } = first;
  for (let at = 0; at < lines.length; at++) {
    const seen = [sequence.steps[at]![1], second.sequence.steps[at]![1]] as const;
    if (seen.every((answer) => answer.startsWith(FAILED))) return { difference: null, sequence };
    if (seen[0] !== seen[1]) return { difference: { at, seen }, sequence };
  }
  if (first.state === second.state) return { difference: null, sequence };
  return { difference: { at: lines.length, seen: [first.state, second.state] }, sequence };
}

/** RELEASE waits for pages that a device-exclusive entry or a pin keeps in use (Q13): alone, nobody ends that. */
function hangsInLinux(answer: string): boolean {
  return answer.includes('deadlock') && answer.includes('waits for the pages of a device chunk');
}

function report({ seq, steps }: Sequence, at: number, seen: readonly string[]): string {
  const before = steps.slice(0, at).map(([op, answer]) => `  ${op} => ${answer.slice(0, 120)}`);
  return [`sequence ${seq}, step ${at}:`, ...before, `! ${steps[at]?.[0] ?? 'final page tables'}`, ...seen].join('\n');
}
