import type { Strategy } from './director.js';

/** The one schedule that was written down: its choices, and the default from there on. */
export class ReplayStrategy implements Strategy {
  readonly verdict = 'budget';
  private at = 0;
  private isDone = false;

  constructor(private readonly choices: readonly number[]) {}

  begins(): boolean {
    if (this.isDone) return false;
    this.isDone = true;
    return true;
  }

  pick(actors: readonly number[]): number {
    return actors.length === 1 ? 0 : this.next(actors.length);
  }

  wake(actors: readonly number[]): number {
    return this.next(actors.length);
  }

  /** Where the schedule has fewer alternatives than were written down, it is another one by now: the default. */
  private next(alternatives: number): number {
    const choice = this.choices[this.at++] ?? 0;
    return choice < alternatives ? choice : 0;
  }
}
