import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { migrationPath } from '../../driver/hmm/index.js';
import { PROPERTIES } from '../../tools/series/properties.js';
import { PATH_NAMES } from '../../uapi/path-name.js';
import { walkMarkdown, walkSvg, walkTable } from '../bench/walks.js';
import { checkDocument } from '../document-part.js';
import { ROOT } from '../unit/structure/tree.js';

/** Each property, its value on each path, and the function of the posting. */
function propertyTable(): string {
  const line = (cells: readonly unknown[]): string => `| ${cells.join(' | ')} |`;
  const rows = PROPERTIES.map(({ name, where, cause }) =>
    line([`\`${name}\``, ...PATH_NAMES.map((path) => migrationPath(path)[name]), where, cause ?? '']),
  );
  const head = ['property', ...PATH_NAMES, 'where', 'what it does, where that is a defect'];
  return [line(head), line(head.map(() => '---')), ...rows].join('\n');
}

const rows = walkTable();

it('docs/series.md has every property and what was counted', () =>
  checkDocument('docs/series.md', { properties: propertyTable(), walks: walkMarkdown(rows) }));

it('docs/walks.svg is current', () => {
  const file = join(ROOT, 'docs/walks.svg');
  if (process.env.DMIRROR_UPDATE) writeFileSync(file, walkSvg(rows));
  expect(readFileSync(file, 'utf8')).toBe(walkSvg(rows));
});
