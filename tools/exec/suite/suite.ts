import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { EXIT, UsageError } from '../../exit-code.js';
import type { Output } from '../../output.js';
import { shipped } from '../../package-root.js';
import { KtapWriter } from '../../report/ktap.js';
import { type ResultFileOptions, resultFiles } from '../../report/result-files.js';
import type { CaseResult } from '../../report/runner.js';
import { workAll } from '../../worker-pool.js';
import { countResults, countsText, type SuiteCounts } from './suite-counts.js';
import { readSuiteFile, type SuiteRun } from './suite-file.js';

export interface SuiteOptions extends ResultFileOptions {
  readonly expect?: string | undefined;
  readonly jobs?: number | undefined;
  readonly json: boolean;
  /** `markdown` prints the rows of a table in place of KTAP. */
  readonly format: 'ktap' | 'markdown';
  /** Only these programs. */
  readonly only: readonly string[];
  /** The options of `exec` for every program, as words. */
  readonly words: readonly string[];
  readonly path: CaseResult['path'];
}

export interface SuiteResult extends SuiteCounts {
  /** Null: it was not run. */
  readonly status: number | null;
  readonly output: string;
  readonly ms: number;
}

const NOT_RUN: SuiteResult = { status: null, output: '', ms: 0, pass: 0, fail: 0, skip: 0, xfail: 0 };
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
const KEPT_LINES = 40;

/** `dmirror exec --suite`: runs the programs of a folder, each on a machine of its own, and answers the exit status. */
export async function execSuite(folder: string, options: SuiteOptions, output: Output): Promise<number> {
  const writeFiles = resultFiles(options, output);
  const planned = planRuns(folder, options);
  const runs = output.share.pick(planned, {
    nameOf: (run) => `${options.path} ${nameOf(run)}`,
    files: [
      ...(options.expect === undefined ? [] : [options.expect]),
      ...programsOf(folder)
        .filter((name) => planned.some(({ program }) => program === name))
        .map((name) => join(folder, name)),
    ],
  });
  const stop = output.stop.watch();
  const { children } = output.memory;
  void stop.whenRequested.then(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  const run = async (one: SuiteRun): Promise<SuiteResult> => {
    const result = await runOne(folder, one, { words: options.words, now: output.now, children });
    // One that was ended has no result.
    return stop.isRequested ? NOT_RUN : result;
  };
  let done = 0;
  let failed = 0;
  const results = await workAll<SuiteRun, SuiteResult>({
    tasks: runs,
    runners: Array.from({ length: options.jobs ?? availableParallelism() }, () => ({ run })),
    output,
    onResult(one, result) {
      if (asCase(one, result, options.path).status === 'fail') failed++;
      output.progress.update({ done: ++done, total: runs.length, failed, name: one.program });
    },
  });
  output.progress.clear();
  const cases = runs.map((one) => asCase(one, results.get(one), options.path));
  if (options.json) for (const one of cases) output.out(JSON.stringify(one));
  else if (options.format === 'markdown') printTable(runs, results, output);
  else printKtap(cases, output);
  writeFiles(cases, { name: 'dmirror exec --suite', properties: { folder } });
  const unexpected = cases.filter(({ status }) => status === 'fail').map(({ name }) => name);
  if (unexpected.length > 0) output.err(`dmirror exec: unexpected: ${unexpected.join(', ')}`);
  if (unexpected.length > 0 || stop.isRequested) return EXIT.fail;
  const skipped = cases.filter(({ status }) => status === 'skip').length;
  return skipped === planned.length ? EXIT.skip : EXIT.pass;
}

/** What the file lists, then the programs that it does not know. */
export function planRuns(folder: string, { expect, only }: Pick<SuiteOptions, 'expect' | 'only'>): SuiteRun[] {
  const programs = programsOf(folder);
  const listed = expect === undefined ? [] : readSuiteFile(expect);
  const others = programs.filter((program) => !listed.some((run) => run.program === program));
  const all = [...listed, ...others.map((program): SuiteRun => ({ program, args: [], needs: {} }))];
  const unknown = only.find((name) => !all.some(({ program }) => program === name));
  if (unknown !== undefined)
    throw new UsageError(`there is no program '${unknown}' in ${folder}`, `there are: ${programs.join(', ')}`);
  const chosen = only.length === 0 ? all : all.filter(({ program }) => only.includes(program));
  if (chosen.length === 0) throw new UsageError(`${folder} holds no programs`, 'it takes static RV64 Linux programs');
  return chosen;
}

/** Links to programs are programs too, and those to nothing are none. */
function programsOf(folder: string): string[] {
  const names = readable(folder, () => readdirSync(folder)).sort();
  return names.filter((name) => {
    const path = join(folder, name);
    return readable(path, () => statSync(path, { throwIfNoEntry: false })?.isFile() === true && isElf(path));
  });
}

function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${path} can't be read: ${code}`, '--suite takes a folder of programs');
  }
}

function isElf(path: string): boolean {
  const fd = openSync(path, 'r');
  const head = Buffer.alloc(ELF.length);
  readSync(fd, head);
  closeSync(fd);
  return head.equals(ELF);
}

/** The words behind `dmirror exec`. */
function commandOf({ program, args, needs }: SuiteRun, words: readonly string[]): string[] {
  const own = Object.entries(needs).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return [...words, ...own, `./${program}`, ...args];
}

/** `children` has its process while there is one. */
export async function runOne(
  folder: string,
  run: SuiteRun,
  { words, now, children }: { words: readonly string[]; now: () => number; children: Set<ChildProcess> },
): Promise<SuiteResult> {
  if (run.out !== undefined) return NOT_RUN;
  const start = now();
  const child = spawn(process.execPath, [shipped('bin/dmirror.js'), 'exec', ...commandOf(run, words)], {
    cwd: folder,
    // By the channel it sees when we are gone.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  children.add(child);
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => void chunks.push(chunk));
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      children.delete(child);
      const text = Buffer.concat(chunks).toString('latin1');
      resolve({ status: code ?? EXIT.signal, output: text, ms: now() - start, ...countResults(text) });
    });
  });
}

function nameOf({ program, args }: SuiteRun): string {
  return [program, ...args].join(' ');
}

export function asCase(run: SuiteRun, result: SuiteResult | undefined, path: CaseResult['path']): CaseResult {
  const base = { name: nameOf(run), suite: 'exec', path, ms: result?.ms ?? 0 };
  if (run.out !== undefined) return { ...base, status: 'skip', reason: run.out };
  if (result === undefined || result.status === null) return { ...base, status: 'skip', reason: 'interrupted' };
  const wrong = run.expect === undefined ? [] : differences(run.expect, result);
  const counted = `status ${result.status}, pass/fail/skip ${countsText(result)}`;
  if (run.expect === undefined && result.status === EXIT.skip) return { ...base, status: 'skip', reason: counted };
  const isAsExpected = run.expect === undefined ? result.status === 0 && result.fail === 0 : wrong.length === 0;
  if (isAsExpected) return { ...base, status: 'pass', diagnostics: [counted] };
  const lines = result.output.trimEnd().split('\n').slice(-KEPT_LINES);
  const message = wrong.length === 0 ? counted : `${wrong.join(', ')} (${counted})`;
  return { ...base, status: 'fail', message, diagnostics: [message, ...lines] };
}

function differences(expect: NonNullable<SuiteRun['expect']>, result: SuiteResult): string[] {
  return (['status', 'pass', 'fail', 'skip', 'xfail'] as const).flatMap((key) => {
    const wanted = expect[key];
    return wanted === undefined || wanted === result[key] ? [] : [`${key} is ${result[key]}, not ${wanted}`];
  });
}

function printKtap(cases: readonly CaseResult[], { out, stop }: Output): void {
  const ktap = new KtapWriter(out);
  ktap.open(cases.length);
  for (const result of cases) ktap.result(result);
  ktap.close();
  if (stop.isRequested) out('# interrupted');
}

function printTable(runs: readonly SuiteRun[], results: ReadonlyMap<SuiteRun, SuiteResult>, { out }: Output): void {
  out('| program | options | status | pass/fail/skip | differs from Linux |');
  out('|---|---|---|---|---|');
  for (const run of runs) {
    const result = results.get(run);
    const needs = Object.entries(run.needs).map(([name, value]) => `--${name} ${value}`);
    const answer =
      result === undefined || result.status === null ? 'not run | ' : `${result.status} | ${countsText(result)}`;
    out(`| ${nameOf(run)} | ${needs.join(' ')} | ${answer} | ${run.out ?? run.differs ?? ''} |`);
  }
}
