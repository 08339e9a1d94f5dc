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
import { hunt } from '../../tools/series/hunt.js';
import { plain } from '../../tools/series/mail-lines.js';
import { judgeOps, OPS_TOKEN, opsIn } from '../../tools/series/ops-run.js';
import { PROPERTIES, withPropertyOf } from '../../tools/series/properties.js';
import { shapeOf, textOf } from '../../tools/series/race-shape.js';
import { raceKey } from '../../tools/series/race-text.js';
import { postingNamed } from '../../tools/series/review.js';
import { reviewText } from '../../tools/series/review-text.js';
import { unitsOf } from '../../tools/series/review-units.js';
import { PATH_NAMES, type PathName } from '../../uapi/path-name.js';
import { walkMarkdown, walkSvg, walkTable } from '../bench/walks.js';
import { isFull, isLong, some } from '../counts.js';
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

/** Of a report: each run of the sweep that shows something, and the property that it comes from. */
function sweptIn(report: string): { readonly property: PropertyName; readonly token: string }[] {
  const [, part = ''] = report.split('\n- fault sweep of ');
  return [...part.matchAll(/^ {4}(\w+): [\s\S]*?\n {4}dmirror fault replay (\S+)$/gm)].map(([, property, token]) => ({
    property: property as PropertyName,
    token: token!,
  }));
}

/** What found each defect of the first posting, as its report says. */
function finders(): string {
  const report = readFileSync(join(ROOT, REPORTS[0]![1]), 'utf8');
  const tokens = sweptIn(report);
  const blocks = report
    .split('\nThe header\n')[0]!
    .split(/^\d+\. \[/m)
    .map((block) => ({ key: block.split(']', 1)[0]!, text: block.replace(/\s+/g, ' ') }));
  const code = (text: string | undefined): string => (text === undefined ? '' : `\`${text}\``);
  const rows = PROPERTIES.flatMap(({ name, cause, defect = '', raisedBy = '' }) => {
    const own = blocks.find(({ key }) => key === name)?.text ?? '';
    const races = blocks.filter(
      ({ key, text }) => key !== name && text.toLowerCase().includes(`: ${cause}.`.toLowerCase()),
    );
    const swept = tokens.find(({ property }) => property === name)?.token;
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

  it('has runs of the sweep that hang on what it says, and show nothing on unified', async () => {
    const swept = sweptIn(report);
    expect(swept).toHaveLength(Number(/- fault sweep of[^,]*,\s(\d+)/.exec(report)?.[1]));
    for (const { property, token } of some(swept, 3)) {
      const id = RUN_TOKEN.read(token);
      const sweeper = new Sweeper(casesByName(id.profile), { ...id, all: false, pairs: 0, first: true });
      const seen = async (on: PathName): Promise<string[]> =>
        (await sweeper.runId({ ...id, path: on })).violations.map(({ message }) => plain(message));
      const before = await seen(id.path);
      const after = await seen(withPropertyOf(id.path, property, 'unified'));
      expect(
        before.filter((message) => !after.includes(message)),
        token,
      ).not.toEqual([]);
      expect(await seen('unified'), token).toEqual([]);
    }
  });

  it('has races whose schedules end as it says', () => {
    const races = [...report.matchAll(/^\d+\. \[([\w-]+)\](?:(?!^\d+\. \[)[\s\S])*?explore replay (\S+)/gm)];
    expect(races).toHaveLength(Number(/^Races: (\d+)$/m.exec(report)?.[1]));
    expect(report.match(/unified shows nothing in \d+ schedules, all that there are:/g)).toHaveLength(races.length);
    for (const [, key, token = ''] of races) {
      const { test, path: on, profile, choices } = RACE_TOKEN.read(token);
      expect(on).toBe(path);
      const race = raceOf(test, { path: on, profile });
      const { findings } = explore(race, { strategy: 'replay', choices, budget: 1 });
      expect(findings, token).toHaveLength(1);
      expect(raceKey({ message: textOf(findings[0]!), shape: shapeOf(race, findings[0]!) }), token).toBe(key);
    }
  });

  it('is what the command prints, as far as the header and what the first sequence of a finding shows', async () => {
    const posting = postingNamed(path === 'posted-v1' ? 'v1' : 'late');
    const [header] = unitsOf(posting, { sequences: 0, races: null as never, tests: [], now: () => 0 });
    const [, family, seed] = / Found in ([\w-]+):(\d+), reduced/.exec(report) ?? [];
    const sequences = family === undefined || !isFull ? [] : [{ family, seed: Number(seed) }];
    const [first] = [...hunt(path, sequences)];
    const none = {
      selftests: null,
      recordings: null,
      sweep: null,
      sequences: 0,
      races: [],
      walks: [],
      isInterrupted: false,
    };
    const findings = first ? [first] : [];
    const text = reviewText({ ...none, posting, abi: (await header!.run()) as never, findings }, null).join('\n');
    const blocks = report
      .split('\n\n')
      .map((block) => block.replace(/\n {3}Found as well by .*(\n {3}(?!Found in).*)*/, ''));
    const printed = text.split('\n\n').filter((block) => /^(The header|1\. )/.test(block));
    expect(printed).toHaveLength(1 + findings.length);
    for (const block of printed) expect(blocks).toContain(block);
  });

  it.runIf(isLong)('is what the command prints (only in check:long)', async () => {
    const output = recordedOutput();
    await seriesReview({ posting: path.replace('posted-', ''), sequences }, output);
    expect(`${output.lines.join('\n')}\n`).toBe(report);
  });
});
