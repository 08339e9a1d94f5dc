import { stringify } from 'yaml';
import type { DefectName } from '../../driver/inject/defects.js';
import { MachinePool } from '../../driver/sys/machine/machine-pool.js';
import type { Judged } from '../../tests/conform/replay.js';
import { reduce } from '../../tests/conform/shrink/shrink.js';
import { EQUAL_PATHS } from '../../uapi/path-name.js';
import { defectNames } from '../defect-option.js';
import { EXIT, UsageError } from '../exit-code.js';
import { RACE_TOKEN } from '../explore/race-token.js';
import { shrinkLitmus } from '../explore/shrink-litmus.js';
import type { Output } from '../output.js';
import { judgeOps, OPS_TOKEN, type OpsId } from '../series/ops-run.js';
import { textOf } from '../series/race-shape.js';
import { isToken, runKind } from '../token/token.js';
import { checkPlan } from './plans/plan-check.js';
import { loadPlan } from './plans/plan-parse.js';
import { runPlan } from './plans/plan-run.js';
import type { Plan } from './plans/plan-schema.js';
import { PlanNameError } from './plans/plan-world.js';
import { schemaComment } from './plans/schema-comment.js';
import { PLAN_TOKEN, type PlanRunId, RUN_TOKEN, type RunId } from './run-token.js';
import { casesByName } from './sweep/cases.js';
import { Sweeper } from './sweep/sweep-job.js';

/** `dmirror fault shrink`: prints the smallest token or plan that fails the same way. 1 as it fails, 2 when it does not. */
export async function shrink(
  [what, file]: readonly [what: string, file?: string | undefined],
  { defect, outcome }: { defect: readonly string[]; outcome?: string | undefined },
  output: Output,
): Promise<number> {
  const kind = isToken(what) ? runKind(what) : null;
  if (file !== undefined && kind !== 'race') throw new UsageError(`'${what}' needs no '${file}'`, 'leave it out');
  if (outcome !== undefined && kind !== 'race')
    throw new UsageError(`--outcome is of a race, and '${what}' is no token of one`, 'leave it out');
  if (kind === 'run') {
    output.out(RUN_TOKEN.write(await shrinkToken(RUN_TOKEN.read(what))));
    return EXIT.fail;
  }
  if (kind === 'race') {
    const id = shrinkLitmus(RACE_TOKEN.read(what, file), outcome);
    const { setup, threads, observe } = id.test;
    const parts = [{ part: 'set-up', ops: setup }, ...threads.map((ops) => ({ part: 'thread', ops }))];
    for (const { part, ops } of [...parts, { part: 'observe', ops: observe }])
      output.out(`# ${part}: ${ops.join('; ')}`);
    output.out(RACE_TOKEN.write(id));
    return EXIT.fail;
  }
  if (kind === 'ops') {
    const id = shrinkOps(OPS_TOKEN.read(what));
    output.out(`# ${id.ops.join('; ')}`);
    output.out(OPS_TOKEN.write(id));
    return EXIT.fail;
  }
  if (kind === 'case' || kind === 'guest')
    throw new UsageError(
      `a token of the kind '${kind}' is of a program, from which nothing can be taken away`,
      'see its schedule with `dmirror explore replay TOKEN`',
    );
  const id =
    kind === null ? await shrinkPlan(loadPlan(what), defectNames(defect)) : await shrinkPlanRun(PLAN_TOKEN.read(what));
  output.out(schemaComment());
  output.out(`# fails on the ${id.path} path`);
  output.out(`# token: ${PLAN_TOKEN.write(id)}`);
  output.out(stringify(id.plan).trimEnd());
  return EXIT.fail;
}

/** Numbers differ between runs of different length; the words are what makes a failure the same. */
function signature(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/0x[0-9a-f]+|\d+/g, 'N')).join('\n');
}

export async function shrinkToken(id: RunId): Promise<RunId> {
  const { profile, seed, pages, rounds, defects } = id;
  const sweeper = new Sweeper(casesByName(profile), {
    profile,
    seed,
    pages,
    rounds,
    defects,
    all: false,
    pairs: 0,
    first: false,
  });
  const signatureOf = async (at: RunId): Promise<string> =>
    signature((await sweeper.runId(at)).violations.slice(0, 1).map(({ kind, message }) => `${kind} ${message}`));
  const wanted = await signatureOf(id);
  if (wanted === '') throw new UsageError('this token breaks no invariant', 'a token is printed with each finding');
  let best = id;
  for (let i = 0; i < best.injections.length; ) {
    const smaller = { ...best, injections: best.injections.filter((_, j) => j !== i) };
    if ((await signatureOf(smaller)) === wanted) best = smaller;
    else i++;
  }
  return best;
}

function shrinkOps(id: OpsId): OpsId {
  const wanted = judgeOps(id);
  if (wanted === null) throw new UsageError('nothing is wrong at these ops', 'see them with `dmirror fault replay`');
  const isSame = ({ violation }: Judged): boolean => textOf(violation) === textOf(wanted.violation);
  const { lines } = reduce(id.ops, (ops) => {
    const judged = judgeOps({ ...id, ops });
    return judged !== null && isSame(judged) ? judged : null;
  });
  return { ...id, ops: lines };
}

/** On the first path where it fails. */
async function shrinkPlan(plan: Plan, defects: readonly DefectName[]): Promise<PlanRunId> {
  const seed = plan.machine?.seed ?? 1;
  for (const path of plan.machine?.path === undefined ? EQUAL_PATHS : [plan.machine.path]) {
    const smaller = await shrinkOn({ plan, path, seed, defects });
    if (smaller !== null) return smaller;
  }
  throw new UsageError('this plan does not fail', 'run it with `dmirror fault run`');
}

async function shrinkPlanRun(id: PlanRunId): Promise<PlanRunId> {
  const smaller = await shrinkOn(id);
  if (smaller === null)
    throw new UsageError('the run of this token does not fail', 'see it with `dmirror fault replay`');
  return smaller;
}

/** Null when it does not fail. */
async function shrinkOn(id: PlanRunId): Promise<PlanRunId | null> {
  const pool = new MachinePool();
  const failureOf = async (plan: Plan): Promise<string> => {
    try {
      const { failures, violations } = await runPlan(plan, { ...id, pool });
      // A step's number changes when others go.
      const texts = failures.map((line) => line.replace(/^(setup|step) \d+ /, ''));
      return signature([...violations.map(({ kind, message }) => `${kind} ${message}`), ...texts].slice(0, 1));
    } catch (error) {
      if (error instanceof PlanNameError) return '';
      throw error;
    }
  };
  const wanted = await failureOf(id.plan);
  if (wanted === '') return null;
  let best = id.plan;
  for (let again = true; again; ) {
    again = false;
    for (const smaller of smallerPlans(best)) {
      if (checkPlan(smaller).length > 0 || (await failureOf(smaller)) !== wanted) continue;
      best = smaller;
      again = true;
      break;
    }
  }
  return { ...id, plan: best };
}

/** The plan without one of its rules or steps, each in turn. */
function* smallerPlans(plan: Plan): Generator<Plan> {
  for (const rules of without(plan.rules ?? [], 'then')) yield { ...plan, rules };
  for (const steps of without(plan.steps ?? [], 'steps')) yield { ...plan, steps };
  for (const setup of without(plan.setup ?? [], 'steps')) yield { ...plan, setup };
}

/** A list without one of its items, or of the items that those have under `key`, the last ones first. */
function* without<K extends string, T extends { [key in K]?: T[] }>(list: readonly T[], key: K): Generator<T[]> {
  for (let i = list.length - 1; i >= 0; i--) {
    const [before, item, behind] = [list.slice(0, i), list[i]!, list.slice(i + 1)];
    yield [...before, ...behind];
    for (const inner of without<K, T>(item[key] ?? [], key)) {
      const { [key]: _, ...rest } = item;
      yield [...before, (inner.length > 0 ? { ...item, [key]: inner } : rest) as T, ...behind];
    }
  }
}
