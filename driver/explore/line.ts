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

/** Makes lines, in room of its own. */
export class LineWriter {
  private nextOf = new Int32Array(256);
  private readonly head = new Int32Array(MAX_ACTORS);
  private readonly done = new Int32Array(MAX_ACTORS);
  private events = new Int32Array(256);

  /** Of the order of all events so far; null when `best` comes before it. `wakesOf` answers the choices of an event's step. */
  line(
    order: HappensBefore,
    ids: readonly number[],
    { wakesOf, best }: { wakesOf(event: number): readonly number[]; best: Line | null },
  ): Line | null {
    const switches = this.sort(order, ids, best?.switches ?? Number.POSITIVE_INFINITY);
    if (switches < 0) return null;
    const events = Array.from(this.events.subarray(0, order.events));
    const actors = events.map((event) => ids[order.actorOf[event]!]!);
    const line = { switches, actors, wakes: events.flatMap(wakesOf) };
    return best === null || compareLines(line, best) < 0 ? line : null;
  }

  /** Puts the events in their line, and answers how often another task goes on; -1 as soon as that is more than `most`. */
  private sort(order: HappensBefore, ids: readonly number[], most: number): number {
    this.begin(order, ids.length);
    let switches = 0;
    let current = -1;
    for (let n = 0; n < order.events; n++) {
      if (current < 0 || !this.isReady(order, current, ids.length)) {
        if (current >= 0 && ++switches > most) return -1;
        current = this.firstReady(order, ids);
      }
      const event = this.head[current]!;
      this.head[current] = this.nextOf[event]!;
      this.done[current] = event + 1;
      this.events[n] = event;
    }
    return switches;
  }

  private begin(order: HappensBefore, actors: number): void {
    while (this.nextOf.length < order.events) {
      this.nextOf = new Int32Array(2 * this.nextOf.length);
      this.events = new Int32Array(2 * this.events.length);
    }
    this.head.fill(-1, 0, actors);
    this.done.fill(0, 0, actors);
    for (let event = order.events - 1; event >= 0; event--) {
      const actor = order.actorOf[event]!;
      this.nextOf[event] = this.head[actor]!;
      this.head[actor] = event;
    }
  }

  private isReady(order: HappensBefore, actor: number, actors: number): boolean {
    const event = this.head[actor]!;
    if (event < 0) return false;
    const clock = event * MAX_ACTORS;
    for (let other = 0; other < actors; other++)
      if (other !== actor && order.clocks[clock + other]! > this.done[other]!) return false;
    return true;
  }

  private firstReady(order: HappensBefore, ids: readonly number[]): number {
    let first = -1;
    for (let actor = 0; actor < ids.length; actor++)
      if ((first < 0 || ids[actor]! < ids[first]!) && this.isReady(order, actor, ids.length)) first = actor;
    return first;
  }
}

/** Below 0: `a` comes first. */
export function compareLines(a: Line, b: Line): number {
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
