import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Lines that are kept. */
export const HISTORY_LINES = 1000;

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the commands of former sessions stand, as the XDG base directories have it. */
export function historyFile({ XDG_STATE_HOME }: Environment = process.env): string {
  return join(XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'dmirror', 'debug_history');
}

/** Lines of former sessions, the newest first, as readline has them; none where there is no file to be read. */
export function readHistory(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean).reverse();
  } catch {
    return [];
  }
}

/** For the next session. Where there is no place to write to, the prompt does as well without. */
export function writeHistory(file: string, newestFirst: readonly string[]): void {
  const lines = newestFirst.slice(0, HISTORY_LINES).reverse();
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  } catch {
    // As above.
  }
}
