import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { AS_LINUX } from '../../tools/explore/as-linux.js';
import { NEVER_SEEN, type NeverSeenKind, neverSeenLines } from '../../tools/explore/never-seen.js';
import { checkDocument } from '../document-part.js';
import { register, TWO_WALKS } from '../litmus-paths.js';
import { countRecordings } from './coverage.js';
import { deviationsOf, documentParts, familyTable } from './document.js';
import { EXCEPTIONS, MAX_EXCEPTIONS } from './exceptions.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const coverage = countRecordings();

describe('documents', () => {
  it('docs/conformance.md is current', () => checkDocument('docs/conformance.md', documentParts(coverage, ROOT)));

  it('the table in the README is current', () => checkDocument('README.md', { conformance: familyTable(coverage) }));

  it('docs/exploring.md is current', () => {
    const rows = AS_LINUX.map(({ name, why }) => `- **${name}**: ${why}`);
    const lines = neverSeenLines();
    const known = Object.entries(NEVER_SEEN).map(([kind, why]) => {
      const count = lines.reduce((sum, line) => sum + (line[kind as NeverSeenKind]?.length ?? 0), 0);
      return `- **${kind}** (${count}): ${why}`;
    });
    const classic = register().filter(({ path }) => path === 'classic');
    const walks = Object.entries(TWO_WALKS).map(([kind, why]) => {
      const tests = classic.filter((row) => row.why.some((one) => one === kind)).map(({ test }) => `\`${test}\``);
      return `- **${kind}** (${tests.join(', ')}): ${why}`;
    });
    checkDocument('docs/exploring.md', {
      'as linux': rows.join('\n'),
      'never seen': known.join('\n'),
      'two walks': walks.join('\n'),
    });
  });

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
