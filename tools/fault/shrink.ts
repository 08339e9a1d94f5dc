import { stringify } from 'yaml';
import type { DefectName } from '../../driver/core/defects.js';
import type { PathName } from '../../tests/selftests/case.js';
import { allCases } from '../../tests/selftests/index.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../selftest.js';
import { MachinePool } from './machine-pool.js';
import { loadPlan } from './plan-parse.js';
import { runPlan } from './plan-run.js';
import type { Plan } from './plan-types.js';
import { PlanNameError } from './plan-world.js';
import { Sweeper } from './sweep-job.js';
import { parseToken, type RunId, tokenOf } from './token.js';

/** `dmirror fault shrink`: prints the smallest token or plan that fails the same way. 1 as it fails, 2 when it does not. */
export async function shrink(what: string, { defect }: { defect: readonly string[] }, output: Output): Promise<number> {
  if (what.startsWith('dmf1:')) {
    output.out(tokenOf(await shrinkToken(parseToken(what))));
    return EXIT.fail;
  }
  const { plan, path } = await shrinkPlan(loadPlan(what), defect as DefectName[]);
  output.out(`# fails on the ${path} path`);
  output.out(stringify(plan).trimEnd());
  return EXIT.fail;
}

/** Numbers differ between runs of different length; the words are what makes a failure the same. */
function signature(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/0x[0-9a-f]+|\d+/g, 'N')).join('\n');
}

export async function shrinkToken(id: RunId): Promise<RunId> {
  const { seed, pages, rounds, defects } = id;
  const cases = new Map(allCases().map((testCase) => [testCase.name, testCase]));
  const sweeper = new Sweeper(cases, { seed, pages, rounds, defects, all: false, pairs: 0, first: false });
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

export async function shrinkPlan(plan: Plan, defects: readonly DefectName[]): Promise<{ plan: Plan; path: PathName }> {
  const pool = new MachinePool();
  const failureOf = async (at: Plan, path: PathName): Promise<string> => {
    try {
      const { failures, violations } = await runPlan(at, { path, defects, pool });
      // A step's number changes when others go.
      const texts = failures.map((line) => line.replace(/^(setup|step) \d+ /, ''));
      return signature([...violations.map(({ kind, message }) => `${kind} ${message}`), ...texts].slice(0, 1));
    } catch (error) {
      if (error instanceof PlanNameError) return '';
      throw error;
    }
  };
  for (const path of ['classic', 'unified'] as const) {
    const wanted = await failureOf(plan, path);
    if (wanted === '') continue;
    let best = plan;
    for (let again = true; again; ) {
      again = false;
      for (const smaller of smallerPlans(best)) {
        if ((await failureOf(smaller, path)) !== wanted) continue;
        best = smaller;
        again = true;
        break;
      }
    }
    return { plan: best, path };
  }
  throw new UsageError('this plan does not fail', 'run it with `dmirror fault run`');
}

/** The plan without one of its rules or steps, each in turn. */
function* smallerPlans(plan: Plan): Generator<Plan> {
  for (const key of ['rules', 'steps', 'setup'] as const) {
    const list = plan[key] ?? [];
    for (let i = list.length - 1; i >= 0; i--) yield { ...plan, [key]: [...list.slice(0, i), ...list.slice(i + 1)] };
  }
}
