import type { Machine } from '../sys/machine/machine.js';

/**
 * A small concurrent test, as the engine sees it. The machine is at rest and set up when it is handed over; before each schedule the
 * engine goes back to that state.
 */
export interface Race {
  readonly machine: Machine;
  /** Puts one task a thread to work; nothing runs yet. Called before each schedule, so it keeps nothing of the last one. */
  start(): void;
  /** What the schedule came to, asked when all tasks have ended; may make calls. */
  outcome(): string;
  /** Throws when what the schedule left behind is wrong in a way that only the test knows. */
  check?(outcome: string): void;
}
