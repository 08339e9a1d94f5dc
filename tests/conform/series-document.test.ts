import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { migrationPath } from '../../driver/hmm/index.js';
import { seriesReview } from '../../tools/commands/series.js';
import { RACE_TOKEN } from '../../tools/explore/race-token.js';
import { PROPERTIES } from '../../tools/series/properties.js';
import { PATH_NAMES, type PathName } from '../../uapi/path-name.js';
import { walkMarkdown, walkSvg, walkTable } from '../bench/walks.js';
import { isLong } from '../counts.js';
import { checkDocument } from '../document-part.js';
import { ROOT } from '../unit/structure/tree.js';
import { recordedOutput } from '../unit/tools/recorded-output.js';
import { Replayer } from './replay.js';

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

const MACHINE = { ramBytes: 64 << 20, swapBytes: 16 << 20, hugePages: 4 };
/** Reports, with how many sequences they were made. */
const REPORTS: readonly (readonly [PathName, file: string, sequences: number])[] = [
  ['posted-v1', 'docs/series-review-v1.txt', 400],
  ['posted-late', 'docs/series-review-late.txt', 100],
];

describe.each(REPORTS)('the report on %s', (path, file, sequences) => {
  const report = readFileSync(join(ROOT, file), 'utf8');

  it('has commands that show something there and nothing on unified', () => {
    const commands = [...report.replace(/\s+/g, ' ').matchAll(/series run --path (\S+) '([^']*)'/g)];
    expect(commands).toHaveLength(Number(/^Findings: (\d+)$/m.exec(report)?.[1]));
    for (const [, name, text = ''] of commands) {
      expect(name).toBe(path);
      const judge = (on: PathName) =>
        new Replayer({ path: on, isJudged: true, machine: MACHINE }).judge('ops-0', text.split('; '));
      expect(judge(path), text).not.toBeNull();
      expect(judge('unified'), text).toBeNull();
    }
  });

  it('names races that the package ships', () => {
    const tokens = [...report.matchAll(/explore replay (\S+)/g)].map(([, token]) => token!);
    expect(tokens).toHaveLength(Number(/^Races: (\d+)$/m.exec(report)?.[1]));
    for (const token of tokens) expect(RACE_TOKEN.read(token).path).toBe(path);
  });

  it.runIf(isLong)('is what the command prints (only in check:long)', async () => {
    const output = recordedOutput();
    await seriesReview({ posting: path.replace('posted-', ''), sequences }, output);
    expect(`${output.lines.join('\n')}\n`).toBe(report);
  });
});
