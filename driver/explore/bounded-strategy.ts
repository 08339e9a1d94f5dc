import type { Strategy, Verdict } from './director.js';

interface Choice {
  readonly alternatives: number;
  chosen: number;
}

/**
 * Depth first through every schedule with no preemption, then with one at most, and so on; without a bound through every schedule
 * there is. See Musuvathi and Qadeer, Iterative Context Bounding, 2007.
 */
export class BoundedStrategy implements Strategy {
  /** Some schedule was left out for the bound. */
  private hasLeftOut = false;
  private bound: number;
  private readonly choices: Choice[] = [];
  private at = 0;
  private preemptions = 0;
  private current = -1;
  private isFirst = true;

  constructor(private readonly last = Number.POSITIVE_INFINITY) {
    this.bound = last === Number.POSITIVE_INFINITY ? last : 0;
  }

  get verdict(): Verdict {
    return this.hasLeftOut ? 'bound' : 'complete';
  }

  begins(): boolean {
    if (!this.isFirst && !this.backtrack() && !this.widens()) return false;
    this.isFirst = false;
    this.at = 0;
    this.preemptions = 0;
    this.current = -1;
    return true;
  }

  pick(actors: readonly number[]): number {
    const isPreemptive = actors[0] === this.current;
    const place = actors.length === 1 ? 0 : this.choose(actors.length, isPreemptive);
    if (isPreemptive && place > 0) this.preemptions++;
    this.current = actors[place]!;
    return place;
  }

  wake(actors: readonly number[]): number {
    return this.choose(actors.length, false);
  }

  private widens(): boolean {
    if (!this.hasLeftOut || this.bound === this.last) return false;
    this.hasLeftOut = false;
    this.bound++;
    return true;
  }

  private choose(all: number, isPreemptive: boolean): number {
    const { choices, at } = this;
    this.at++;
    if (at < choices.length) return choices[at]!.chosen;
    const isBound = isPreemptive && this.preemptions >= this.bound;
    if (isBound) this.hasLeftOut = true;
    choices.push({ alternatives: isBound ? 1 : all, chosen: 0 });
    return 0;
  }

  private backtrack(): boolean {
    const { choices } = this;
    for (let last = choices.at(-1); last !== undefined; last = choices.at(-1)) {
      if (++last.chosen < last.alternatives) return true;
      choices.pop();
    }
    return false;
  }
}
