import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { countRecordings } from './coverage.js';
import { deviationsOf, documentParts, familyTable, withPart } from './document.js';
import { EXCEPTIONS, MAX_EXCEPTIONS } from './exceptions.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const coverage = countRecordings();

/** With DMIRROR_UPDATE=1 the file is written anew; without, it must be what would be written. */
function check(file: string, parts: Readonly<Record<string, string>>): void {
  const path = `${ROOT}/${file}`;
  const text = readFileSync(path, 'utf8');
  const wanted = Object.entries(parts).reduce((done, [name, part]) => withPart(done, name, part), text);
  if (process.env.DMIRROR_UPDATE === '1') writeFileSync(path, wanted);
  else expect(text, `run DMIRROR_UPDATE=1 npx vitest run tests/conform/document.test.ts`).toBe(wanted);
}

describe('documents', () => {
  it('docs/conformance.md is current', () => check('docs/conformance.md', documentParts(coverage, ROOT)));

  it('the table in the README is current', () => check('README.md', { conformance: familyTable(coverage) }));

  it('finds a deviation in each form of comment', () => {
    const source = [
      '/** Deviates: one line. Linux: mm/a.c:a() */',
      '/**',
      ' * Does a thing. Deviates: over',
      ' * two lines.',
      ' *',
      ' * Another paragraph.',
      ' */',
      '  // Deviates: in',
      '  // code.',
      '  work();',
    ].join('\n');
    expect(deviationsOf(source)).toEqual(['one line.', 'over two lines.', 'in code.']);
  });

  it('each exception names a recorded sequence and the kernel lines that prove it', () => {
    expect(EXCEPTIONS.length).toBeLessThanOrEqual(MAX_EXCEPTIONS);
    for (const { seq, source } of EXCEPTIONS) {
      expect(seq).toMatch(/^[a-z]+-\d+$/);
      expect(source.length).toBeGreaterThan(0);
    }
  });
});
