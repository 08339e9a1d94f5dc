import type { Effect } from '../core/effect.js';
import type { Footprints } from '../core/footprint.js';
import { type HappensBefore, MAX_ACTORS } from './happens-before.js';

/** Steps of one turn of a loop at most. */
const LONGEST_TURN = 64;
/** Two turns at least are the same, and more where turns are short: code that is no loop may do a small thing again. */
const SAME_STEPS = 24;

/**
 * Who goes round in a loop without getting on: turns touched the same in the same way, and nothing that others did came between. A
 * further turn would come to the same until somebody changes something of it, so such a task waits for that.
 */
export class Spins {
  private readonly points: (Effect | null)[] = [];
  /** By actor: the steps of its last turn, while it spins. */
  private readonly turns: number[][] = Array.from({ length: MAX_ACTORS }, () => []);

  constructor(
    private readonly order: HappensBefore,
    private readonly footprints: Footprints,
  ) {}

  /** Mask of those who spin after the last event, which ended at `point` as the `steps`th of its call; `before` spun before it. */
  after(before: number, point: Effect | null, steps: number): number {
    const event = this.order.events - 1;
    this.points[event] = point;
    let spinning = 0;
    for (let actor = 0; before >>> actor !== 0; actor++) {
      const isOn =
        ((before >>> actor) & 1) === 1 && !this.turns[actor]!.some((e) => this.footprints.conflict(e, event));
      if (isOn) spinning |= 1 << actor;
    }
    const actor = this.order.actorOf[event]!;
    const turn = point?.kind === 'preempt' ? this.turn(event, steps) : [];
    if (turn.length === 0) return spinning & ~(1 << actor);
    this.turns[actor] = turn;
    return spinning | (1 << actor);
  }

  /** The steps of the turn that ends with `event` and is the same as the one before; none when there is no such. */
  private turn(event: number, steps: number): number[] {
    const { order, points } = this;
    const turn = [event];
    let last = order.previousOf(event);
    while (last >= 0 && points[last] !== points[event] && turn.length < LONGEST_TURN) {
      turn.push(last);
      last = order.previousOf(last);
    }
    if (last < 0 || points[last] !== points[event]) return [];
    const same = Math.max(turn.length, SAME_STEPS - turn.length);
    if (turn.length + same >= steps || turn.every((e) => this.footprints.rowsOf(e).length === 0)) return [];
    for (let i = 0, e = event; i < same; i++) {
      if (points[last] !== points[e] || !this.footprints.areSame(e, last)) return [];
      last = order.previousOf(last);
      e = order.previousOf(e);
      if (last < 0) return [];
    }
    return order.isUndisturbed(last, event) ? turn : [];
  }
}
