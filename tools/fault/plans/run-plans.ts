import { DEFAULT_PROFILE } from '../../../driver/mm/profile.js';
import type { Machine } from '../../../driver/sys/machine/machine.js';
import { MachinePool } from '../../../driver/sys/machine/machine-pool.js';
import type { PathName } from '../../../uapi/path-name.js';
import { defectNames } from '../../defect-option.js';
import { EXIT, UsageError } from '../../exit-code.js';
import { shellQuote } from '../../glob.js';
import { profileOption } from '../../kernel-profile.js';
import type { Output } from '../../output.js';
import { pathsOf } from '../../path-option.js';
import { junitXml } from '../../report/junit.js';
import { KtapWriter } from '../../report/ktap.js';
import { openTrace, type TraceOptions } from '../../trace/trace-option.js';
import { loadPlan } from './plan-parse.js';
import type { PlanResult } from './plan-result.js';
import { runPlan } from './plan-run.js';
import type { Plan } from './plan-schema.js';
import { PlanNameError } from './plan-world.js';

interface RunPlansOptions extends TraceOptions {
  readonly path?: PathName;
  /** Instead of the plan's. */
  readonly profile?: string | undefined;
  readonly seed?: number;
  readonly defect: readonly string[];
  readonly json: boolean;
  readonly junit?: string;
}

/** One run of a plan file, with the seed of the command line. */
interface FileResult {
  readonly file: string;
  readonly ms: number;
  readonly result: PlanResult;
  readonly seed: number | undefined;
}

/** `dmirror fault run`: every plan on its path, or on both. 0, 1 with failures, 2 when a plan is wrong. */
export async function runPlans(files: readonly string[], options: RunPlansOptions, output: Output): Promise<number> {
  const defects = defectNames(options.defect);
  const profile = options.profile === undefined ? undefined : profileOption(options.profile);
  const plans = files.map((file) => ({ file, plan: seeded(loadPlan(file, profile), options.seed) }));
  const junit = options.junit === undefined ? null : output.file('--junit', options.junit);
  const trace = openTrace(options);
  const at = new Date();
  const { stop } = output;
  stop.watch();
  const pool = new MachinePool();
  const results: FileResult[] = [];
  for (const { file, plan } of plans) {
    for (const path of pathsOf(options.path ?? plan.machine?.path)) {
      if (await stop.look()) break;
      const started = output.now();
      try {
        const onMachine = ({ machine }: { machine: Machine }) =>
          trace?.listen(machine, { name: `${path}.${plan.name}` });
        const result = await runPlan(plan, { path, seed: options.seed, defects, pool, onMachine });
        results.push({ file, ms: output.now() - started, result, seed: options.seed });
      } catch (error) {
        if (error instanceof PlanNameError)
          throw new UsageError(`${file}: ${error.message}`, 'names are made by earlier steps');
        throw error;
      }
    }
  }
  trace?.end();
  if (options.json)
    for (const { file, result } of results)
      output.out(JSON.stringify({ schemaVersion: 1, type: 'plan', file, ...result }));
  else writeKtap(results, output);
  junit?.write(
    junitXml(results.map(junitResult), { name: 'dmirror fault run', at, properties: { seed: options.seed, profile } }),
  );
  const failed = results.filter(({ result }) => result.status === 'fail').length;
  output.err(`${results.length - failed} passed, ${failed} failed`);
  return failed > 0 ? EXIT.fail : EXIT.pass;
}

function writeKtap(results: readonly FileResult[], output: Output): void {
  const ktap = new KtapWriter(output.out);
  ktap.open(results.length);
  for (const one of results) {
    const { result } = one;
    const diagnostics = result.status === 'fail' ? planFailureLines(one) : [`faults injected: ${faultsOf(result)}`];
    ktap.result({ name: `${result.path}.${result.name}`, status: result.status, diagnostics });
  }
  if (output.stop.isRequested) ktap.diagnostic('interrupted');
  ktap.close();
}

/** A seed of the command line decides who runs when, and what has a probability, unless the plan names a scheduler. */
function seeded(plan: Plan, seed: number | undefined): Plan {
  return seed === undefined ? plan : { ...plan, machine: { scheduler: 'random', ...plan.machine, seed } };
}

/** What went wrong in a plan, the injected faults first. */
function planFailureLines({ file, result, seed }: FileResult): string[] {
  const defects = result.defects.map((name) => ` --defect ${name}`).join('');
  const profile = result.profile === DEFAULT_PROFILE.name ? '' : ` --profile ${result.profile}`;
  return [
    `faults injected: ${faultsOf(result)}`,
    ...result.failures,
    ...result.violations.map(({ kind, message, after }) => `${kind}: ${message} (after ${after})`),
    ...codePaths(result),
    `rerun: npx --no-install dmirror fault run ${shellQuote(file)} --path ${result.path}${profile}${seed === undefined ? '' : ` --seed ${seed}`}${defects}`,
    `token: ${result.token}`,
  ];
}

/** How the kernel came to each fault, each way once. */
function codePaths({ fired }: PlanResult): string[] {
  const traced = fired.filter(({ path }) => path.length > 0);
  return [...new Set(traced.map(({ rule, path }) => `code path of '${rule}': ${path.join(' < ')}`))];
}

/** The faults that struck, in one line. */
export function faultsOf({ fired }: Pick<PlanResult, 'fired'>): string {
  const texts = fired.map(
    ({ rule, point, phase, command, page }) =>
      `${rule} = ${point} in ${phase} of ${command}${page < 0 ? '' : ` page ${page}`}`,
  );
  return texts.length > 6 ? `${texts.slice(0, 6).join(', ')} and ${texts.length - 6} more` : texts.join(', ') || 'none';
}

function junitResult(one: FileResult): Parameters<typeof junitXml>[0][number] {
  const { ms, result } = one;
  const lines = planFailureLines(one);
  const base = { name: `plans.${result.name}`, suite: 'plans', path: result.path, ms };
  if (result.status === 'pass') return { ...base, status: 'pass' };
  return { ...base, status: 'fail', message: lines[0]!, diagnostics: lines };
}
