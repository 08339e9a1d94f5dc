/** What the command's exit status means; the same numbers in every subcommand. */
export const EXIT = {
  pass: 0,
  fail: 1,
  usage: 2,
  /** kselftest's own number for "nothing ran, everything skipped". */
  skip: 4,
  /** Ended by a signal: this and its number. */
  signal: 128,
  /** The reader of our output went away: what a shell shows for SIGPIPE. */
  pipe: 141,
} as const;

/** A mistake in how the command was called: what was given and the way out. Ends the command with status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';

  constructor(
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}
