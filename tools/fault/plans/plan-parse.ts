import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { ProfileName } from '../../../driver/mm/profile.js';
import { inputBytes, UsageError } from '../../exit-code.js';
import { checkPlan } from './plan-check.js';
import type { PlanError } from './plan-errors.js';
import type { Plan } from './plan-schema.js';
import { planFile } from './shipped-plans.js';

/** Reads a plan file, or a shipped plan by its name, for a machine of `profile` if one is given. Throws UsageError that lists its mistakes as file:line:column. */
export function loadPlan(file: string, profile?: ProfileName): Plan {
  const source = inputBytes(planFile(file), 'name the file of a plan').toString('utf8');
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

export function parsePlan(source: string, profile?: ProfileName): { plan: Plan | undefined; errors: PlacedError[] } {
  const counter = new LineCounter();
  const document = parseDocument(source, { lineCounter: counter, prettyErrors: false });
  const place = (offset: number): { line: number; column: number } => {
    const { line, col } = counter.linePos(offset);
    return { line, column: col };
  };
  // A tag that nobody knows is only warned of.
  const wrong = [...document.errors, ...document.warnings];
  if (wrong.length > 0)
    return {
      plan: undefined,
      errors: wrong.map(({ pos, code, message }) => ({
        ...place(pos[0]),
        message: code === 'MULTIPLE_DOCS' ? 'a second document begins; a file has one plan' : message,
      })),
    };
  readVersionsAsText(document);
  if (profile !== undefined && isMap(document.contents)) document.setIn(['machine', 'profile'], profile);
  const plan: unknown = document.toJS();
  const errors = checkPlan(plan).map((error) => ({ ...place(offsetOf(document, error)), message: error.message }));
  return { plan: plan as Plan, errors };
}

const VERSIONS = ['profile', 'dialect'];

/** `dialect: 6.10` is the name that it looks like, and no number that YAML makes of it. */
function readVersionsAsText(document: Document): void {
  visit(document, {
    Pair(_, { key, value }) {
      if (!isScalar(key) || !VERSIONS.includes(String(key.value)) || !isScalar(value)) return;
      if (typeof value.value === 'number' && value.source !== undefined) value.value = value.source;
    },
  });
}

function offsetOf(document: Document, { path, isKey }: PlanError): number {
  if (isKey) {
    const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1)) : undefined;
    if (isNode(pair?.key)) return pair.key.range?.[0] ?? 0;
  }
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}
