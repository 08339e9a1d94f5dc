import * as v from 'valibot';
import { issueAt } from '../../yaml-file.js';
import { PLAN } from './plan-schema.js';

/** A mistake in a plan: where, as keys from the top, and what. `isKey`: the key itself is wrong, not its value. */
export interface PlanError {
  readonly path: Path;
  readonly message: string;
  readonly isKey?: boolean;
}

export type Path = readonly (string | number)[];

/** Every way in which `plan` does not look like one, in order. */
export function shapeErrors(plan: unknown): PlanError[] {
  const { issues = [] } = v.safeParse(PLAN, plan, { abortPipeEarly: true });
  return issues.flatMap((issue) => errorsOf(issue, []));
}

function errorsOf(issue: v.BaseIssue<unknown>, before: Path): PlanError[] {
  const [path, message, part] = issueAt(issue, before);
  if (issue.type !== 'union') return [{ path, message, isKey: part === 'key' }];
  const meant = meantBy(issue);
  return meant === undefined ? [{ path, message }] : errorsOf(meant, path);
}

/** What is wrong with the one of several shapes that a value of this type is for. */
function meantBy({ issues, input }: v.BaseIssue<unknown>): v.BaseIssue<unknown> | undefined {
  if (Array.isArray(input)) return issues?.find(({ path, type }) => path !== undefined || type === 'min_length');
  const bases = ['number', 'string', 'array', ...(typeof input === 'string' ? [] : ['picklist'])];
  return issues?.find(({ type }) => !bases.includes(type));
}
