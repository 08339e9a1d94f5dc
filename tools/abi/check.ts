import { readdirSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { UsageError } from '../exit-code.js';
import type { GoesOn } from '../output.js';
import { DEFAULT_TARGET, type Target } from './c/target.js';
import { type Comparison, compare } from './compare/compare.js';
import { type Finding, isBreak } from './compare/finding.js';
import type { SameMeaning } from './compare/same-meaning.js';
import { type OnTarget, targetDifferences } from './compare/target-differences.js';
import { findHeader, type LoadOptions, loadAbi, readHeader } from './load/load.js';
import type { AbiModel } from './load/model.js';
import { checkRenames, isFolder } from './options.js';

/** How much was compared: what a summary says beside its findings. */
interface Coverage {
  headers: number;
  /** Of those, the ones that have commands on either side. */
  withCommands: number;
  commands: number;
  records: number;
  constants: number;
}

export interface Checked {
  readonly old: string;
  readonly new: string;
  readonly findings: readonly Finding[];
  readonly coverage: Coverage;
  /** The comparison of the first target, where two ABIs were compared and not two folders. */
  readonly comparison?: Comparison;
}

export interface PairOptions {
  readonly old: LoadOptions;
  readonly new: LoadOptions;
  readonly renames: readonly SameMeaning[];
  readonly targets: readonly Target[];
  /** Loads the new side from the old one, by a patch. */
  readonly patched?: (options: LoadOptions) => Promise<AbiModel>;
}

/** Compares two ABIs, on each target. */
export async function checkPair(
  specs: { old: string; new: string | undefined },
  options: PairOptions,
): Promise<Checked> {
  const comparisons: Comparison[] = [];
  for (const target of options.targets) {
    const older = await loadAbi(specs.old, { ...options.old, target });
    const newer = options.patched
      ? await options.patched({ ...options.new, target })
      : await loadAbi(specs.new!, { ...options.new, target });
    checkRenames(options.renames, [older, newer]);
    comparisons.push(compare(older, newer, options.renames));
  }
  const [first] = comparisons as [Comparison];
  return {
    ...{ old: first.old.name, new: first.new.name, comparison: first },
    findings: onTargets(comparisons, options.targets),
    coverage: addTo(noCoverage(), first.old, first.new),
  };
}

/** A finding that is not on every target says on which. */
function onTargets(comparisons: readonly Pick<Comparison, 'findings'>[], targets: readonly Target[]): Finding[] {
  const all = new Map<string, { finding: Finding; on: string[] }>();
  comparisons.forEach(({ findings }, i) => {
    for (const finding of findings) {
      const { subject, within, old, new: now } = finding;
      const key = [finding.class, subject, within, old?.name, now?.name].join();
      const known = all.get(key) ?? { finding, on: [] };
      all.set(key, known);
      known.on.push(targets[i]!.name);
    }
  });
  return [...all.values()].map(({ finding, on }) =>
    on.length === targets.length ? finding : { ...finding, message: `${finding.message} (on ${on.join(', ')})` },
  );
}

function noCoverage(): Coverage {
  return { headers: 0, withCommands: 0, commands: 0, records: 0, constants: 0 };
}

function addTo(coverage: Coverage, old: AbiModel, now: AbiModel): Coverage {
  const most = (key: 'records' | 'constants') => Math.max(old[key].length, now[key].length);
  const commands = Math.max(...[old, now].map((model) => model.commands.length + model.unread.length));
  coverage.headers++;
  if (commands > 0) coverage.withCommands++;
  coverage.commands += commands;
  coverage.records += most('records');
  coverage.constants += most('constants');
  return coverage;
}

/** One header on several targets. */
export async function checkTargets(spec: string, options: LoadOptions, targets: readonly Target[]): Promise<Checked> {
  const all: OnTarget[] = [];
  for (const target of targets) all.push({ target: target.name, model: await loadAbi(spec, { ...options, target }) });
  const { model } = all[0]!;
  const names = targets.map(({ name }) => name).join(', ');
  return {
    ...{ old: spec, new: names, findings: targetDifferences(all) },
    coverage: addTo(noCoverage(), model, model),
  };
}

/** Compares all headers of two folders, by their paths in them, until `goesOn` says no. */
export async function checkFolders(
  specs: { old: string; new: string },
  options: PairOptions,
  goesOn: GoesOn = async () => true,
): Promise<Checked> {
  const [before, after] = [specs.old, specs.new].map((folder) => new Set(headersIn(folder))) as [
    Set<string>,
    Set<string>,
  ];
  const coverage = noCoverage();
  const models: AbiModel[] = [];
  const findings: Finding[] = [];
  const compared = ({ old, new: now }: Comparison) => {
    addTo(coverage, old, now);
    // Only their names are asked for, and there may be a thousand.
    if (options.renames.length > 0) models.push(old, now);
  };
  let breaks = 0;
  const paths = [...new Set([...before, ...after])].sort();
  for (const [done, path] of paths.entries()) {
    if (!(await goesOn({ done, total: paths.length, failed: breaks, name: path }))) break;
    const found = headerFindings(path, { specs, options, before, after, compared });
    for (const finding of found) findings.push({ ...finding, header: path });
    breaks += found.filter(isBreak).length;
  }
  checkRenames(options.renames, models);
  return { old: specs.old, new: specs.new, findings, coverage };
}

function headersIn(folder: string): string[] {
  const headers = [...headersBelow(folder, '', [])];
  if (headers.length === 0) throw new UsageError(`${folder} holds no header`, 'name a folder with .h files in it');
  return headers;
}

/** Their paths below `root`. Links are followed, but not into a folder that they are in. */
function* headersBelow(root: string, path: string, above: readonly string[]): Generator<string> {
  const here = realpathSync(join(root, path));
  if (above.includes(here)) return;
  for (const name of readdirSync(here)) {
    const inner = join(path, name);
    if (isFolder(join(root, inner))) yield* headersBelow(root, inner, [...above, here]);
    else if (name.endsWith('.h')) yield inner;
  }
}

interface FolderRun {
  readonly specs: { old: string; new: string };
  readonly options: PairOptions;
  readonly before: ReadonlySet<string>;
  readonly after: ReadonlySet<string>;
  /** Called for each pair of headers that could be read. */
  compared(comparison: Comparison): void;
}

function headerFindings(path: string, { specs, options, before, after, compared }: FolderRun): Finding[] {
  const side = { name: basename(path), at: undefined };
  const make = (kind: Finding['class'], message: string, sides: Pick<Finding, 'old' | 'new'>): Finding[] => [
    { subject: 'header', class: kind, message, ...sides },
  ];
  if (!after.has(path)) return make('removed', `${path} is gone`, { old: side });
  if (!before.has(path)) return make('added', `${path} is new`, { new: side });
  return onTargets(
    options.targets.map((target) => {
      const [older, newer] = [read(specs.old, options.old), read(specs.new, options.new)];
      function read(folder: string, load: LoadOptions): AbiModel | UsageError {
        try {
          return readHeader(findHeader(join(folder, path), {}), { ...load, target });
        } catch (error) {
          if (error instanceof UsageError) return error;
          throw error;
        }
      }
      const both = { old: side, new: side };
      if (newer instanceof UsageError) {
        const was = older instanceof UsageError ? 'not-compared' : 'does-not-compile';
        return { findings: make(was, `${path} can't be read: ${firstLine(newer)}`, both) };
      }
      if (older instanceof UsageError) {
        return { findings: make('not-compared', `${path} could not be read before: ${firstLine(older)}`, both) };
      }
      const comparison = compare(older, newer, options.renames);
      if (target === options.targets[0]) compared(comparison);
      return comparison;
    }),
    options.targets,
  );
}

function firstLine({ message }: Error): string {
  return message.split('\n')[0]!;
}

export const ONE_TARGET: readonly Target[] = [DEFAULT_TARGET];
