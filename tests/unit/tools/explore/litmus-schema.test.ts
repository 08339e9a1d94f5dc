import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toJsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { expect, it } from 'vitest';
import { LITMUS, LITMUS_STEP, LITMUS_VERBS } from '../../../../tools/explore/litmus-schema.js';
import { opLines } from '../../../../tools/explore/litmus-steps.js';
import { VERBS } from '../../../../tools/fault/plans/plan-words.js';
import { ROOT } from '../../structure/tree.js';

const FILE = join(ROOT, 'docs/schemas/litmus.schema.json');

/** YAML reads the name of a version as a number, which dmirror takes back; bounds of all numbers say nothing. */
function asYaml(key: string, value: unknown): unknown {
  if (key === 'profile' || key === 'dialect') return { anyOf: [value, { type: 'number' }] };
  return typeof value === 'number' && Math.abs(value) === Number.MAX_SAFE_INTEGER ? undefined : value;
}

it('docs/schemas/litmus.schema.json says what is checked', () => {
  const schema = toJsonSchema(LITMUS, { errorMode: 'ignore', definitions: { step: LITMUS_STEP } });
  const text = `${JSON.stringify({ ...schema, title: 'A test of dmirror explore' }, asYaml, 1)}\n`;
  if (process.env.DMIRROR_UPDATE) writeFileSync(FILE, text);
  else expect(readFileSync(FILE, 'utf8'), 'DMIRROR_UPDATE=1 renews it').toBe(text);
});

it('takes the steps that the schema names, and refuses the others of plans', () => {
  const setup = ['open', 'map'].map((verb) => ({ do: verb }));
  for (const verb of VERBS) {
    const found = v.safeParse(LITMUS, {
      setup,
      threads: [[{ do: verb, ...(verb === 'advise' ? { advice: 'dontneed' } : {}) }]],
    });
    expect(found.success, verb).toBe(LITMUS_VERBS.includes(verb));
    if (found.success) expect(opLines(found.output, expect.fail).threads[0], verb).not.toEqual([]);
  }
});
