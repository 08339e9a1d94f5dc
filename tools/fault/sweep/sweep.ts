import { INJECT_POINTS, phasesIn } from '../../../driver/inject/inject-points.js';
import type { ProfileName } from '../../../driver/mm/profile.js';
import type { PathName } from '../../../uapi/path-name.js';
import { defectNames } from '../../defect-option.js';
import { EXIT, UsageError } from '../../exit-code.js';
import { globToRegExp } from '../../glob.js';
import { profileOption } from '../../kernel-profile.js';
import { didYouMean } from '../../nearest.js';
import type { Output } from '../../output.js';
import { pathsOf } from '../../path-option.js';
import { KtapWriter } from '../../report/ktap.js';
import { type ResultFileOptions, resultFiles } from '../../report/result-files.js';
import type { CaseResult } from '../../report/runner.js';
import { openTrace } from '../../trace/trace-option.js';
import { workOff } from '../../worker-pool.js';
import { replayLines } from '../replay.js';
import { casesOf } from './cases.js';
import { findingLines } from './finding-text.js';
import { buildId, Journal } from './journal.js';
import type { JobResult, SweepJob, SweepOptions } from './sweep-job.js';
import { joinSlices, sliceName, slicesOf } from './sweep-slices.js';
import { SweepState } from './sweep-state.js';
import { type SweepTask, sweepWork, type TaskResult } from './sweep-worker.js';

export interface SweepCommand extends ResultFileOptions {
  readonly seed: number;
  readonly path: PathName | undefined;
  readonly profile: string;
  readonly all: boolean;
  readonly pairs: number;
  readonly pages: number;
  readonly rounds: number;
  readonly workers: number;
  readonly defect: readonly string[];
  readonly json: boolean;
  readonly fresh: boolean;
  readonly first: boolean;
  readonly trace?: string | undefined;
  readonly traceFormat?: string | undefined;
}

/** `dmirror fault sweep`: fails every chosen hit of every point in turn. 0 without findings, 1 with. */
export async function sweep(names: readonly string[], command: SweepCommand, output: Output): Promise<number> {
  const options = optionsOf(command);
  const { share } = output;
  const all = jobsOf(names, { path: command.path, profile: options.profile });
  const jobs = share.pick(share.isWhole ? all : slicesOf(all), {
    nameOf: (unit) => `${unit.path} ${sliceName(unit)}`,
  });
  const known = jobs.map((job) => [job, share.known(job) as JobResult | undefined] as const);
  const done = new Map(known.filter((each): each is readonly [SweepJob, JobResult] => each[1] !== undefined));
  const toDo = share.isMerged ? [] : jobs;
  const journal = Journal.open({ build: buildId(), options, jobs: toDo }, { fresh: command.fresh });
  const state = new SweepState(toDo, journal, { first: options.first, now: output.now });
  if (state.doneRuns > 0) {
    output.err(`resumed: ${state.doneRuns} runs were done before`);
    output.err(`they are kept in ${journal.file}; --fresh begins anew`);
  }
  const stop = output.stop.watch();
  void stop.whenRequested.then(() => {
    state.isStopped = true;
  });
  const writeFiles = resultFiles(command, output);
  const trace = openTrace(command);
  const started = output.now();
  const show = (name: string): void => {
    const { doneRuns: done, totalRuns: total, isTotalOpen, failed } = state;
    output.progress.update({ done, total, isTotalOpen, failed: failed.size, name });
  };
  show('');
  await workOff<SweepTask, TaskResult>({
    module: new URL('./sweep-worker.js', import.meta.url),
    data: options,
    here: () => sweepWork(options),
    workers: command.workers,
    memory: output.memory,
    take: async () => (!state.isAllTaken && (await stop.look()) ? null : await state.take()),
    onResult(task, result) {
      state.onResult(task, result);
      show(`${task.job.path} ${task.job.name}`);
    },
  });
  output.progress.clear();
  for (const { job, result, ms } of state.results()) {
    done.set(job, result);
    if (result.left === 0) share.keep(job, result, ms);
  }
  const finished = joinSlices(jobs, done, options);
  // Runs are many and findings few: those are run again for the file.
  if (trace !== null)
    for (const { findings } of finished) for (const { token } of findings) await replayLines(token, { trace });
  trace?.end();
  writeFiles(finished.map(caseResult), {
    name: 'dmirror fault sweep',
    properties: { seed: command.seed, profile: options.profile },
  });
  report(finished, {
    command,
    output,
    total: new Set(jobs.map(({ path, name }) => `${path} ${name}`)).size,
    ms: output.now() - started,
  });
  const left = jobs.length - [...done.values()].filter(({ left }) => left === 0).length;
  if (left > 0) {
    output.err(
      `interrupted: ${left} ${share.isWhole ? 'cases' : 'parts'} are left; ${state.doneRuns} runs are kept in ${journal.file}: the same command goes on with them, with --fresh it begins anew`,
    );
    return EXIT.fail;
  }
  journal.end();
  return finished.some(({ findings }) => findings.length > 0) ? EXIT.fail : EXIT.pass;
}

function optionsOf({ profile, seed, pages, rounds, all, pairs, defect, first }: SweepCommand): SweepOptions {
  return { profile: profileOption(profile), seed, pages, rounds, all, pairs, first, defects: defectNames(defect) };
}

/** A name is a case, a suite, the front part of names, or a pattern. */
export function jobsOf(
  names: readonly string[],
  { path, profile }: { path: PathName | undefined; profile: ProfileName },
): SweepJob[] {
  const cases = casesOf(profile);
  const chosen = new Set<string>();
  for (const name of names) {
    const pattern = globToRegExp(name);
    const found = cases.filter(
      (c) => c.name === name || c.name.startsWith(`${name}.`) || c.suite === name || pattern.test(c.name),
    );
    if (found.length === 0) {
      const meant = didYouMean(
        name,
        cases.flatMap((c) => [c.name, c.suite]),
      );
      throw new UsageError(`no case matches '${name}'${meant}`, 'see the names with `dmirror selftest --list`');
    }
    for (const c of found) chosen.add(c.name);
  }
  const paths = pathsOf(path);
  const used = names.length === 0 ? cases : cases.filter((c) => chosen.has(c.name));
  return paths.flatMap((p) => used.map((c) => ({ name: c.name, path: p })));
}

/** Why no finding says nothing of a case. */
function reasonToSkip({ skipped, left }: JobResult): string | undefined {
  if (skipped) return 'the case skips itself';
  return left > 0 ? `interrupted, ${left} runs are left` : undefined;
}

function caseResult(result: JobResult): CaseResult {
  const { name, path, findings } = result;
  const base = { name: `sweep.${name}`, suite: 'sweep', path, ms: 0 };
  if (findings.length > 0) {
    const message = `${findings.length} findings`;
    return { ...base, status: 'fail', message, diagnostics: findings.flatMap(findingLines) };
  }
  const reason = reasonToSkip(result);
  return reason === undefined ? { ...base, status: 'pass' } : { ...base, status: 'skip', reason };
}

function report(
  results: readonly JobResult[],
  { command, output, total, ms }: { command: SweepCommand; output: Output; total: number; ms: number },
): void {
  const runs = results.reduce((sum, result) => sum + result.runs, 0);
  const findings = results.flatMap((result) => result.findings);
  const hits = visited(results);
  const never = declaredSites(profileOption(command.profile)).filter((site) => !hits.has(site));
  if (command.json) {
    for (const result of results) output.out(JSON.stringify({ schemaVersion: 1, type: 'case', ...result }));
    output.out(
      JSON.stringify({
        schemaVersion: 1,
        type: 'end',
        runs,
        findings: findings.length,
        visited: Object.fromEntries(hits),
        never,
        ...(output.stop.isRequested ? { interrupted: true } : {}),
      }),
    );
  } else {
    writeKtap(results, { output, hits, never });
  }
  output.err(
    `${runs} runs of ${results.length} of ${total} cases, ${findings.length} findings, ${hits.size} of ${hits.size + never.length} sites visited, ${(ms / 1000).toFixed(1)} s`,
  );
}

function writeKtap(
  results: readonly JobResult[],
  { output, hits, never }: { output: Output; hits: ReadonlyMap<string, number>; never: readonly string[] },
): void {
  const ktap = new KtapWriter(output.out);
  ktap.open(results.length);
  ktap.diagnostic('faults injected: one a run (two with --pairs), at the sites listed at the end');
  for (const result of results) {
    const { name, path, findings, runs, parts } = result;
    const reason = reasonToSkip(result);
    ktap.result({
      name: `${path}.${name}`,
      status: findings.length > 0 ? 'fail' : reason === undefined ? 'pass' : 'skip',
      ...(reason === undefined ? {} : { reason }),
      diagnostics: [
        ...findings.flatMap(findingLines),
        parts === undefined ? `runs: ${runs}` : `runs: ${runs}, of ${parts} parts`,
      ],
    });
  }
  ktap.diagnostic(`visited, with hits of the clean runs: ${[...hits].map(([site, n]) => `${site} ${n}`).join(', ')}`);
  ktap.diagnostic(`never visited: ${never.join(', ') || 'none'}`);
  if (output.stop.isRequested) ktap.diagnostic('interrupted');
  ktap.close();
}

function visited(results: readonly JobResult[]): Map<string, number> {
  const hits = new Map<string, number>();
  for (const result of results)
    for (const [site, count] of Object.entries(result.hits)) hits.set(site, (hits.get(site) ?? 0) + count);
  return new Map([...hits].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Every site of the catalogue that a machine of the profile has; the interface's points are not in it. */
function declaredSites(profile: ProfileName): string[] {
  return INJECT_POINTS.flatMap((point) => phasesIn(point, profile).map((phase) => `${point.name}/${phase}`));
}
