import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toJsonSchema } from '@valibot/to-json-schema';
import { expect, it } from 'vitest';
import { PLAN, RULE, STEP } from '../../../../../tools/fault/plans/plan-schema.js';
import { ROOT } from '../../../structure/tree.js';

const FILE = join(ROOT, 'docs/schemas/plan.schema.json');

/** YAML reads the name of a version as a number, which dmirror takes back; bounds of all numbers say nothing. */
function asYaml(key: string, value: unknown): unknown {
  if (key === 'profile' || key === 'dialect') return { anyOf: [value, { type: 'number' }] };
  return typeof value === 'number' && Math.abs(value) === Number.MAX_SAFE_INTEGER ? undefined : value;
}

it('docs/schemas/plan.schema.json says what is checked', () => {
  const schema = toJsonSchema(PLAN, {
    target: 'draft-2020-12',
    errorMode: 'ignore',
    definitions: { step: STEP, rule: RULE },
  });
  const text = `${JSON.stringify({ ...schema, title: 'A plan of dmirror fault' }, asYaml, 1)}\n`;
  if (process.env.DMIRROR_UPDATE) writeFileSync(FILE, text);
  else expect(readFileSync(FILE, 'utf8'), 'DMIRROR_UPDATE=1 renews it').toBe(text);
});
