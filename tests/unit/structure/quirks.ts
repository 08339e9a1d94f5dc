import { readFileSync } from 'node:fs';
import type { Finding, Tree } from './tree.js';

/** Numbers of quirks that the table of docs/quirks.md does not explain. */
export function checkQuirks(tree: Tree): Finding[] {
  const known = new Set(
    [...readFileSync('docs/quirks.md', 'utf8').matchAll(/^\| (Q\d+) \|/gm)].map(([, name]) => name!),
  );
  return tree.files.flatMap(({ path, ast }) =>
    [...ast.getFullText().matchAll(/\bQ[1-9]\d?\b/g)]
      .filter(([name]) => path.startsWith('driver/') && !known.has(name))
      .map(({ 0: name, index }) => ({
        file: path,
        line: ast.getLineAndCharacterOfPosition(index).line + 1,
        message: `docs/quirks.md has no ${name}`,
      })),
  );
}
