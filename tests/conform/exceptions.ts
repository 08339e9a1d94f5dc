// Recorded sequences whose answers hang on timing inside the real kernel, so that no model can be right about them.

import type { Sequence } from './recording.js';

export interface Exception {
  /** The sequence, and the index of the op from which on it is not compared. */
  readonly seq: string;
  readonly at: number;
  /** What the timing decides. */
  readonly why: string;
  /** The lines of Linux 6.12 that prove it, as `mm/swap.c:folio_add_lru() lines 510-520`. */
  readonly source: readonly string[];
}

export const MAX_EXCEPTIONS = 5;

/** None so far: every recorded answer follows from the state that the ops before it made. */
export const EXCEPTIONS: readonly Exception[] = [];

/** The sequence up to where an exception begins. */
export function comparedPart(sequence: Sequence): Sequence {
  const found = EXCEPTIONS.find(({ seq }) => seq === sequence.seq);
  return found === undefined ? sequence : { ...sequence, steps: sequence.steps.slice(0, found.at) };
}
