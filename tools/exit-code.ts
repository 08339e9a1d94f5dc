import { readFileSync } from 'node:fs';

/** What the command's exit status means; the same numbers in every subcommand. */
export const EXIT = {
  pass: 0,
  fail: 1,
  usage: 2,
  /** A file or stdout that the results should go to can't be written, or --max-memory ended it. */
  output: 3,
  /** kselftest's own number for "nothing ran, everything skipped". */
  skip: 4,
  /** A bound or a budget ended an exploration before it was complete, with nothing found. */
  incomplete: 5,
  /** A signal with number n ends the command with 128 + n, as a shell shows it. */
  signal: 128,
  /** The reader of our output went away: what a shell shows for SIGPIPE. */
  pipe: 141,
} as const;

/** The rows of the one table of exit statuses: README has it, and each `--help` the rows that can occur there. */
export const EXIT_MEANING: Readonly<Record<keyof typeof EXIT, readonly [status: string, meaning: string]>> = {
  pass: ['0', 'all is well'],
  fail: ['1', 'a test failed, an answer differs, something was found'],
  usage: ['2', 'wrong usage, or an input that can not be used'],
  output: ['3', 'an output can not be written, or --max-memory ended it'],
  skip: ['4', 'everything was skipped'],
  incomplete: ['5', 'a bound or the budget ended it first, with nothing found'],
  signal: ['128 + n', 'ended by signal n; what was done by then is printed'],
  pipe: ['141', "stdout's reader went away"],
};

/** The end of a command's help: what its exit status can be, with the command's own words for it where that says more; null: it never is. */
export function exitHelp(own: Partial<Record<keyof typeof EXIT, string | null>> = {}): string {
  const words = { pass: '', usage: '', output: '', signal: '', pipe: '', ...own };
  const rows = Object.entries(EXIT_MEANING)
    .map(([name, [status, meaning]]) => ({ status, meaning, word: words[name as keyof typeof EXIT] }))
    .filter(({ word }) => word !== undefined && word !== null)
    .map(({ status, meaning, word }) => `  ${status.padEnd(8)} ${word || meaning}`);
  return `\nExit status:\n${rows.join('\n')}`;
}

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

/** A place for results that can't be written, and why. Ends the command with status 3. */
export class OutputError extends Error {
  override readonly name = 'OutputError';

  constructor(place: string, error: unknown) {
    super(`${place} cannot be written: ${reasonOf(error)}`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'what should be its folder is a file',
  EEXIST: 'what should be its folder is a file',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EROFS: 'the file system is read only',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is too large',
  ENAMETOOLONG: 'the name is too long',
};

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS[code ?? ''] ?? message ?? String(error);
}

/** The bytes of a file that the user named; `hint` says what it should have been. Throws UsageError. */
export function inputBytes(path: string | 0, hint: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new UsageError(
      `${path === 0 ? 'standard input' : path || "''"} can't be read: ${isMissing ? 'it does not exist' : reasonOf(error)}`,
      hint,
    );
  }
}
