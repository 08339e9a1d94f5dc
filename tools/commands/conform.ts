import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_PATH, type PathName } from '../../uapi/path-name.js';
import { conformLitmusFiles } from '../conform/conform-litmus.js';
import { asCases, divergenceText, rerunCommand, summaryText } from '../conform/conform-report.js';
import { shrinkCommand } from '../conform/conform-shrink.js';
import { replayTraced } from '../conform/conform-trace.js';
import { isProved, type ReplayTask, replayWork, type SequenceResult } from '../conform/conform-worker.js';
import { recordingInput } from '../conform/recording-input.js';
import { EXIT, inputBytes, UsageError } from '../exit-code.js';
import { isLitmusFile } from '../explore/litmus-file.js';
import { saidPaths } from '../explore/said-paths.js';
import type { Output } from '../output.js';
import { shippedFiles } from '../package-root.js';
import { type ResultFileOptions, resultFiles } from '../report/result-files.js';
import { openTrace } from '../trace/trace-option.js';
import { workAll } from '../worker-pool.js';

export interface ConformOptions extends ResultFileOptions {
  /** Overrides what the files say. */
  readonly path?: PathName | undefined;
  /** Only sequences of these names; empty: all. */
  readonly seq: readonly string[];
  /** Undefined: on the two paths that must be equal. A posting's defects make the proof fail where the kernel answers. */
  readonly invariants?: boolean | undefined;
  /** Worker threads; undefined: one for each core. */
  readonly jobs?: number | undefined;
  readonly json?: boolean;
  /** Print everything that the machine does, or write it to a file. */
  readonly trace?: boolean | string;
  readonly traceFormat?: string | undefined;
  readonly shrink?: string | undefined;
  readonly against?: string | undefined;
}

/** A sequence that was found in a file. */
interface Filed extends ReplayTask {
  /** What of the file says so; null where nothing does, or the command overrides it. */
  readonly why: string | null;
}

/** Replays recordings, those of the package where none are given, and prints the first divergence of each sequence that has one. The exit status. */
export async function conform(
  named: readonly string[],
  { trace: traced, ...rest }: ConformOptions,
  output: Output,
): Promise<number> {
  // A format of no file is a mistake.
  if (typeof traced !== 'string') openTrace({ traceFormat: rest.traceFormat });
  const { files, trace } = filesAndTrace(named, traced);
  const options = trace === undefined ? rest : { ...rest, trace };
  if (options.shrink !== undefined) return shrinkOne(files, options, output);
  if (options.against !== undefined) throw new UsageError('--against needs --shrink SEQ', SEE_HELP);
  if (areLitmus(files)) {
    const { seq, jobs, json = false, junit, html } = options;
    const path = options.path ?? onePath(files, output);
    return conformLitmusFiles(files, { path, seq, jobs, json, junit, html }, output);
  }
  const given = files.length > 0 ? files : shippedFiles('tests/conform/recordings', '.gz');
  const chosen = output.share.pick(choose(load(given, options), options.seq), { nameOf, files });
  sayPaths(chosen, options, output);
  const writeFiles = resultFiles(options, output);
  const results = await replay(chosen, options, output);
  for (const result of results) report(result, options, output);
  writeFiles(asCases(results), { name: 'dmirror conform', properties: { profile: '6.12' } });
  if (output.stop.isRequested) output.out(options.json === true ? '{"type":"interrupted"}' : '# interrupted');
  const summary = {
    sequences: results.length,
    ops: results.reduce((sum, { ops }) => sum + ops, 0),
    divergences: results.filter(({ divergence }) => divergence !== null).length,
    path: [...new Set(results.map(({ path }) => path))].join(', ') || (options.path ?? DEFAULT_PATH),
  };
  output.out(options.json === true ? JSON.stringify(summary) : summaryText(summary));
  return summary.divergences === 0 ? EXIT.pass : EXIT.fail;
}

function nameOf({ path, sequence }: Filed): string {
  return `${path} ${sequence.seq}`;
}

/** `--trace` without a file may stand before a recording, which is no place for a trace. */
function filesAndTrace(
  files: readonly string[],
  trace: boolean | string | undefined,
): { files: readonly string[]; trace: boolean | string | undefined } {
  const isRecording = typeof trace === 'string' && /\.(gz|jsonl)$/.test(trace) && existsSync(trace);
  return isRecording ? { files: [trace, ...files], trace: true } : { files, trace };
}

const SEE_HELP = 'see `dmirror conform --help`';
const GIVE_FILES = 'give files of recordings';

/** All are of litmus tests, or none: the two are not for one command. */
function areLitmus(files: readonly string[]): boolean {
  const litmus = files.filter(isLitmusFile);
  const other = files.find((file) => !litmus.includes(file));
  if (litmus.length > 0 && other !== undefined) {
    // What can't be read is told first.
    inputBytes(other, 'name a file of litmus tests');
    throw new UsageError(`${litmus[0]} has litmus tests and ${other} has none`, 'give them to two commands');
  }
  return litmus.length > 0;
}

/** Of litmus files. */
function onePath(files: readonly string[], output: Output): PathName {
  const paths = [...new Set(saidPaths(files, output).map((path) => path ?? DEFAULT_PATH))];
  if (paths.length > 1)
    throw new UsageError(`the files are of several paths: ${paths.join(', ')}`, 'give them to a command each');
  return paths[0]!;
}

function shrinkOne(files: readonly string[], options: ConformOptions, output: Output): number {
  const { shrink, against, path = DEFAULT_PATH, json = false } = options;
  if (against === undefined) throw new UsageError('--shrink needs --against CONFIGURATION', SEE_HELP);
  const sequences = load(files, options).map(({ sequence }) => sequence);
  return shrinkCommand(sequences, { shrink: shrink!, against, path, json }, output);
}

async function replay(chosen: readonly Filed[], options: ConformOptions, output: Output): Promise<SequenceResult[]> {
  const { trace, jobs = availableParallelism(), invariants } = options;
  if (trace !== undefined && trace !== false) return replayWatched(chosen, { ...options, trace }, output);
  let failed = 0;
  let done = 0;
  const results = await workAll<Filed, SequenceResult>({
    module: new URL('../conform/conform-worker.js', import.meta.url),
    data: { invariants },
    tasks: chosen,
    jobs,
    here: () => replayWork({ invariants }),
    output,
    onResult: (_, { path, seq, divergence }) => {
      if (divergence !== null) failed++;
      output.progress.update({ done: ++done, total: chosen.length, failed, name: `${path} ${seq}` });
    },
  }).finally(() => output.progress.clear());
  return chosen.flatMap((filed) => results.get(filed) ?? []);
}

/** In this thread, with what the machine does printed, or in a file. */
function replayWatched(
  chosen: readonly Filed[],
  { trace, traceFormat, ...options }: ConformOptions & { readonly trace: true | string },
  output: Output,
): SequenceResult[] {
  const file = trace === true ? null : openTrace({ trace, traceFormat });
  const work = replayWork(options, { onMachine: (machine, name) => file?.listen(machine, { name }) });
  const results = chosen.map((filed) =>
    trace === true ? replayTraced(filed, { invariants: isProved(filed.path, options), out: output.out }) : work(filed),
  );
  file?.end();
  return results;
}

function report({ file, divergence, ops, seq, path }: SequenceResult, { json }: ConformOptions, { out }: Output): void {
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

function load(files: readonly string[], options: ConformOptions): Filed[] {
  for (const file of files) {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined) throw new UsageError(`no such file: ${file}`, GIVE_FILES);
    if (found.isDirectory()) throw new UsageError(`${file} is a folder`, `${GIVE_FILES}, as ${join(file, '*.gz')}`);
  }
  return files.flatMap((file) => {
    const { sequences, path: found, why } = recordingInput(file);
    const path = options.path ?? found ?? DEFAULT_PATH;
    const reason = options.path === undefined && found !== null ? why : null;
    return sequences.map((sequence) => ({ file, sequence, path, why: reason }));
  });
}

/** Of each file that says which path it was recorded on. */
function sayPaths(chosen: readonly Filed[], { json }: ConformOptions, { out }: Output): void {
  for (const { file, path, why } of new Map(chosen.map((filed) => [filed.file, filed])).values()) {
    if (why === null) continue;
    out(json === true ? JSON.stringify({ type: 'path', file, path, why }) : `# ${file}: path ${path}, by ${why}`);
  }
}

function choose(all: readonly Filed[], names: readonly string[]): readonly Filed[] {
  const unknown = names.find((name) => !all.some(({ sequence }) => sequence.seq === name));
  if (unknown !== undefined || all.length === 0)
    throw new UsageError(`no sequence is named '${unknown ?? 'anything'}'`, 'sequences are named like mix-17');
  return names.length === 0 ? all : all.filter(({ sequence }) => names.includes(sequence.seq));
}
