import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { explore } from '../../driver/explore/index.js';
import { migrationPath } from '../../driver/hmm/index.js';
import { replay } from '../../tools/commands/replay.js';
import { seriesReview, seriesRun } from '../../tools/commands/series.js';
import { EXIT } from '../../tools/exit-code.js';
import { raceOf } from '../../tools/explore/explore-work.js';
import { RACE_TOKEN } from '../../tools/explore/race-token.js';
import { RUN_TOKEN } from '../../tools/fault/run-token.js';
import { OPS_TOKEN } from '../../tools/series/ops-run.js';
import { PROPERTIES } from '../../tools/series/properties.js';
import { shapeOf, textOf } from '../../tools/series/race-shape.js';
import { raceKey } from '../../tools/series/race-text.js';
import { type Share, WHOLE } from '../../tools/shard/share.js';
import { PATH_NAMES, type PathName } from '../../uapi/path-name.js';
import { walkMarkdown, walkSvg, walkTable } from '../bench/walks.js';
import { isLong } from '../counts.js';
import { checkDocument } from '../document-part.js';
import { ROOT } from '../unit/structure/tree.js';
import { recordedOutput } from '../unit/tools/recorded-output.js';

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

/** Reports, with how many sequences they were made. */
const REPORTS: readonly (readonly [PathName, file: string, sequences: number])[] = [
  ['posted-v1', 'docs/series-review-v1.txt', 400],
  ['posted-late', 'docs/series-review-late.txt', 100],
];

/** A finding or race of a report, its text in one line. */
interface Block {
  readonly key: string;
  readonly text: string;
}

function blocksOf(file: string): Block[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const [numbered = ''] = text.split('\nThe header\n');
  return numbered
    .split(/^\d+\. \[/m)
    .slice(1)
    .map((block) => {
      const [key = ''] = block.split(']', 1);
      return { key, text: block.replace(/\s+/g, ' ') };
    });
}

/** What found each defect of a posting, as its report says. */
function finders(file: string): string {
  const blocks = blocksOf(file);
  const lower = (text: string): string => text.toLowerCase();
  const rows = PROPERTIES.flatMap(({ name, cause, defect = '', raisedBy = '' }) => {
    const own = blocks.find(({ key }) => key === name)?.text;
    const races = blocks.filter(
      ({ key, text }) => key !== name && cause !== null && lower(text).includes(lower(`: ${cause}.`)),
    );
    if (own === undefined && races.length === 0) return [];
    const cell = (pattern: RegExp): string =>
      pattern
        .exec(own ?? '')
        ?.slice(1)
        .map((word) => `\`${word}\``)
        .join(' ') ?? '';
    const others = [cell(/ Selftest: (\S+)/), cell(/ Fault sweep: dmirror fault replay (\S+)/)];
    return [
      [
        defect,
        `\`${name}\``,
        raisedBy,
        cell(/ Found in (\S+), .*fault replay (\S+)/),
        ...others,
        races.map(({ key }) => `\`${key}\``).join(' '),
      ],
    ];
  });
  const head = ['defect', 'property', 'raised by', 'generated sequence, reduced', 'selftest', 'fault sweep', 'races'];
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell || '-').join(' | ')} |`)
    .join('\n');
}

it('docs/series.md says what found each defect of the first posting', () =>
  checkDocument('docs/series.md', { finders: finders('docs/series-review-v1.txt') }));

/** Does what a token repeats show something? */
async function isWrong(token: string): Promise<boolean> {
  return (await replay([token], {}, recordedOutput())) === EXIT.fail;
}

/** The same on the path that is repaired. */
function onUnified(token: string): string {
  const [, kind] = token.split(':');
  if (kind === 'ops') return OPS_TOKEN.write({ ...OPS_TOKEN.read(token), path: 'unified' });
  return RUN_TOKEN.write({ ...RUN_TOKEN.read(token), path: 'unified' });
}

describe.each(REPORTS)('the report on %s', (path, file, sequences) => {
  const report = readFileSync(join(ROOT, file), 'utf8');
  const blocks = blocksOf(file);
  const counted = (what: string): number => Number(new RegExp(`^${what}: (\\d+)$`, 'm').exec(report)?.[1]);

  it('has commands that show something there and nothing on unified', () => {
    const commands = blocks.flatMap(({ text }) => [...text.matchAll(/series run --path (\S+) '([^']*)'/g)]);
    expect(commands).toHaveLength(counted('Findings'));
    for (const [, name, ops = ''] of commands) {
      expect(name).toBe(path);
      expect(seriesRun(ops, { path }, recordedOutput()), ops).toBe(EXIT.fail);
      expect(seriesRun(ops, { path: 'unified' }, recordedOutput()), ops).toBe(EXIT.pass);
    }
  });

  it('has tokens that show the same, and nothing on unified', async () => {
    const tokens = [...report.matchAll(/fault replay (dm2:\S+)/g)].map(([, token]) => token!);
    expect(tokens.length).toBeGreaterThanOrEqual(counted('Findings'));
    for (const token of tokens) {
      expect(await isWrong(token), token).toBe(true);
      expect(await isWrong(onUnified(token)), token).toBe(false);
    }
  });

  it('has races whose schedules end as it says', () => {
    const races = blocks.flatMap(({ key, text }) =>
      [...text.matchAll(/explore replay (\S+)/g)].map(([, token]) => ({ key, token: token! })),
    );
    expect(races).toHaveLength(counted('Races'));
    for (const { key, token } of races) {
      const { test, path: on, profile, choices } = RACE_TOKEN.read(token);
      expect(on).toBe(path);
      const race = raceOf(test, { path: on, profile });
      const { findings } = explore(race, { strategy: 'replay', choices, budget: 1 });
      expect(findings, token).toHaveLength(1);
      expect(raceKey({ message: textOf(findings[0]!), shape: shapeOf(race, findings[0]!) }), token).toBe(key);
    }
  });

  it('says of the header and of the walks what the command prints', async () => {
    const output = recordedOutput();
    const pick: Share['pick'] = (units, nameOf) => units.filter((unit) => nameOf(unit).endsWith(' header'));
    const share = { ...WHOLE, pick, isMerged: true };
    await seriesReview({ posting: path.replace('posted-', ''), sequences: 1 }, { ...output, share });
    const printed = output.lines.join('\n').split('\n\n');
    for (const part of ['The header', 'What it saves'])
      expect(report).toContain(printed.find((section) => section.startsWith(`${part}\n`)));
  });

  it.runIf(isLong || process.env.DMIRROR_UPDATE === '1')(
    'is what the command prints (only in check:long)',
    async () => {
      const output = recordedOutput();
      await seriesReview({ posting: path.replace('posted-', ''), sequences }, output);
      const printed = `${output.lines.join('\n')}\n`;
      if (process.env.DMIRROR_UPDATE === '1') writeFileSync(join(ROOT, file), printed);
      else expect(printed).toBe(report);
    },
  );
});
