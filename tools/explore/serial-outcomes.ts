import { Snapshot } from '../../driver/check/index.js';
import { asLinux } from './as-linux.js';
import type { LitmusRace } from './litmus-race.js';

/** What a race comes to when its ops run one after the other, in every order that keeps each thread's own. */
export function serialOutcomes(race: LitmusRace): Set<string> {
  const snapshot = new Snapshot(race.machine);
  const outcomes = new Set<string>();
  for (const order of serialOrders(race.test.threads.map((lines) => lines.length))) {
    snapshot.restore();
    outcomes.add(serialOutcome(race, order));
  }
  snapshot.restore();
  return outcomes;
}

function serialOutcome(race: LitmusRace, order: readonly number[]): string {
  try {
    return race.serial(order);
  } catch (error) {
    const name = asLinux(error instanceof Error ? error.message : String(error));
    if (name === null) throw error;
    return name;
  }
}

/** Every order of `counts[t]` ops of each thread t, as the thread of each step. */
function* serialOrders(counts: readonly number[]): Generator<number[]> {
  if (counts.every((count) => count === 0)) yield [];
  for (const [t, count] of counts.entries()) {
    if (count === 0) continue;
    const rest = counts.map((other, i) => (i === t ? other - 1 : other));
    for (const tail of serialOrders(rest)) yield [t, ...tail];
  }
}
