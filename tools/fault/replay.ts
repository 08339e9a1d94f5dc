import { createHash } from 'node:crypto';
import type { Violation, Watch } from '../../driver/check/index.js';
import type { Fired } from '../../driver/inject/inject-engine.js';
import type { Machine } from '../../driver/sys/machine/machine.js';
import { MachinePool } from '../../driver/sys/machine/machine-pool.js';
import type { TraceEvent } from '../../driver/trace/trace-event.js';
import { eventLine } from '../../driver/trace/trace-text.js';
import { errnoName } from '../../uapi/errno.js';
import { EXIT, UsageError } from '../exit-code.js';
import { didYouMean } from '../nearest.js';
import type { Output } from '../output.js';
import { tokenKind } from '../token/token.js';
import type { TraceFile } from '../trace/trace-file.js';
import { openTrace, type TraceOptions } from '../trace/trace-option.js';
import { runPlan } from './plans/plan-run.js';
import { PlanNameError } from './plans/plan-world.js';
import { faultsOf } from './plans/run-plans.js';
import { PLAN_TOKEN, RUN_TOKEN } from './run-token.js';
import { casesByName } from './sweep/cases.js';
import { Sweeper } from './sweep/sweep-job.js';
import type { Served } from './wire/served.js';

interface Replay {
  readonly lines: string[];
  readonly isFailing: boolean;
}

/** The trace of the run that a token names, and its findings: the same bytes every time. */
export async function replayLines(
  token: string,
  { pool = new MachinePool(), trace = null }: { pool?: MachinePool; trace?: TraceFile | null } = {},
): Promise<Replay> {
  const replay =
    tokenKind(token) === 'plan' ? await replayPlan(token, pool, trace) : await replayRun(token, pool, trace);
  const digest = createHash('sha256').update(replay.lines.join('\n')).digest('hex');
  return { ...replay, lines: [...replay.lines, `# sha256 of the lines above: ${digest}`] };
}

async function replayRun(token: string, pool: MachinePool, trace: TraceFile | null): Promise<Replay> {
  const id = RUN_TOKEN.read(token);
  const { profile, seed, pages, rounds, defects } = id;
  const cases = casesByName(profile);
  if (!cases.has(id.name))
    throw new UsageError(
      `part 'case' of the token: there is no case '${id.name}'${didYouMean(id.name, [...cases.keys()])}`,
      'see the names with `dmirror selftest --list`',
    );
  const options = { profile, seed, pages, rounds, defects, all: false, pairs: 0, first: false };
  const sweeper = new Sweeper(cases, options, pool);
  const faults = id.injections.map(
    ({ point, phase, nth, returns }) => `${point} in ${phase}, hit ${nth}, returns ${returns}`,
  );
  const lines = [`# faults injected: ${faults.join('; ') || 'none'}`];
  const outcome = await sweeper.runId(id, { onBoot: (booted) => record(lines, booted, { trace, token }) });
  const missed = id.injections.length - lines.filter((line) => line.startsWith(FIRED)).length;
  if (missed > 0) lines.push(`# ${missed} of the faults did not happen: the run does not come there`);
  lines.push(`# ${outcome.status}${outcome.message === '' ? '' : `: ${outcome.message}`}`);
  lines.push(...outcome.violations.map(violationText));
  return { lines, isFailing: outcome.violations.length > 0 };
}

async function replayPlan(token: string, pool: MachinePool, trace: TraceFile | null): Promise<Replay> {
  const { plan, ...run } = PLAN_TOKEN.read(token);
  const events: string[] = [];
  try {
    const result = await runPlan(plan, { ...run, pool, onMachine: (seen) => record(events, seen, { trace, token }) });
    const { status, failures, violations, path, seed } = result;
    const lines = [`# faults injected: ${faultsOf(result)}`, `# plan ${plan.name} on ${path}, seed ${seed}`, ...events];
    lines.push(`# ${status}`, ...failures.map((line) => `# ${line}`), ...violations.map(violationText));
    return { lines, isFailing: status === 'fail' };
  } catch (error) {
    if (error instanceof PlanNameError)
      throw new UsageError(`the plan of the token: ${error.message}`, 'print it anew');
    throw error;
  }
}

/** Writes down all that a machine does from now on. */
function record(
  lines: string[],
  { machine, watch, served }: { machine: Machine; watch: Watch; served?: Served | null },
  { trace, token }: { trace: TraceFile | null; token: string },
): void {
  const note = (event: TraceEvent): void => void lines.push(eventLine(event));
  if (trace === null) machine.listen(note);
  else trace.listen(machine, { name: token, also: note });
  machine.kernel.inject.onFire = (fired) => void lines.push(firedText(fired));
  watch.onResult = ({ pid, name, device }, { ret, signal }) => {
    const result = ret < 0 ? `-${errnoName(ret)}` : String(ret);
    lines.push(`# ${pid} ${device?.name ?? name} = ${result}${signal === undefined ? '' : ` signal ${signal.signo}`}`);
  };
  if (served) served.onFrame = (text) => void lines.push(`# ${text}`);
}

const FIRED = '# fired: ';

function firedText({ rule, command, page, path }: Fired): string {
  return `${FIRED}${rule}, ${command}, page ${page}, ${path.join(' < ')}`;
}

function violationText({ kind, message, after }: Violation): string {
  return `# ${kind}: ${message} (after ${after})`;
}

/** Prints the trace of a run under faults; 1 when it fails again. */
export async function replayFault(token: string, options: TraceOptions, output: Output): Promise<number> {
  const trace = openTrace(options);
  const { lines, isFailing } = await replayLines(token, { trace });
  trace?.end();
  for (const line of lines) output.out(line);
  return isFailing ? EXIT.fail : EXIT.pass;
}
