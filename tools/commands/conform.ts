import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { readRecording, type Sequence } from '../../tests/conform/recording.js';
import type { PathName } from '../../uapi/path-name.js';
import { replayAll } from '../conform/conform-jobs.js';
import { asCases, divergenceText, type FiledResult, rerunCommand, summaryText } from '../conform/conform-report.js';
import { shrinkCommand } from '../conform/conform-shrink.js';
import { replayTraced } from '../conform/conform-trace.js';
import type { SequenceResult, WorkerSetup } from '../conform/conform-worker.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';
import { shippedFiles } from '../package-root.js';
import { junitXml } from '../report/junit.js';

export interface ConformOptions {
  readonly path: PathName;
  /** Only sequences of these names; empty: all. */
  readonly seq: readonly string[];
  readonly invariants: boolean;
  /** Worker threads; undefined: one for each core. */
  readonly jobs?: number | undefined;
  readonly json?: boolean;
  readonly junit?: string | undefined;
  /** Print everything that the machine does. */
  readonly trace?: boolean;
  readonly shrink?: string | undefined;
  readonly against?: string | undefined;
}

/** A sequence and the file that it came from. */
interface Filed {
  readonly file: string;
  readonly sequence: Sequence;
}

/** Replays recordings, those of the package where none are given, and prints the first divergence of each sequence that has one. The exit status. */
export async function conform(files: readonly string[], options: ConformOptions, output: Output): Promise<number> {
  if (options.shrink !== undefined) return shrinkOne(files, options, output);
  if (options.against !== undefined) throw new UsageError('--against needs --shrink SEQ', SEE_HELP);
  const given = files.length > 0 ? files : shippedFiles('tests/conform/recordings', '.gz');
  const chosen = choose(load(given), options.seq);
  const junit = options.junit === undefined ? null : output.file('--junit', options.junit);
  const at = new Date();
  const results = await replay(chosen, options, output);
  for (const result of results) report(result, options, output);
  junit?.write(
    junitXml(asCases(results, options.path), { name: 'dmirror conform', at, properties: { profile: '6.12' } }),
  );
  if (output.stop.isRequested) output.out(options.json === true ? '{"type":"interrupted"}' : '# interrupted');
  const summary = {
    sequences: results.length,
    ops: results.reduce((sum, { ops }) => sum + ops, 0),
    divergences: results.filter(({ divergence }) => divergence !== null).length,
    path: options.path,
  };
  output.out(options.json === true ? JSON.stringify(summary) : summaryText(summary));
  return summary.divergences === 0 ? EXIT.pass : EXIT.fail;
}

const SEE_HELP = 'see `dmirror conform --help`';
const GIVE_FILES = 'give files of recordings';

function shrinkOne(files: readonly string[], options: ConformOptions, output: Output): number {
  const { shrink, against, path, json = false } = options;
  if (against === undefined) throw new UsageError('--shrink needs --against CONFIGURATION', SEE_HELP);
  const sequences = load(files).map(({ sequence }) => sequence);
  return shrinkCommand(sequences, { shrink: shrink!, against, path, json }, output);
}

async function replay(chosen: readonly Filed[], options: ConformOptions, output: Output): Promise<FiledResult[]> {
  const { path, invariants } = options;
  const withFile = (result: SequenceResult, i: number): FiledResult => ({ ...result, file: chosen[i]!.file });
  if (options.trace === true) {
    const how = { path, invariants, out: output.out };
    return chosen.map(({ sequence }) => replayTraced(sequence, how)).map(withFile);
  }
  const setup: WorkerSetup = { path, invariants };
  const total = chosen.length;
  let done = 0;
  let failed = 0;
  const onResults = (results: readonly SequenceResult[]): void => {
    done += results.length;
    failed += results.filter(({ divergence }) => divergence !== null).length;
    output.progress.update({ done, total, failed, name: `${path} ${results.at(-1)?.seq ?? ''}` });
  };
  onResults([]);
  const jobs = options.jobs ?? availableParallelism();
  const sequences = chosen.map(({ sequence }) => sequence);
  const { stop } = output;
  const results = await replayAll(sequences, { setup, jobs, onResults, stop: stop.watch() }).finally(() =>
    output.progress.clear(),
  );
  return results.map(withFile);
}

function report({ file, divergence, ops, seq }: FiledResult, { json, path }: ConformOptions, { out }: Output): void {
  const rerun = rerunCommand(file, seq, path);
  if (json === true) {
    out(
      JSON.stringify(divergence === null ? { seq, file, ops, status: 'pass' } : fail(file, { ...divergence, rerun })),
    );
  } else if (divergence !== null) {
    for (const line of divergenceText(divergence, rerun)) out(line);
  }
}

function fail(file: string, divergence: object): object {
  return { ...divergence, file, status: 'fail' };
}

function load(files: readonly string[]): Filed[] {
  for (const file of files) {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined) throw new UsageError(`no such file: ${file}`, GIVE_FILES);
    if (found.isDirectory()) throw new UsageError(`${file} is a folder`, `${GIVE_FILES}, as ${join(file, '*.gz')}`);
  }
  return files.flatMap((file) => read(file).map((sequence) => ({ file, sequence })));
}

function read(file: string): Sequence[] {
  try {
    const found = readRecording(file);
    if (found.length === 0) throw new Error(`${file}: it is empty`);
    return found;
  } catch (error) {
    throw new UsageError((error as Error).message, 'a recording has one JSON object a line, plain or gzip');
  }
}

function choose(all: readonly Filed[], names: readonly string[]): readonly Filed[] {
  const unknown = names.find((name) => !all.some(({ sequence }) => sequence.seq === name));
  if (unknown !== undefined || all.length === 0)
    throw new UsageError(`no sequence is named '${unknown ?? 'anything'}'`, 'sequences are named like mix-17');
  return names.length === 0 ? all : all.filter(({ sequence }) => names.includes(sequence.seq));
}
