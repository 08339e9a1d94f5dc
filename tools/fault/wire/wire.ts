import { DEFAULT_PROFILE } from '../../../driver/mm/profile.js';
import type { PathName } from '../../../uapi/path-name.js';
import { EXIT } from '../../exit-code.js';
import type { Output } from '../../output.js';
import { KtapWriter } from '../../report/ktap.js';
import { type ResultFileOptions, resultFiles } from '../../report/result-files.js';
import type { CaseResult } from '../../report/runner.js';
import { definePlan } from '../plans/plan-parts.js';
import type { PlanResult } from '../plans/plan-result.js';
import { runPlan } from '../plans/plan-run.js';
import type { Plan, Rule } from '../plans/plan-schema.js';
import { faultsOf } from '../plans/run-plans.js';
import { jobsOf } from '../sweep/sweep.js';
import { WIRE_POINTS, type WirePoint } from './wire-points.js';

/**
 * A client that migrates a buffer and back, and before and behind it another session, which must not notice anything. Every
 * frame of the client, its hello the first, can be named by a rule.
 */
export function wirePlan(name: string, rules: Rule[]): Plan {
  return definePlan({
    name,
    machine: { ram_mib: 16 },
    setup: [
      { do: 'open', name: 'theirs', minor: 1 },
      { do: 'map', name: 'mine', pages: 8 },
      { do: 'store', on: 'mine', value: 3 },
      { do: 'migrate_to_dev', on: 'mine' },
    ],
    rules,
    steps: [
      { do: 'session', name: 'client' },
      { do: 'process', name: 'q', session: 'client' },
      { do: 'open', process: 'q', name: 'dev' },
      { do: 'map', process: 'q', name: 'buf', pages: 66 },
      { do: 'store', on: 'buf', value: 7 },
      { do: 'migrate_on_fault_to_dev', device: 'dev', on: 'buf' },
      { do: 'load', on: 'buf', pages: '0-1' },
      { do: 'migrate_to_sys', device: 'dev', on: 'buf' },
      { do: 'read', device: 'dev', on: 'buf' },
      { do: 'exit', process: 'q' },
      {
        do: 'read',
        device: 'theirs',
        on: 'mine',
        expect: { ret: 0, data: 3, memory: 3, session: 'open', error: 'none' },
      },
    ],
  });
}

interface WireOptions extends ResultFileOptions {
  readonly paths: readonly PathName[];
  readonly json: boolean;
}

/** One run with one mistreated frame. */
export interface WireCase {
  /** Without its path. */
  readonly name: string;
  readonly path: PathName;
  readonly status: 'pass' | 'fail';
  readonly message: string;
  readonly lines: readonly string[];
  /** As `--json` prints it. */
  readonly record: object;
}

/** `dmirror fault wire [CASE...]`: each interface fault at each frame of a client, or of cases whose machine is served. */
export async function sweepWire(
  names: readonly string[],
  { paths, ...how }: WireOptions,
  output: Output,
): Promise<number> {
  const units = clients(names, paths).flatMap((client) =>
    WIRE_POINTS.map(({ name: point }) => ({
      name: `${client.path} ${client.name}${point}`,
      run: () => planRuns(client, point),
    })),
  );
  return await reportRuns(units, how, output);
}

async function* planRuns({ path, planOf }: Client, point: WirePoint): AsyncGenerator<WireCase> {
  // The client has sent its last frame when a rule about the next one no longer strikes.
  for (let nth = 1; ; nth++) {
    const result = await runPlan(planOf({ name: 'struck', point, nth }), { path });
    if (result.fired.length === 0 && result.status === 'pass') return;
    const { name, status, failures } = result;
    const lines = linesOf(result);
    yield { name, path, status, lines, message: failures[0] ?? lines[0]!, record: { type: 'plan', ...result } };
  }
}

/** One kind of mistreatment at every frame of a client. */
export interface WireUnit {
  readonly name: string;
  run(): AsyncIterable<WireCase>;
}

/** Makes the runs and prints them, until a signal. The exit status. */
export async function reportRuns(
  all: readonly WireUnit[],
  { json, ...files }: Omit<WireOptions, 'paths'>,
  output: Output,
): Promise<number> {
  const writeFiles = resultFiles(files, output);
  const { stop, progress } = output;
  stop.watch();
  const runs: WireCase[] = [];
  const onRun = (run: WireCase): void => {
    const length = runs.push(run);
    progress.update({ done: length, total: length, isTotalOpen: true, failed: failedIn(runs), name: run.name });
  };
  for (const [i, unit] of output.share.pick(all, { nameOf: ({ name }) => name }).entries()) {
    if (i > 0 && (await stop.look())) break;
    const begun = output.now();
    const first = runs.length;
    if (!(await runUnit(unit, { onRun, output }))) break;
    output.share.keep(unit, runs.slice(first), output.now() - begun);
  }
  progress.clear();
  const failed = failedIn(runs);
  if (json) for (const { record } of runs) output.out(JSON.stringify({ schemaVersion: 1, ...record }));
  if (json && stop.isRequested) output.out('{"type":"interrupted"}');
  if (!json) writeKtap(runs, output);
  writeFiles(runs.map(caseResult), { name: 'dmirror fault wire', properties: {} });
  output.err(`${runs.length - failed} passed, ${failed} failed`);
  return failed > 0 ? EXIT.fail : EXIT.pass;
}

/** False: it was told to stop with runs left. Whether some are is known once another one was tried. */
async function runUnit(
  unit: WireUnit,
  { onRun, output: { share, stop } }: { onRun(run: WireCase): void; output: Output },
): Promise<boolean> {
  const known = share.known(unit) as WireCase[] | undefined;
  if (known !== undefined) {
    known.forEach(onRun);
    return true;
  }
  let isStopped = false;
  for await (const run of unit.run()) {
    onRun(run);
    if (isStopped) return false;
    isStopped = await stop.look();
  }
  return true;
}

function failedIn(runs: readonly WireCase[]): number {
  return runs.filter(({ status }) => status === 'fail').length;
}

interface Client {
  /** In front of what is done to it. */
  readonly name: string;
  readonly path: PathName;
  planOf(rule: Rule & { point: WirePoint; nth: number }): Plan;
}

function clients(names: readonly string[], paths: readonly PathName[]): Client[] {
  const frame = ({ point, nth }: { point: WirePoint; nth: number }): string => `${point}.frame_${nth}`;
  if (names.length === 0)
    return paths.map((path) => ({
      name: '',
      path,
      planOf: (rule) => wirePlan(frame(rule), [{ ...rule, session: 'client' }]),
    }));
  return paths.flatMap((path) =>
    jobsOf(names, { path, profile: DEFAULT_PROFILE.name }).map(({ name: selftest }) => ({
      name: `${selftest}.`,
      path,
      planOf: (rule) => definePlan({ name: `${selftest}.${frame(rule)}`, selftest, rules: [rule] }),
    })),
  );
}

function writeKtap(runs: readonly WireCase[], output: Output): void {
  const ktap = new KtapWriter(output.out);
  ktap.open(runs.length);
  ktap.diagnostic(`faults injected: ${WIRE_POINTS.map(({ name }) => name).join(', ')}, at one frame a run`);
  for (const { path, name, status, lines } of runs)
    ktap.result({ name: `${path}.${name}`, status, diagnostics: [...lines] });
  if (output.stop.isRequested) ktap.diagnostic('interrupted');
  ktap.close();
}

function linesOf(result: PlanResult): string[] {
  const { failures, violations, status, token } = result;
  const wrong = [...failures, ...violations.map(({ kind, message, after }) => `${kind}: ${message} (after ${after})`)];
  return [...(status === 'fail' ? [`faults injected: ${faultsOf(result)}`, ...wrong] : []), `token: ${token}`];
}

function caseResult({ name, path, status, message, lines }: WireCase): CaseResult {
  const base = { name: `wire.${name}`, suite: 'wire', path, ms: 0 };
  return status === 'pass' ? { ...base, status } : { ...base, status, message, diagnostics: lines };
}
