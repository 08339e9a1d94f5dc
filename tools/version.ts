import { readFileSync } from 'node:fs';

/** The package's version. Its own file is two folders up from dist/tools and one up from tools. */
export function packageVersion(): string {
  for (const up of ['../../package.json', '../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'));
      if (found.name === 'dmirror') return found.version;
    } catch {
      // Not here; the other place has it.
    }
  }
  return 'unknown';
}
