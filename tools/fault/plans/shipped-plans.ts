import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { UsageError } from '../../exit-code.js';
import { didYouMean } from '../../nearest.js';
import { shippedFiles } from '../../package-root.js';

const SUFFIX = '.yaml';

/** The file of a plan: `word` itself, or the plan of that name which the package ships where it has neither slash nor dot. */
export function planFile(word: string): string {
  if (/[./\\]/.test(word) || existsSync(word)) return word;
  const found = files().find((file) => nameOf(file) === word);
  if (found !== undefined) return found;
  throw new UsageError(
    `no shipped plan is named '${word}'${didYouMean(word, shippedPlans())}`,
    'docs/fault-injection.md lists them; or name the file of a plan',
  );
}

/** Names of the plans that the package ships. */
export function shippedPlans(): string[] {
  return files().map(nameOf);
}

function files(): string[] {
  return shippedFiles('tests/faults/plans', SUFFIX);
}

function nameOf(file: string): string {
  return basename(file, SUFFIX);
}
