import type { Recording } from '../../driver/recording/index.js';

/** Tasks as people call them: A makes the first step, B is the next that makes one. */
export class TaskLetters {
  private readonly byId = new Map<number, string>();

  constructor(private readonly recording: Recording) {
    for (let step = 1; step <= recording.steps; step++) {
      const id = recording.taskId(step);
      if (!this.byId.has(id)) this.byId.set(id, letterOf(this.byId.size));
    }
  }

  /** Ids in the order of letters. */
  get ids(): number[] {
    return [...this.byId.keys()];
  }

  of(id: number): string {
    return this.byId.get(id) ?? `task ${id}`;
  }

  ofStep(step: number): string {
    return this.of(this.recording.taskId(step));
  }

  /** `A (1/2)`: with process and thread. */
  withName(id: number): string {
    return `${this.of(id)} (${this.recording.names.get(id) ?? '?'})`;
  }

  /** The task that a letter, or `PROCESS/THREAD`, means; null for none. */
  find(word: string): number | null {
    for (const [id, letter] of this.byId)
      if (letter === word.toUpperCase() || this.recording.names.get(id) === word) return id;
    return null;
  }
}

const LETTERS = 26;

/** A to Z, then A1 and so on. */
function letterOf(n: number): string {
  return String.fromCharCode(65 + (n % LETTERS)) + (n < LETTERS ? '' : String(Math.floor(n / LETTERS)));
}
