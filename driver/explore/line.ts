import type { Strategy } from './director.js';
import { type HappensBefore, MAX_ACTORS } from './happens-before.js';

/**
 * The one schedule that stands for all with its partial order: each task goes on as long as what it needs has happened, then the first
 * one by id. So it does not depend on which of them ran.
 */
export interface Line {
  readonly switches: number;
  /** Whose step, by id; what its wake-ups chose, all steps together. */
  readonly actors: readonly number[];
  readonly wakes: readonly number[];
}

/** Of the order of all events so far; null when `best` is smaller. `wakesOf` answers the choices of an event's step. */
export function lineOf(
  order: HappensBefore,
  ids: readonly number[],
  { wakesOf, best }: { wakesOf(event: number): readonly number[]; best: Line | null },
): Line | null {
  const eventsOf = ids.map((): number[] => []);
  for (let event = 0; event < order.events; event++) eventsOf[order.actorOf[event]!]!.push(event);
  const byId = ids.map((_, actor) => actor).sort((a, b) => ids[a]! - ids[b]!);
  const done = new Int32Array(MAX_ACTORS);
  const doneOf = ids.map(() => 0);
  const line = { switches: 0, actors: [] as number[], wakes: [] as number[] };
  const isReady = (actor: number): boolean => {
    const event = eventsOf[actor]![doneOf[actor]!];
    if (event === undefined) return false;
    const clock = event * MAX_ACTORS;
    return ids.every((_, other) => other === actor || order.clocks[clock + other]! <= done[other]!);
  };
  let current = -1;
  for (let left = order.events; left > 0; left--) {
    if (current < 0 || !isReady(current)) {
      if (current >= 0 && ++line.switches > (best?.switches ?? Number.POSITIVE_INFINITY)) return null;
      current = byId.find(isReady)!;
    }
    const event = eventsOf[current]![doneOf[current]!++]!;
    done[current] = event + 1;
    line.actors.push(ids[current]!);
    line.wakes.push(...wakesOf(event));
  }
  return best === null || compare(line, best) < 0 ? line : null;
}

function compare(a: Line, b: Line): number {
  return a.switches - b.switches || compareLists(a.actors, b.actors) || compareLists(a.wakes, b.wakes);
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** Runs a line, so that it can be written down as choices. */
export class LineStrategy implements Strategy {
  readonly verdict = 'budget';
  /** Somebody could not run whose turn it was: the order of steps that were taken for independent matters. */
  isBroken = false;
  private step = 0;
  private wakesDone = 0;
  private isDone = false;

  constructor(private readonly written: Line) {}

  begins(): boolean {
    if (this.isDone) return false;
    this.isDone = true;
    return true;
  }

  pick(actors: readonly number[]): number {
    const place = actors.indexOf(this.written.actors[this.step++] ?? actors[0]!);
    if (place < 0) this.isBroken = true;
    return Math.max(0, place);
  }

  wake(): number {
    return this.written.wakes[this.wakesDone++] ?? 0;
  }
}
