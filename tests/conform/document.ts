// The generated parts of docs/conformance.md and the README: text between `<!-- NAME -->` and `<!-- end NAME -->`.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Coverage } from './coverage.js';
import { EXCEPTIONS } from './exceptions.js';

/** By name: the parts of docs/conformance.md. `root` is the repository. */
export function documentParts(coverage: Coverage, root: string): Readonly<Record<string, string>> {
  return {
    families: familyTable(coverage),
    ops: opTable(coverage),
    snapshot: countTable('SNAPSHOT reports', coverage.snapshot),
    pagemap: countTable('pagemap reports', coverage.pagemap),
    exceptions: exceptionList(),
    deviations: deviationList(root),
  };
}

/** The README's table: what a family is about, and how much of it was compared. */
export function familyTable({ families }: Coverage): string {
  const rows = [...families].map(([name, { sequences, ops }]) => [name, ABOUT[name] ?? '', sequences, ops]);
  const sum = (key: 'sequences' | 'ops') => [...families.values()].reduce((all, counts) => all + counts[key], 0);
  return table(
    ['family', 'about', 'sequences', 'ops', 'differences, classic', 'unified'],
    [...rows, ['all', '', sum('sequences'), sum('ops')]].map((row) => [...row, EXCEPTIONS.length, EXCEPTIONS.length]),
  );
}

const ABOUT: Readonly<Record<string, string>> = {
  small: 'anonymous private memory, private devices',
  mix: 'also shared, file and device mappings, mremap',
  coherent: 'coherent devices beside a private one',
  thp: 'huge pages of 2 MiB: collapse, split, migration',
  swap: 'page-out and swap-in',
  huge: 'hugetlb mappings',
  pin: 'get_user_pages and long-term pins',
  raw: 'ioctls with arbitrary numbers, addresses, sizes and pointers',
};

function opTable({ ops }: Coverage): string {
  const rows = [...ops].sort(([, a], [, b]) => b.count - a.count);
  return table(
    ['op', 'times', 'of them failing'],
    rows.map(([name, { count, failures }]) => [`\`${name}\``, count, failuresText(failures)]),
  );
}

function failuresText(failures: ReadonlyMap<string, number>): string {
  const sorted = [...failures].sort(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${name} ${count}`).join(', ');
}

function countTable(head: string, counts: ReadonlyMap<string, number>): string {
  return table(
    [head, 'pages'],
    [...counts].sort(([, a], [, b]) => b - a),
  );
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function exceptionList(): string {
  if (EXCEPTIONS.length === 0) return 'The list is empty.';
  return EXCEPTIONS.map(({ seq, at, why, source }) => `- ${seq} op ${at + 1}: ${why} (${source.join('; ')})`).join(
    '\n',
  );
}

/** The `// Deviates:` comments of the driver, by file. */
function deviationList(root: string): string {
  const files = readdirSync(join(root, 'driver'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, 'driver', name))
    .sort();
  return files
    .flatMap((file) => deviationsOf(readFileSync(file, 'utf8')).map((text) => `- \`${relative(root, file)}\`: ${text}`))
    .join('\n');
}

const MARK = 'Deviates: ';

/** What the comments of a source file say after the mark, up to the end of the paragraph or to where Linux is named. */
export function deviationsOf(source: string): string[] {
  const lines = source.split('\n');
  return lines.flatMap((line, at) => {
    if (!line.includes(MARK)) return [];
    const first = line.slice(line.indexOf(MARK) + MARK.length);
    const rest: string[] = [];
    if (!first.includes('*/')) {
      for (const next of lines.slice(at + 1)) {
        const inside = /^\s*(?:\*(?!\/)|\/\/)\s?(.*)$/.exec(next)?.[1]?.trim();
        if (inside === undefined || inside === '') break;
        rest.push(inside.replace(/\*\/.*$/, ''));
        if (inside.includes('*/')) break;
      }
    }
    const text = [first.replace(/\*\/.*$/, ''), ...rest].join(' ').replace(/\s+/g, ' ');
    return [text.split(/ Linux: /)[0]!.trim()];
  });
}
