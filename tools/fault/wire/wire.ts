import { DEFAULT_PROFILE } from '../../../driver/mm/profile.js';
import type { PathName } from '../../../uapi/path-name.js';
import { EXIT } from '../../exit-code.js';
import type { Output } from '../../output.js';
import { junitXml } from '../../report/junit.js';
import { KtapWriter } from '../../report/ktap.js';
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

interface WireRun {
  readonly path: PathName;
  readonly result: PlanResult;
}

interface WireOptions {
  readonly paths: readonly PathName[];
  readonly json: boolean;
  readonly junit?: string | undefined;
}

/** `dmirror fault wire [CASE...]`: each interface fault at each frame of a client, or of cases whose machine is served. */
export async function sweepWire(
  names: readonly string[],
  { paths, json, junit }: WireOptions,
  output: Output,
): Promise<number> {
  const runs: WireRun[] = [];
  const file = junit === undefined ? null : output.file('--junit', junit);
  const at = new Date();
  const { stop } = output;
  stop.watch();
  for (const { path, planOf } of clients(names, paths)) {
    for (const point of WIRE_POINTS.map(({ name }) => name)) {
      // The client has sent its last frame when a rule about the next one no longer strikes.
      for (let nth = 1; !(await stop.look()); nth++) {
        const plan = planOf({ name: 'struck', point, nth });
        const result = await runPlan(plan, { path });
        if (result.fired.length === 0 && result.status === 'pass') break;
        runs.push({ path, result });
        const { name } = plan;
        const { length } = runs;
        output.progress.update({ done: length, total: length, isTotalOpen: true, failed: failedOf(runs), name });
      }
    }
  }
  output.progress.clear();
  if (json) for (const { result } of runs) output.out(JSON.stringify({ schemaVersion: 1, type: 'plan', ...result }));
  else writeKtap(runs, output);
  file?.write(junitXml(runs.map(junitResult), { name: 'dmirror fault wire', at, properties: {} }));
  output.err(`${runs.length - failedOf(runs)} passed, ${failedOf(runs)} failed`);
  return failedOf(runs) > 0 ? EXIT.fail : EXIT.pass;
}

interface Client {
  readonly path: PathName;
  planOf(rule: Rule & { point: WirePoint; nth: number }): Plan;
}

function clients(names: readonly string[], paths: readonly PathName[]): Client[] {
  const frame = ({ point, nth }: { point: WirePoint; nth: number }): string => `${point}.frame_${nth}`;
  if (names.length === 0)
    return paths.map((path) => ({ path, planOf: (rule) => wirePlan(frame(rule), [{ ...rule, session: 'client' }]) }));
  return paths.flatMap((path) =>
    jobsOf(names, { path, profile: DEFAULT_PROFILE.name }).map(({ name: selftest }) => ({
      path,
      planOf: (rule) => definePlan({ name: `${selftest}.${frame(rule)}`, selftest, rules: [rule] }),
    })),
  );
}

function failedOf(runs: readonly WireRun[]): number {
  return runs.filter(({ result }) => result.status === 'fail').length;
}

function writeKtap(runs: readonly WireRun[], output: Output): void {
  const ktap = new KtapWriter(output.out);
  ktap.open(runs.length);
  ktap.diagnostic(`faults injected: ${WIRE_POINTS.map(({ name }) => name).join(', ')}, at one frame a run`);
  for (const { path, result } of runs) {
    ktap.result({ name: `${path}.${result.name}`, status: result.status, diagnostics: linesOf(result) });
  }
  if (output.stop.isRequested) ktap.diagnostic('interrupted');
  ktap.close();
}

function linesOf(result: PlanResult): string[] {
  const { failures, violations, status, token } = result;
  const wrong = [...failures, ...violations.map(({ kind, message, after }) => `${kind}: ${message} (after ${after})`)];
  return [...(status === 'fail' ? [`faults injected: ${faultsOf(result)}`, ...wrong] : []), `token: ${token}`];
}

function junitResult({ path, result }: WireRun): CaseResult {
  const base = { name: `wire.${result.name}`, suite: 'wire', path, ms: 0 };
  if (result.status === 'pass') return { ...base, status: 'pass' };
  const diagnostics = linesOf(result);
  return { ...base, status: 'fail', message: result.failures[0] ?? diagnostics[0]!, diagnostics };
}
