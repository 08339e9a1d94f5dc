import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathError } from '../../driver/hmm/paths.js';
import { EXIT, inputBytes, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';
import { pathNamed } from '../path-option.js';
import { record, type WhichRun } from '../recording/record.js';
import { recordSequence } from '../recording/record-sequence.js';
import type { RecordedRun } from '../recording/recorded-run.js';
import type { PageFinding } from '../view/page-data.js';
import { type ReportLine, reportLines } from '../view/report-findings.js';
import { type PackedRun, type PageContent, packRun, viewHtml } from '../view/view-html.js';
import { recordAsked, runOptions, type WhichRunOptions } from './debug.js';

export interface ViewOptions extends WhichRunOptions {
  readonly html?: string | undefined;
  readonly open: boolean;
  /** Another run for the page: a path for the same words, or what else is to be run. */
  readonly against?: string | undefined;
}

const DEFAULT_FILE = 'dmirror-view.html';
/** Runs of a report that a page has in it, and the size that they may take together. */
const MAX_RUNS = 40;
const MAX_REPORT_BYTES = 24 * 2 ** 20;
const EVENTS_OF_A_FINDING = 10_000;

/** `dmirror view`: a page that shows the machine over time, as a file or served. */
export async function view(words: readonly string[], options: ViewOptions, output: Output): Promise<number> {
  const { html, open, against, ...which } = options;
  const name = html ?? (open ? null : DEFAULT_FILE);
  const file = name === null ? null : output.file(html === undefined ? 'the page' : '--html', name);
  const lines = reportIn(words);
  const content =
    lines === null
      ? await pageOfRuns(words, which, against)
      : await pageOfReport(words[0]!, { lines, how: runOptions(which) }, output);
  const page = viewHtml(content);
  file?.write(page);
  if (name !== null) output.out(`${name}: ${sizeText(content, page)}`);
  for (const { run } of content.runs) if (run.cut !== null) output.err(`${run.title}: ${run.cut}`);
  if (open) await serve(page, output);
  return content.runs.some(({ isFull }) => isFull) ? EXIT.output : EXIT.pass;
}

function sizeText({ runs, findings }: PageContent, page: string): string {
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}, `;
  const of = findings.length === 0 ? '' : count(findings.length, 'finding');
  return `${of}${count(runs.length, 'run')}${Math.ceil(page.length / 1024)} kB`;
}

const REPORT = /\.(jsonl?|ndjson|txt|log|tap)$/;

/** What the words name a report of; null: they name a run. */
function reportIn([first, ...rest]: readonly string[]): ReportLine[] | null {
  if (first === undefined || !REPORT.test(first) || !existsSync(first)) return null;
  const lines = reportLines(inputBytes(first, 'a report of fault sweep, conform, explore or series').toString('utf8'));
  // A file of litmus tests.
  if (lines.length === 0 && first.endsWith('.jsonl')) return null;
  if (lines.length === 0)
    throw new UsageError(
      `'${first}' has no finding with a token or a sequence in it`,
      'give what fault sweep, conform, explore or series printed, as text or with --json',
    );
  if (rest.length > 0) throw new UsageError(`'${rest[0]}' stands behind the report '${first}'`, 'leave it out');
  return lines;
}

async function pageOfRuns(
  words: readonly string[],
  which: WhichRunOptions,
  against: string | undefined,
): Promise<PageContent> {
  const first = await recordAsked(words, which);
  const runs = [packRun(first)];
  if (against !== undefined) runs.push(packRun(await recordOther(words, which, against)));
  return { title: first.title, runs, findings: [] };
}

/** `--against unified` is of the same words; else it is what else is to be run. */
function recordOther(words: readonly string[], which: WhichRunOptions, against: string): Promise<RecordedRun> {
  if (pathError(against) === null) return recordAsked(words, { ...which, path: pathNamed(against) });
  return record([against], runOptions(which));
}

async function pageOfReport(
  file: string,
  { lines, how }: { lines: readonly ReportLine[]; how: WhichRun },
  output: Output,
): Promise<PageContent> {
  const runs: PackedRun[] = [];
  const findings: PageFinding[] = [];
  let bytes = 0;
  const stop = output.stop.watch();
  for (const [i, { name, text, run: of }] of lines.entries()) {
    output.progress.update({ done: i, total: lines.length, failed: 0, name });
    let run: number | string = `left out: a page has no room for more than these ${runs.length} runs`;
    if (runs.length < MAX_RUNS && bytes < MAX_REPORT_BYTES && !(await stop.look())) {
      const packed = await attempt(of, how);
      run = typeof packed === 'string' ? packed : runs.push(packed) - 1;
      if (typeof packed !== 'string') bytes += packed.packed.length;
    }
    findings.push({ name, text, run });
  }
  output.progress.clear();
  return { title: `findings of ${file}`, runs, findings };
}

/** A run, or why there is none. */
async function attempt(run: ReportLine['run'], how: WhichRun): Promise<PackedRun | string> {
  try {
    const recorded = typeof run === 'string' ? await record([run], how) : recordSequence(run, how);
    return packRun(recorded, EVENTS_OF_A_FINDING);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

/** Until a signal comes. */
async function serve(page: string, { out, stop }: Output): Promise<void> {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(page);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  if (typeof address === 'object') out(`http://127.0.0.1:${address?.port}/ until Ctrl-C`);
  await stop.watch().whenRequested;
  server.closeAllConnections();
  server.close();
}
