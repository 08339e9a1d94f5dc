import { availableParallelism } from 'node:os';
import { EQUAL_PATHS } from '../../uapi/path-name.js';
import { EXIT, UsageError } from '../exit-code.js';
import { conformLitmus, type LitmusResult } from '../explore/litmus-conform.js';
import { type Litmus, readLitmusFile } from '../explore/litmus-file.js';
import { neverSeenKind } from '../explore/never-seen.js';
import type { Output } from '../output.js';
import { type ResultFileOptions, resultFiles } from '../report/result-files.js';
import type { CaseResult } from '../report/runner.js';
import { workAll } from '../worker-pool.js';

export interface LitmusConformOptions extends ResultFileOptions {
  readonly path: string;
  /** Only tests of these names; empty: all. */
  readonly seq: readonly string[];
  readonly jobs?: number | undefined;
  readonly json?: boolean;
}

/** Schedules of one test at most. The rarest outcomes of the given recordings take some 40,000. */
const BUDGET = 120_000;

/** Holds recorded litmus tests against the machine and prints what is reached of what was seen. The exit status. */
export async function conformLitmusFiles(
  files: readonly string[],
  options: LitmusConformOptions,
  output: Output,
): Promise<number> {
  const { path, json = false } = options;
  const chosen = choose(files.flatMap(readLitmusFile), options.seq);
  const tests = output.share.pick(chosen, { nameOf: ({ name }) => `${path} ${name}`, files });
  const writeFiles = resultFiles(options, output);
  const how = { path, profile: '6.12', strategy: 'random', budget: BUDGET, seed: 1, isChecked: false };
  let done = 0;
  const results = await workAll<Litmus, LitmusResult>({
    module: new URL('../explore/conform-litmus-worker.js', import.meta.url),
    data: how,
    tasks: tests,
    jobs: options.jobs ?? availableParallelism(),
    here: () => (test) => conformLitmus(test, how as Parameters<typeof conformLitmus>[1], output.now),
    output,
    onResult: (_, { name }) => output.progress.update({ done: ++done, total: tests.length, failed: 0, name }),
  }).finally(() => output.progress.clear());
  const all = tests.flatMap((test) => results.get(test) ?? []);
  for (const result of all) for (const line of json ? [JSON.stringify(result)] : textOf(result)) output.out(line);
  writeFiles(
    all.map((result) => asCase(result, path)),
    { name: 'dmirror conform', properties: { profile: '6.12' } },
  );
  if (output.stop.isRequested) output.out(json ? '{"type":"interrupted"}' : '# interrupted');
  const summary = summaryOf(all, path);
  output.out(
    json
      ? JSON.stringify(summary)
      : `${summary.tests} tests, ${summary.reached} of ${summary.seen} outcomes reached, ${summary.missing} missing, ${summary.extra} extra, ${summary.schedules} schedules (path ${path})`,
  );
  return all.some((result) => isWrong(result, path)) ? EXIT.fail : EXIT.pass;
}

function choose(tests: readonly Litmus[], names: readonly string[]): readonly Litmus[] {
  const unknown = names.find((name) => !tests.some((test) => test.name === name));
  if (unknown !== undefined)
    throw new UsageError(`no litmus test is named '${unknown}'`, 'a test has its name in its line');
  return names.length === 0 ? tests : tests.filter(({ name }) => names.includes(name));
}

/** What a posting of the series does wrong is told, and no difference to the kernel that ran it. */
function isWrong({ missing, serial, findings }: LitmusResult, path: string): boolean {
  const isEqual = EQUAL_PATHS.some((name) => name === path);
  return missing.length > 0 || serial.length > 0 || (isEqual && findings.length > 0);
}

function summaryOf(results: readonly LitmusResult[], path: string) {
  const sum = (of: (result: LitmusResult) => number): number => results.reduce((all, result) => all + of(result), 0);
  const missing = sum((result) => result.missing.length);
  const seen = sum((result) => result.seen);
  const extra = sum((result) => result.extra.length);
  return {
    tests: results.length,
    seen,
    reached: seen - missing,
    missing,
    extra,
    schedules: sum((r) => r.schedules),
    path,
  };
}

function textOf({ name, seen, missing, extra, serial, findings, schedules }: LitmusResult): string[] {
  return [
    `${name}: ${seen - missing.length} of ${seen} reached, ${extra.length} extra, ${schedules} schedules`,
    ...serial.map((line) => `  serial ${line}`),
    ...findings.map((line) => `  finding ${line}`),
    ...missing.flatMap(({ outcome, count, nearest }) => [
      `  missing (seen ${count} times) ${outcome}`,
      `    nearest ${nearest}`,
    ]),
    ...extra.map(([outcome, count]) => {
      const kind = neverSeenKind(name, outcome);
      return `  extra (${count} schedules, ${kind === undefined ? 'not judged' : `possible: ${kind}`}) ${outcome}`;
    }),
  ];
}

function asCase(result: LitmusResult, path: string): CaseResult {
  const base = { name: `litmus.${result.name}`, suite: 'litmus', path: path as CaseResult['path'], ms: result.ms };
  if (!isWrong(result, path)) return { ...base, status: 'pass' };
  return {
    ...base,
    status: 'fail',
    message: `${result.missing.length} outcomes are missing`,
    diagnostics: textOf(result),
  };
}
