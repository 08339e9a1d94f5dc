import type { Recorded } from './litmus-file.js';
import { withoutLastRead } from './litmus-outcome.js';

export interface MissingOutcome {
  readonly outcome: string;
  /** How often the real kernel showed it. */
  readonly count: number;
  /** Of what was reached, what differs from it least. */
  readonly nearest: string;
}

/** Outcomes of the real kernel that are not among those that were reached. */
export function missingOf({ outcomes, staleRead }: Recorded, reached: ReadonlyMap<string, number>): MissingOutcome[] {
  const names = [...reached.keys()];
  const known = new Set([...names, ...names.map(withoutLastRead)]);
  const key = (outcome: string): string => (staleRead.has(outcome) ? withoutLastRead(outcome) : outcome);
  return [...outcomes]
    .filter(([outcome]) => !known.has(key(outcome)))
    .map(([outcome, count]) => ({ outcome, count, nearest: nearestOutcome(outcome, names) }));
}

/** The outcome with the most answers in common. */
function nearestOutcome(outcome: string, reached: readonly string[]): string {
  const answers = answersOf(outcome);
  let nearest = 'nothing';
  let most = -1;
  for (const other of reached) {
    const same = answersOf(other).filter((answer, i) => answer === answers[i]).length;
    if (same <= most) continue;
    most = same;
    nearest = other;
  }
  return nearest;
}

function answersOf(outcome: string): string[] {
  return outcome.split(/; | \| | => /);
}
