import { Prng } from '../core/prng.js';
import type { Strategy } from './director.js';

/**
 * Probabilistic concurrency testing: tasks have random priorities, the highest that can run goes on, and at `depth - 1` random steps
 * the one that runs falls below all others. A bug that needs `depth` ordered steps shows in one schedule with a chance of at least
 * 1/(n k^(depth-1)), for n tasks and k steps. See Burckhardt et al., A Randomized Scheduler with Probabilistic Guarantees, 2010.
 */
export class PctStrategy implements Strategy {
  readonly verdict = 'budget';
  /** Most tasks and steps of a schedule so far. */
  tasks = 1;
  steps = 1;
  private readonly prng: Prng;
  private readonly priorities = new Map<number, number>();
  private readonly changes = new Set<number>();
  private step = 0;
  private lowest = 0;
  private done = 0;

  private readonly depth: number;
  private readonly schedules: number;

  constructor(seed: number, { depth, schedules }: { depth: number; schedules: number }) {
    this.prng = new Prng(seed);
    this.depth = depth;
    this.schedules = schedules;
  }

  /** Of one schedule, to show a bug of that depth. */
  get guarantee(): number {
    return pctGuarantee(this.tasks, this.steps, this.depth);
  }

  begins(): boolean {
    if (this.done++ === this.schedules) return false;
    this.priorities.clear();
    this.changes.clear();
    while (this.changes.size < Math.min(this.depth - 1, this.steps)) this.changes.add(this.prng.below(this.steps));
    this.step = 0;
    this.lowest = 0;
    return true;
  }

  pick(actors: readonly number[]): number {
    for (const actor of actors) if (!this.priorities.has(actor)) this.priorities.set(actor, 1 + this.prng.nextU32());
    let place = this.highest(actors);
    if (this.changes.has(this.step)) {
      this.priorities.set(actors[place]!, --this.lowest);
      place = this.highest(actors);
    }
    this.step++;
    this.tasks = Math.max(this.tasks, this.priorities.size);
    this.steps = Math.max(this.steps, this.step);
    return place;
  }

  /** It only goes round in a loop: all others come first. */
  fallsBack(actor: number): void {
    this.priorities.set(actor, --this.lowest);
  }

  wake(actors: readonly number[]): number {
    return this.prng.below(actors.length);
  }

  private highest(actors: readonly number[]): number {
    let best = 0;
    for (let i = 1; i < actors.length; i++) {
      if (this.priorities.get(actors[i]!)! > this.priorities.get(actors[best]!)!) best = i;
    }
    return best;
  }
}

/** The chance of one schedule to show a bug that needs `depth` steps in one order. */
export function pctGuarantee(tasks: number, steps: number, depth: number): number {
  return 1 / (tasks * steps ** (depth - 1));
}
