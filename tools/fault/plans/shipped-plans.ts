import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { UsageError } from '../../exit-code.js';
import { didYouMean } from '../../nearest.js';
import { shippedFiles } from '../../package-root.js';

const SUFFIX = '.yaml';

/** The file of a plan: `word` itself, or the plan of that name which the package ships where it has neither slash nor dot. */
export function planFile(word: string): string {
  if (/[./\\]/.test(word) || existsSync(word)) return word;
  const files = shippedFiles('tests/faults/plans', SUFFIX);
  const nameOf = (file: string): string => basename(file, SUFFIX);
  const found = files.find((file) => nameOf(file) === word);
  if (found !== undefined) return found;
  throw new UsageError(
    `no shipped plan is named '${word}'${didYouMean(word, files.map(nameOf))}`,
    'docs/fault-injection.md lists them; or name the file of a plan',
  );
}
