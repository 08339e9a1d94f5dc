import { Prng } from '../core/prng.js';
import type { Strategy } from './director.js';

/** The chance to keep a task is drawn for each schedule: from an even draw to one switch in some 128 steps. */
const DRAWN_KEEPS = 8;

/** So many schedules, each drawn: a fair coin a step would never let one call finish first, which real machines do most of the time. */
export class RandomStrategy implements Strategy {
  readonly verdict = 'budget';
  private readonly prng: Prng;
  private done = 0;
  private keeps = 0;

  constructor(
    seed: number,
    private readonly schedules: number,
  ) {
    this.prng = new Prng(seed);
  }

  begins(): boolean {
    if (this.done === this.schedules) return false;
    this.done++;
    this.keeps = 1 - 2 ** -this.prng.below(DRAWN_KEEPS);
    return true;
  }

  pick(actors: readonly number[]): number {
    if (actors.length === 1 || this.prng.nextU32() < this.keeps * 2 ** 32) return 0;
    return this.prng.below(actors.length);
  }

  wake(actors: readonly number[]): number {
    return this.prng.below(actors.length);
  }
}
