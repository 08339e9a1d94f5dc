import type { Strategy } from './director.js';

/** The one schedule that was written down: its choices, and the default from there on. */
export class ReplayStrategy implements Strategy {
  readonly verdict = 'budget';
  /** How the race differs from the one whose schedule was written down; null while it does not. */
  misfit: string | null = null;
  private at = 0;
  private isDone = false;

  constructor(private readonly choices: readonly number[]) {}

  begins(): boolean {
    if (!this.isDone) {
      this.isDone = true;
      return true;
    }
    const { at } = this;
    if (at < this.choices.length)
      this.misfit ??= `it has ${this.choices.length} choices, and the race ends after ${at}`;
    return false;
  }

  pick(actors: readonly number[]): number {
    return actors.length === 1 ? 0 : this.next(actors.length);
  }

  wake(actors: readonly number[]): number {
    return this.next(actors.length);
  }

  private next(alternatives: number): number {
    const choice = this.choices[this.at++] ?? 0;
    if (choice < alternatives) return choice;
    this.misfit ??= `choice ${this.at} is ${choice}, and there are only 0 to ${alternatives - 1}`;
    return 0;
  }
}
