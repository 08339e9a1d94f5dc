import type { ProfileName } from '../../../driver/mm/profile.js';
import { inputBytes, UsageError } from '../../exit-code.js';
import { readYaml } from '../../yaml-file.js';
import { checkPlan } from './plan-check.js';
import type { Plan } from './plan-schema.js';
import { planFile } from './shipped-plans.js';

/** Reads a plan file, or a shipped plan by its name, for a machine of `profile` if one is given. Throws UsageError that lists its mistakes as file:line:column. */
export function loadPlan(file: string, profile?: ProfileName): Plan {
  const source = inputBytes(planFile(file), 'name the file of a plan');
  const { plan, errors } = parsePlan(source, profile);
  if (errors.length > 0 || plan === undefined) {
    const lines = errors.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`);
    throw new UsageError([...new Set(lines)].join('\n'), 'docs/fault-injection.md says what a plan can have');
  }
  return plan;
}

/** A mistake with its place, both from 1. */
interface PlacedError {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export function parsePlan(
  source: Buffer | string,
  profile?: ProfileName,
): { plan: Plan | undefined; errors: PlacedError[] } {
  const { value, mistakes, place } = readYaml(Buffer.from(source as string));
  if (mistakes.length > 0) return { plan: undefined, errors: [...mistakes] };
  const plan = profile === undefined ? value : onProfile(value as Plan, profile);
  const errors = checkPlan(plan).map(({ path, isKey, message }) => ({
    ...place(path, isKey ? 'key' : 'value'),
    message,
  }));
  return { plan: plan as Plan, errors };
}

/** What is no plan stays what it is: it has mistakes. */
function onProfile(plan: Plan, profile: ProfileName): Plan {
  if (typeof plan !== 'object' || typeof (plan?.machine ?? {}) !== 'object') return plan;
  return { ...plan, machine: { ...plan.machine, profile } };
}
