/** A bug of ours, never of the emulated program: carries what is needed to see it again and never turns into an errno. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Stops the run when `condition` does not hold. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
