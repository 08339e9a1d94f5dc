import { litmusLibrary } from '../../tests/litmus/library.js';
import { UsageError } from '../exit-code.js';
import { globToRegExp } from '../glob.js';
import { didYouMean } from '../nearest.js';
import { shipped } from '../package-root.js';
import { type Litmus, readLitmusFile } from './litmus-file.js';

let all: ReadonlyMap<string, Litmus> | undefined;

/** Every test of the package by name: those that a real kernel ran, and the library. */
function shippedTests(): ReadonlyMap<string, Litmus> {
  const library = (): Litmus[] => litmusLibrary().map((test) => ({ ...test, recorded: null }));
  all ??= new Map(
    [...library(), ...readLitmusFile(shipped('tests/litmus/recorded.jsonl'))].map(({ file: _, ...test }) => [
      test.name,
      test,
    ]),
  );
  return all;
}

export function shippedNames(): string[] {
  return [...shippedTests().keys()];
}

export function shippedTest(name: string): Litmus {
  const test = shippedTests().get(name);
  if (test === undefined)
    throw new UsageError(
      `no litmus test is named '${name}'${didYouMean(name, shippedNames())}`,
      'give a file, or a name that `dmirror explore --list` prints',
    );
  return test;
}

/** Does a word name a file of JSON lines? */
export function isLinesFile(word: string): boolean {
  return /\.jsonl(\.gz)?$/.test(word);
}

/** The tests that files, names and patterns of names mean; all that are shipped without any. */
export function namedTests(words: readonly string[]): Litmus[] {
  if (words.length === 0) return [...shippedTests().values()];
  return words.flatMap((word) => {
    if (isLinesFile(word) || /\.ya?ml$/.test(word)) return readLitmusFile(word);
    if (!/[*?]/.test(word)) return [shippedTest(word)];
    const pattern = globToRegExp(word);
    const found = [...shippedTests().values()].filter(({ name }) => pattern.test(name));
    if (found.length === 0)
      throw new UsageError(`no litmus test matches '${word}'`, '`dmirror explore --list` prints the names');
    return found;
  });
}
