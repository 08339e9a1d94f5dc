/** A bug of ours, never of the emulated program: carries what is needed to see it again and never turns into an errno. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Stops the run when `condition` does not hold. A `%` stands for an operand, so that no text is made of what does hold. */
export function assert(
  condition: boolean,
  message: string,
  first: unknown = '',
  second: unknown = '',
): asserts condition {
  if (!condition) fail(message, [first, second]);
}

/** Apart from what asks, so that this is small enough to be compiled into its callers. */
function fail(message: string, operands: unknown[]): never {
  throw new AssertionError(message.replace(/%/g, () => String(operands.shift())));
}
