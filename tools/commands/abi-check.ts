import { targetByName } from '../abi/c/target.js';
import { type Checked, checkFolders, checkPair, checkTargets, type PairOptions } from '../abi/check.js';
import { type LoadOptions, loadAbi } from '../abi/load/load.js';
import {
  checkFolders as checkIncludes,
  isFolder,
  readFailOn,
  readRenames,
  readTargets,
  SkipPatterns,
} from '../abi/options.js';
import { failures, type Report, reportOf } from '../abi/report/check-report.js';
import { jsonReport, markdownReport, textReport } from '../abi/report/report-text.js';
import { applySuppressions, parseSuppressions, suppressionsText } from '../abi/report/suppressions.js';
import { EXIT, inputBytes, UsageError } from '../exit-code.js';
import { goesOnWith, type Output } from '../output.js';

/** How headers are found and read. */
interface HeaderOptions {
  readonly include: readonly string[];
  readonly git?: string | undefined;
  readonly target: string;
  /** More than one, with commas between. */
  readonly targets?: string | undefined;
  readonly skip: readonly string[];
}

const FORMATS = ['text', 'json', 'sarif', 'markdown', 'github'] as const;

export interface CheckOptions extends HeaderOptions {
  readonly includeOld?: readonly string[];
  readonly includeNew?: readonly string[];
  readonly patch?: string | undefined;
  /** What the patch was made for, where that is not OLD. */
  readonly base?: string | undefined;
  /** The header's path in the patch. */
  readonly path?: string | undefined;
  readonly rename: readonly string[];
  readonly failOn?: string | undefined;
  readonly suppress?: string | undefined;
  /** A suppression file to write, for what fails. */
  readonly writeSuppressions?: string | undefined;
  readonly format: (typeof FORMATS)[number];
}

interface Specs {
  readonly old: string;
  readonly new: string | undefined;
}

const USAGE =
  'dmirror abi check OLD NEW, dmirror abi check OLD --patch FILE, or dmirror abi check HEADER --targets LIST';

/** `dmirror abi check OLD NEW`. 0: nothing that fails; 1: something. */
export async function abiCheck(specs: Specs, options: CheckOptions, output: Output): Promise<number> {
  const fails = readFailOn(options.failOn);
  const { writeSuppressions: written } = options;
  const file = written === undefined ? null : output.file('--write-suppressions', written);
  const checked = await check(specs, options, output);
  const { isRequested: isInterrupted } = output.stop;
  const known =
    options.suppress === undefined
      ? []
      : parseSuppressions(options.suppress, inputBytes(options.suppress, 'name a suppression file').toString('utf8'));
  const result = applySuppressions(checked.findings, known, {
    today: new Date().toISOString().slice(0, 10),
    isWhole: !isInterrupted,
  });
  for (const text of result.expired) output.err(`warning: ${text}`);
  const report = reportOf(checked, result, fails);
  for (const line of await reportLines(report, options.format)) output.out(line);
  const failing = failures(report);
  const isDocument = options.format === 'sarif';
  if (isInterrupted && isDocument) output.err('# interrupted');
  else if (isInterrupted) output.out(options.format === 'json' ? '{"type":"interrupted"}' : '# interrupted');
  file?.write(suppressionsText(failing, written!));
  if (file !== null) output.err(`wrote ${written}: give each of its ${failing.length} suppressions a reason`);
  return failing.length > 0 ? EXIT.fail : EXIT.pass;
}

async function check(specs: Specs, options: CheckOptions, output: Output): Promise<Checked> {
  const { include, includeOld = [], includeNew = [], git } = options;
  if (git === undefined) checkIncludes({ '-I': include, '--include-old': includeOld, '--include-new': includeNew });
  const skip = new SkipPatterns(options.skip);
  const base: LoadOptions = { git, ...(options.skip.length > 0 && { skip: skip.matches }) };
  const old = { ...base, include: [...includeOld, ...include] };
  const pair = {
    ...{ old, new: { ...base, include: [...includeNew, ...include] } },
    ...{ renames: readRenames(options.rename), targets: targetsOf(options) },
  };
  const checked = await checkSpecs(specs, options, { pair, output });
  if (!output.stop.isRequested) skip.check();
  return checked;
}

async function checkSpecs(
  specs: Specs,
  { patch, base = specs.old, path, targets }: CheckOptions,
  { pair, output }: { pair: PairOptions; output: Output },
): Promise<Checked> {
  if (specs.new === undefined && patch === undefined && targets !== undefined)
    return checkTargets(specs.old, pair.old, pair.targets);
  if ((specs.new === undefined) === (patch === undefined))
    throw new UsageError('either NEW or --patch says what OLD is compared with', USAGE);
  const folders = [specs.old, specs.new ?? specs.old].filter(isFolder);
  if (folders.length === 1 || (patch !== undefined && folders.length > 0))
    throw new UsageError(`'${folders[0]}' is a folder`, 'compare two folders, or two headers');
  if (folders.length === 2) return checkFolders({ old: specs.old, new: specs.new! }, pair, goesOnWith(output));
  if (patch === undefined) return checkPair(specs, pair);
  const { loadPatched } = await import('../abi/load/load-patched.js');
  return checkPair(specs, { ...pair, patched: (load) => loadPatched(base, patch, { ...load, path }) });
}

function targetsOf({ target, targets }: Pick<HeaderOptions, 'target' | 'targets'>) {
  return targets === undefined ? [targetByName(target)!] : readTargets(targets);
}

async function reportLines(report: Report, format: CheckOptions['format']): Promise<string[]> {
  if (format === 'sarif') return [(await import('../abi/report/report-ci.js')).sarifReport(report)];
  if (format === 'github') return (await import('../abi/report/report-ci.js')).githubReport(report);
  return { json: jsonReport, markdown: markdownReport, text: textReport }[format](report);
}

export interface ShowOptions extends HeaderOptions {
  readonly json: boolean;
}

/** `dmirror abi show X`. */
export async function abiShow(spec: string, options: ShowOptions, output: Output): Promise<number> {
  const { git, include } = options;
  if (git === undefined) checkIncludes({ '-I': include });
  const skip = new SkipPatterns(options.skip);
  const load: LoadOptions = { git, include, ...(options.skip.length > 0 && { skip: skip.matches }) };
  const targets = targetsOf(options);
  const model = await loadAbi(spec, { ...load, target: targets[0]! });
  skip.check();
  if (options.json) output.out((await import('../abi/load/saved.js')).savedText(model));
  else for (const line of (await import('../abi/report/show.js')).showText(model)) output.out(line);
  if (targets.length > 1 && !options.json) {
    const { findings } = await checkTargets(spec, load, targets);
    for (const { message } of findings) output.out(message);
    if (findings.length === 0) output.out(`the same on ${targets.map(({ name }) => name).join(', ')}`);
  }
  return EXIT.pass;
}
