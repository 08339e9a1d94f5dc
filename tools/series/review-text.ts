import { shellQuote } from '../glob.js';
import { compared, keyOf } from './baseline.js';
import type { Hunted } from './hunt.js';
import { plain, sentence, wrapped } from './mail-lines.js';
import { raceKey, raceLines } from './race-text.js';
import type { Review } from './review.js';
import { headerLines } from './review-header.js';
import { SWEPT_CASES } from './sweep-hunt.js';

/** The command that shows a finding again. A line may end between ops alone, which are quoted. */
function commandOf({ ops }: Hunted, path: string): string[] {
  const [first, ...rest] = shellQuote(ops.join('; ')).split(' ');
  return [`dmirror series run ${path} ${first}`, ...rest];
}

/** Plain text for a reply to the list. `known` are the findings of an earlier report, null without one. */
export function reviewText(review: Review, known: ReadonlySet<string> | null): string[] {
  const { posting, findings, races, seen } = review;
  const path = posting.option;
  return [
    ...wrapped(
      `Review of "migrate on fault for device pages", ${posting.title}, by dmirror: an emulated Linux 6.12 that runs the posting's rules. Each finding has the command that shows it.`,
    ),
    '',
    ...posting.told.flatMap((line) => wrapped(line)),
    ...(posting.told.length > 0 ? [''] : []),
    ...(seen === undefined ? [`Findings: ${findings.length}`] : shardLines(seen)),
    ...findings.flatMap((finding, i) => [
      '',
      ...findingLines(finding, {
        head: headOf(keyOf(finding), { i, known }),
        path,
        also: otherFinders(finding, review),
      }),
    ]),
    ...(seen === undefined ? ['', `Races: ${races.length}`] : []),
    ...races.flatMap((race, i) => ['', ...raceLines(race, headOf(raceKey(race), { i: i + findings.length, known }))]),
    ...headerLines(review),
    '',
    ...runLines(review),
    '',
    ...strengthLines(review),
    ...(known === null ? [] : ['', ...baselineLines(review, known)]),
  ].map((line) => line.trimEnd());
}

/** In place of findings and races, which nobody has reduced yet. */
function shardLines({ sequences, races }: NonNullable<Review['seen']>): string[] {
  return wrapped(
    `This is a shard: ${sequences} sequences and ${races} tests of races show something, which is explained when all shards are merged (dmirror merge-reports).`,
  );
}

/** The first line of a finding, by which a later report knows it. */
function headOf(key: string, { i, known }: { i: number; known: ReadonlySet<string> | null }): string {
  return `${i + 1}. [${key}]${known !== null && !known.has(key) ? ' new' : ''}`;
}

/** What else of the review has come to the same: one example of each. */
function otherFinders({ violation, cures: [cure] }: Hunted, { selftests, sweep }: Review): string[] {
  const isSame = ({ message }: { message: string }): boolean => plain(violation.message).includes(plain(message));
  const tests = (selftests?.own.failed ?? []).filter(isSame).map(({ name }) => `the selftest ${name}`);
  const swept = (sweep?.findings ?? []).filter(({ cause }) => cause !== null && cause === cure?.name);
  return [...tests.slice(0, 1), ...swept.slice(0, 1).map(({ token }) => `the fault sweep of ${token.split(':')[2]}`)];
}

function findingLines(
  finding: Hunted,
  { head, path, also }: { head: string; path: string; also: readonly string[] },
): string[] {
  const { cures, violation, isCleanWhenRepaired, from } = finding;
  const [cure] = cures;
  const others = cures.slice(1).map(({ name }) => name);
  return [
    head,
    ...wrapped(cure?.cause ? sentence(cure.cause) : 'No single property of the posting accounts for it.', '   '),
    ...(cure === undefined ? [] : wrapped(`Where: ${cure.where}`, '   ')),
    ...(cure?.raisedBy === undefined ? [] : wrapped(`Raised before: ${cure.raisedBy}`, '   ')),
    ...wrapped(`Seen after ${violation.after}: ${violation.message}`, '   '),
    ...(others.length > 0 ? wrapped(`Gone as well with another ${others.join(', ')}.`, '   ') : []),
    ...(also.length > 0 ? wrapped(`Found as well by ${also.join(' and ')}.`, '   ') : []),
    `   Found in ${from}, reduced; ${isCleanWhenRepaired ? 'unified passes the same' : 'UNIFIED FAILS TOO'}:`,
    ...wrapped(commandOf(finding, path), '     '),
  ];
}

const MOST_SHOWN = 6;

function runLines({ posting, selftests, recordings, sweep, sequences, isInterrupted }: Review): string[] {
  const lines = ['What was run'];
  if (selftests !== null) {
    const { kernel, own } = selftests;
    lines.push(
      ...wrapped(
        `- the kernel's selftests: ${kernel.passed} pass, ${kernel.failed.length} fail; our own: ${own.passed} pass, ${own.failed.length} fail`,
      ),
    );
    for (const { name, message } of [...kernel.failed, ...own.failed].slice(0, MOST_SHOWN))
      lines.push(...wrapped(`${name}: ${message}`, '    '));
    lines.push(`    dmirror selftest ${posting.option}`);
  }
  if (recordings !== null)
    lines.push(
      ...wrapped(
        `- recordings of a kernel with the posting: ${recordings.sequences} sequences, ${recordings.differing.length} differ`,
      ),
    );
  if (sweep !== null) lines.push(...sweepLines(sweep));
  lines.push(`- generated sequences: ${sequences}, proved after every op`);
  if (isInterrupted) lines.push('- interrupted: the rest was not run');
  return lines;
}

/** Of each cause the first run that shows it. */
function sweepLines({ runs, findings }: NonNullable<Review['sweep']>): string[] {
  const keys = findings.map(({ cause, message }) => cause ?? plain(message));
  const shown = findings.filter((_, i) => keys.indexOf(keys[i]!) === i);
  return [
    ...wrapped(
      `- fault sweep of ${SWEPT_CASES.length} stories: ${runs} runs, ${shown.length} findings; what was found counts as repaired in what follows`,
    ),
    ...shown.flatMap(({ token, message, cause, isCleanWhenRepaired }) => [
      ...wrapped(`${cause === null ? '' : `${cause}: `}${message}`, '    '),
      ...(isCleanWhenRepaired ? [] : ['    UNIFIED FAILS TOO']),
      `    dmirror fault replay ${token}`,
    ]),
  ];
}

function strengthLines({ walks, posting }: Review): string[] {
  const of = (strategy: string): number =>
    walks.find((row) => row.range === 'swapped' && row.strategy === strategy)?.counts.walks ?? 0;
  const own = walks.find((row) => row.range === 'swapped' && row.strategy === `on fault, ${posting.path}`);
  return [
    'What it saves',
    ...wrapped(
      `To have a swapped range on the device takes ${of('migrate, fault, migrate')} page table walks with migrate, fault, migrate, ${of('fault, migrate')} with fault, migrate, and ${own?.counts.walks ?? 0} with the posting. dmirror bench walks has entries, rmap walks, faults, locks and notifier events a page, of every kind of range.`,
    ),
  ];
}

function baselineLines(review: Review, known: ReadonlySet<string>): string[] {
  const against = compared(review, known);
  const list = (keys: readonly string[]): string => keys.join(', ') || 'none';
  return [
    'Against the earlier report',
    ...wrapped(`New: ${list(against.new)}.`),
    ...wrapped(`Gone: ${list(against.gone)}.`),
  ];
}

/** The same as a page. */
export function reviewHtml(lines: readonly string[], title: string): string {
  const escaped = (text: string): string =>
    text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!);
  const body = lines.map((line) => {
    const text = escaped(line);
    return /^(\d+\. \[|The header|What |Findings|Races|Against the)/.test(line) ? `<b>${text}</b>` : text;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title><body style="margin:2em"><pre>${body.join('\n')}</pre></body></html>\n`;
}
