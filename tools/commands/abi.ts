import { readFileSync, writeFileSync } from 'node:fs';
import { dialectByName, dialectIds } from '../../uapi/dialect.js';
import { compare } from '../abi/compare.js';
import { type ChangeClass, CLASSES } from '../abi/finding.js';
import { historyText, nameText, numberStories, storiesJson } from '../abi/history.js';
import { type LoadOptions, loadAbi, loadPatched } from '../abi/load.js';
import { failures, jsonReport, markdownReport, type Report, textReport } from '../abi/report-text.js';
import { parseRename, type SameMeaning } from '../abi/same-meaning.js';
import { showJson, showText } from '../abi/show.js';
import { suggest } from '../abi/suggest.js';
import { applySuppressions, parseSuppressions } from '../abi/suppressions.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';

export type Lines = Pick<Output, 'out' | 'err'>;

export interface ShowOptions extends LoadOptions {
  readonly json: boolean;
}

/** `dmirror abi show X`. */
export async function abiShow(spec: string, options: ShowOptions, output: Lines): Promise<number> {
  const model = await loadAbi(spec, options);
  for (const line of options.json ? [showJson(model)] : showText(model)) output.out(line);
  return EXIT.pass;
}

export interface CheckOptions extends LoadOptions {
  readonly patch?: string | undefined;
  /** The header's path in the patch. */
  readonly path?: string | undefined;
  readonly rename: readonly string[];
  readonly failOn?: string | undefined;
  readonly suppress?: string | undefined;
  readonly format: 'text' | 'json' | 'sarif' | 'markdown';
}

/** `dmirror abi check OLD NEW`. 0: nothing of the failing classes; 1: something. */
export async function abiCheck(
  specs: { old: string; new: string | undefined },
  options: CheckOptions,
  output: Lines,
): Promise<number> {
  const renames = options.rename.map(readRename);
  const failOn = readClasses(options.failOn);
  const older = await loadAbi(specs.old, options);
  const comparison = compare(older, await loadNew(specs, options), renames);
  const result = applySuppressions(comparison.findings, readSuppressions(options.suppress), { today: today() });
  for (const text of result.expired) output.err(`warning: ${text}`);
  const report: Report = { comparison, result, suggestion: suggest(comparison), failOn };
  for (const line of await reportLines(report, options.format)) output.out(line);
  return failures(report).length > 0 ? EXIT.fail : EXIT.pass;
}

function loadNew(specs: { old: string; new: string | undefined }, options: CheckOptions) {
  if ((specs.new === undefined) === (options.patch === undefined)) {
    const hint = 'dmirror abi check OLD NEW, or dmirror abi check OLD --patch FILE';
    throw new UsageError('either NEW or --patch says what OLD is compared with', hint);
  }
  return options.patch === undefined ? loadAbi(specs.new!, options) : loadPatched(specs.old, options.patch, options);
}

async function reportLines(report: Report, format: CheckOptions['format']): Promise<string[]> {
  if (format === 'json') return jsonReport(report);
  if (format === 'markdown') return markdownReport(report);
  if (format === 'sarif') return [(await import('../abi/report-sarif.js')).sarifReport(report)];
  return textReport(report);
}

function readRename(text: string): SameMeaning {
  const rename = parseRename(text);
  if (!rename) throw new UsageError(`--rename '${text}' names no two names`, 'write it as --rename OLD_NAME=NEW_NAME');
  return rename;
}

function readClasses(list: string | undefined): Set<ChangeClass> {
  const all = Object.keys(CLASSES) as Exclude<ChangeClass, 'same'>[];
  if (list === undefined) return new Set(all.filter((name) => CLASSES[name].breaks));
  if (list === 'none') return new Set();
  const names = list === 'any' ? all : list.split(',');
  const wrong = names.find((name) => !(all as string[]).includes(name));
  if (wrong !== undefined) {
    throw new UsageError(`--fail-on: there is no class '${wrong}'`, `classes: ${all.join(', ')}, or any, or none`);
  }
  return new Set(names as ChangeClass[]);
}

function readSuppressions(file: string | undefined) {
  if (file === undefined) return [];
  try {
    return parseSuppressions(file, readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${file} can't be read: ${(error as Error).message}`, 'name a suppression file that exists');
  }
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

/** `dmirror abi name VALUE`. 1 when no dialect knows the number. */
export function abiName(text: string, { dialect }: { dialect?: string | undefined }, output: Lines): number {
  const value = readValue(text);
  if (dialect !== undefined && !dialectByName(dialect)) throw noDialect(dialect);
  const lines = nameText(value, dialect === undefined ? dialectIds() : [dialect]);
  for (const line of lines) output.out(line);
  if (lines.length === 0) output.err(`no dialect asked for knows ${text}: the driver answers -EINVAL`);
  return lines.length === 0 ? EXIT.fail : EXIT.pass;
}

function readValue(text: string): number {
  const value = Number(text);
  if (!/^(0x[\da-f]+|-?\d+)$/i.test(text) || value > 0xffffffff || value < -0x80000000) {
    throw new UsageError(`'${text}' is no ioctl number`, 'give it as 0xc0284804 or in decimal');
  }
  return value >>> 0;
}

function noDialect(name: string): UsageError {
  return new UsageError(
    `there is no dialect '${name}'`,
    `dialects: ${dialectIds().join(', ')}, or a kernel version such as 6.12`,
  );
}

/** `dmirror abi history [VALUE]`. */
export function abiHistory(text: string | undefined, { json }: { json: boolean }, output: Lines): number {
  const value = text === undefined ? undefined : readValue(text);
  const stories = numberStories().filter((story) => value === undefined || story.value === value);
  for (const line of json ? storiesJson(stories) : historyText(stories)) output.out(line);
  return stories.length === 0 ? EXIT.fail : EXIT.pass;
}

export interface MatrixOptions {
  readonly html?: string | undefined;
  readonly json: boolean;
}

/** `dmirror abi matrix [DIALECT...]`. */
export async function abiMatrix(ids: readonly string[], options: MatrixOptions, output: Lines): Promise<number> {
  const unknown = ids.find((id) => !dialectByName(id));
  if (unknown !== undefined) throw noDialect(unknown);
  const [{ runMatrix }, { matrixText, matrixJson }] = await Promise.all([
    import('../abi/matrix-run.js'),
    import('../abi/matrix-text.js'),
  ]);
  const matrix = runMatrix(ids.length > 0 ? ids.map((id) => dialectByName(id)!.id) : dialectIds());
  if (options.html !== undefined) {
    const { matrixHtml } = await import('../abi/matrix-html.js');
    writeOut(options.html, matrixHtml(matrix));
    output.err(`wrote ${options.html}`);
  } else for (const line of options.json ? matrixJson(matrix) : matrixText(matrix)) output.out(line);
  return EXIT.pass;
}

function writeOut(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new UsageError(
      `${file} can't be written: ${(error as Error).message}`,
      'name a file in a folder that exists',
    );
  }
}
