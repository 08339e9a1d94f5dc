import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadTree, ROOT } from '../../../structure/tree.js';
import { functionsAbovePoints } from './function-list.js';

const FILE = join(ROOT, 'tools/fault/plans/kernel-functions.ts');
const WIDTH = 118;

/** As many to a line as fit. */
function packed(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

it('the functions that `caller` takes are those of the sources', () => {
  const words = [...functionsAbovePoints(loadTree())].map(([name, cited]) => [name, ...cited].join('='));
  const text = readFileSync(FILE, 'utf8');
  const renewed = text.replace(/`[^`]*`;/, `\`\n${packed(words)}\n\`;`);
  if (process.env.DMIRROR_UPDATE) writeFileSync(FILE, renewed);
  else expect(text, 'DMIRROR_UPDATE=1 renews it').toBe(renewed);
});
