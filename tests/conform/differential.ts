// One generated sequence on two configurations of ours: every answer and the final page tables must be the same.

import type { Family } from './families.js';
import { generate } from './generate.js';
import type { Sequence } from './recording.js';
import { FAILED, type Replayer } from './replay.js';

/** Null when both agree and no machine failed; else what was seen, with the ops up to there. */
export function compare(family: Family, seed: number, [one, other]: readonly [Replayer, Replayer]): string | null {
  const seq = `${family}-${seed}`;
  const lines = generate(family, seed);
  const first = one.record(seq, lines);
  const failed = first.sequence.steps.findIndex(([, answer]) => answer.startsWith(FAILED));
  if (failed >= 0 && hangsInLinux(first.sequence.steps[failed]![1])) return null;
  if (failed >= 0) return report(first.sequence, failed, [first.sequence.steps[failed]![1]]);
  const second = other.record(seq, lines);
  const at = first.sequence.steps.findIndex(([, answer], i) => answer !== second.sequence.steps[i]![1]);
  if (at >= 0) return report(first.sequence, at, [first.sequence.steps[at]![1], second.sequence.steps[at]![1]]);
  if (first.state === second.state) return null;
  return report(first.sequence, lines.length, [first.state, second.state]);
}

/** RELEASE waits for pages that a device-exclusive entry or a pin keeps in use (Q13): alone, nobody ends that. */
function hangsInLinux(answer: string): boolean {
  return answer.includes('deadlock') && answer.includes('waits for the pages of a device chunk');
}

function report({ seq, steps }: Sequence, at: number, seen: readonly string[]): string {
  const before = steps.slice(0, at).map(([op, answer]) => `  ${op} => ${answer.slice(0, 120)}`);
  return [`sequence ${seq}, step ${at}:`, ...before, `! ${steps[at]?.[0] ?? 'final page tables'}`, ...seen].join('\n');
}
