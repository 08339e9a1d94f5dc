import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { explore } from '../../driver/explore/index.js';
import { migrationPath, type PropertyName } from '../../driver/hmm/index.js';
import { replay } from '../../tools/commands/replay.js';
import { seriesReview } from '../../tools/commands/series.js';
import { EXIT } from '../../tools/exit-code.js';
import { raceOf } from '../../tools/explore/explore-work.js';
import { RACE_TOKEN } from '../../tools/explore/race-token.js';
import { RUN_TOKEN } from '../../tools/fault/run-token.js';
import { casesByName } from '../../tools/fault/sweep/cases.js';
import { Sweeper } from '../../tools/fault/sweep/sweep-job.js';
import { judgeOps, OPS_TOKEN, opsIn } from '../../tools/series/ops-run.js';
import { PROPERTIES, withPropertyOf } from '../../tools/series/properties.js';
import { shapeOf, textOf } from '../../tools/series/race-shape.js';
import { raceKey } from '../../tools/series/race-text.js';
import { PATH_NAMES, type PathName } from '../../uapi/path-name.js';
import { walkMarkdown, walkSvg, walkTable } from '../bench/walks.js';
import { isLong, some } from '../counts.js';
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

/** What `dmirror fault sweep --path posted-v1 --pages 8 --rounds 1` found: of each cause a token and what it says. */
const SWEPT: readonly (readonly [property: PropertyName, says: RegExp, token: string])[] = [
  [
    'undoesOnError',
    /deadlock/,
    'dm2:run:migrate_on_fault.rows.exclusive_of_other:posted-v1:1:8x1::handle_mm_fault/range-fault/3/RETRY:ULbsN4iYFAVt',
  ],
  [
    'clearsDst',
    /left in dst by an earlier chunk/,
    'dm2:run:migrate_on_fault.rows.thp_zero:posted-v1:1:8x1::page_alloc/copy/65/ENOMEM:JJbsN4iYFAcq',
  ],
  ['dropsYoungDirty', /lost its dirty mark/, 'dm2:run:migrate_on_fault.rows.present:posted-v1:1:8x1:::8ObsN4iYFAGA'],
  [
    'ignoresOwnClears',
    /passed over the CLEAR/,
    'dm2:run:migrate_on_fault.rows.thp:posted-v1:1:8x1::thp_split/collect/2/EBUSY:yBbsN4iYFABI',
  ],
  ['mirrorsFrame0', /the shadow copy has/, 'dm2:run:migrate_on_fault.rows.thp_pinned:posted-v1:1:8x1:::5_bsN4iYFAGA'],
  [
    'checksAfterFault',
    /deadlock/,
    'dm2:run:migrate_on_fault.rows.swap:posted-v1:1:8x1::notifier_invalidate/call/2/EVENT:VGbsN4iYFAqZ',
  ],
];

/** What found each defect of the first posting, as its report and the sweep say. */
function finders(): string {
  const blocks = readFileSync(join(ROOT, REPORTS[0]![1]), 'utf8')
    .split('\nThe header\n')[0]!
    .split(/^\d+\. \[/m)
    .map((block) => ({ key: block.split(']', 1)[0]!, text: block.replace(/\s+/g, ' ') }));
  const code = (text: string | undefined): string => (text === undefined ? '' : `\`${text}\``);
  const rows = PROPERTIES.flatMap(({ name, cause, defect = '', raisedBy = '' }) => {
    const own = blocks.find(({ key }) => key === name)?.text ?? '';
    const races = blocks.filter(
      ({ key, text }) => key !== name && text.toLowerCase().includes(`: ${cause}.`.toLowerCase()),
    );
    const swept = SWEPT.find(([property]) => property === name)?.[2];
    if (own === '' && races.length === 0 && swept === undefined) return [];
    const [, from, ops] = / Found in (\S+), reduced; unified passes the same: .* '([^']*)'/.exec(own) ?? [];
    const token = ops && OPS_TOKEN.write({ ops: opsIn(ops), path: 'posted-v1', profile: '6.12' });
    const selftest = / by the selftest (\S+?)[ .]*(?= and | Found in )/.exec(own)?.[1];
    const keys = races.map(({ key }) => code(key)).join(' ');
    return [
      [defect, code(name), raisedBy, [code(from), code(token)].join(' ').trim(), code(selftest), code(swept), keys],
    ];
  });
  const head = ['defect', 'property', 'raised by', 'generated sequence, reduced', 'selftest', 'fault sweep', 'races'];
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell || '-').join(' | ')} |`)
    .join('\n');
}

it('docs/series.md says what found each defect of the first posting', () =>
  checkDocument('docs/series.md', { finders: finders() }));

it('its tokens show something on the first posting, and nothing on unified', async () => {
  const [, table = ''] = readFileSync(join(ROOT, 'docs/series.md'), 'utf8').split(/<!-- (?:end )?finders -->/);
  const tokens = [...table.matchAll(/`(dm2:ops:\S+)`/g)].map(([, token]) => token!);
  expect(tokens).toHaveLength(PROPERTIES.filter(({ defect }) => defect !== undefined).length);
  const replayed = (token: string) => replay([token], {}, recordedOutput());
  for (const token of some(tokens, 4)) {
    expect(await replayed(token), token).toBe(EXIT.fail);
    expect(await replayed(OPS_TOKEN.write({ ...OPS_TOKEN.read(token), path: 'unified' })), token).toBe(EXIT.pass);
  }
});

it.each(some(SWEPT, 3))('a fault shows %s: %s', async (property, says, token) => {
  const id = RUN_TOKEN.read(token);
  const sweeper = new Sweeper(casesByName(id.profile), { ...id, all: false, pairs: 0, first: true });
  const seen = async (path: PathName): Promise<string> =>
    (await sweeper.runId({ ...id, path })).violations.map(({ message }) => message).join('\n');
  expect(await seen('posted-v1')).toMatch(says);
  expect(await seen(withPropertyOf('posted-v1', property, 'unified'))).not.toMatch(says);
  expect(await seen('unified')).toBe('');
});

describe.each(REPORTS)('the report on %s', (path, file, sequences) => {
  const report = readFileSync(join(ROOT, file), 'utf8');

  it('has commands that show something there and nothing on unified', () => {
    const commands = [...report.replace(/\s+/g, ' ').matchAll(/series run --path (\S+) '([^']*)'/g)];
    expect(commands).toHaveLength(Number(/^Findings: (\d+)$/m.exec(report)?.[1]));
    for (const [, name, text = ''] of some(commands, 4)) {
      expect(name).toBe(path);
      const id = { ops: opsIn(text), path, profile: '6.12' } as const;
      expect(judgeOps(id), text).not.toBeNull();
      expect(judgeOps({ ...id, path: 'unified' }), text).toBeNull();
    }
  });

  it('has races whose schedules end as it says', () => {
    const races = [...report.matchAll(/^\d+\. \[([\w-]+)\](?:(?!^\d+\. \[)[\s\S])*?explore replay (\S+)/gm)];
    expect(races).toHaveLength(Number(/^Races: (\d+)$/m.exec(report)?.[1]));
    for (const [, key, token = ''] of races) {
      const { test, path: on, profile, choices } = RACE_TOKEN.read(token);
      expect(on).toBe(path);
      const race = raceOf(test, { path: on, profile });
      const { findings } = explore(race, { strategy: 'replay', choices, budget: 1 });
      expect(findings, token).toHaveLength(1);
      expect(raceKey({ message: textOf(findings[0]!), shape: shapeOf(race, findings[0]!) }), token).toBe(key);
    }
  });

  it.runIf(isLong)('is what the command prints (only in check:long)', async () => {
    const output = recordedOutput();
    await seriesReview({ posting: path.replace('posted-', ''), sequences }, output);
    expect(`${output.lines.join('\n')}\n`).toBe(report);
  });
});
