import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { dialectAbi } from '../../../../tools/abi/load/dialect-model.js';
import { savedAbi, savedText } from '../../../../tools/abi/load/saved.js';
import { abiCheck } from '../../../../tools/commands/abi-check.js';
import { importScript } from '../../../../tools/fault/import/import.js';
import { dialectIds } from '../../../../uapi/dialect.js';
import { some } from '../../../counts.js';
import { ROOT } from '../../structure/tree.js';
import { recordedOutput } from '../recorded-output.js';

const PLANS = join(ROOT, 'tests/faults/plans');

/** What a schema that the package ships has against a document; dates are not looked at. */
function complaints(schema: string, document: unknown): string[] {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  const validate = ajv.compile(JSON.parse(readFileSync(join(ROOT, schema), 'utf8')));
  return validate(document) ? [] : validate.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`);
}

describe('what dmirror writes names its schema and fits it', () => {
  it.each(some(dialectIds(), 4))('the saved ABI of %s, which is read again as it was', (id) => {
    const model = dialectAbi(id)!;
    const text = savedText(model);
    const { $schema } = JSON.parse(text);
    expect(complaints($schema, JSON.parse(text))).toEqual([]);
    expect(JSON.parse(savedText(savedAbi(model.name, text)))).toEqual(JSON.parse(text));
  });

  it('suppressions, but for the reasons that are to be filled in', async () => {
    const output = recordedOutput();
    const base = { include: [], target: 'x86_64', skip: [], rename: [], format: 'text' } as const;
    await abiCheck({ old: 'M5', new: 'B-onfault' }, { ...base, writeSuppressions: 'known.json' }, output);
    const written = output.files.get('known.json')!;
    expect(complaints(JSON.parse(written).$schema, JSON.parse(written)).join()).toContain('reason');
    const filled = JSON.parse(written.replaceAll('"reason": ""', '"reason": "wanted"'));
    expect(filled.suppressions.length).toBeGreaterThan(0);
    expect(complaints(filled.$schema, filled)).toEqual([]);
  });

  it('an imported plan', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dmirror-schemas-'));
    const script = join(folder, 'fail.sh');
    writeFileSync(script, 'echo 10 > /sys/kernel/debug/failslab/probability\n./hmm-tests\n');
    const output = recordedOutput();
    importScript(script, output);
    rmSync(folder, { recursive: true });
    expect(output.lines[0]).toMatch(/\$schema=.*docs\/schemas\/plan\.schema\.json$/);
    const plan = parse(output.lines.join('\n'));
    expect(plan.rules).toHaveLength(1);
    expect(complaints('docs/schemas/plan.schema.json', plan)).toEqual([]);
  });
});

it.each(some(readdirSync(PLANS), 8))('the shipped plan %s fits the schema', (name) => {
  expect(complaints('docs/schemas/plan.schema.json', parse(readFileSync(join(PLANS, name), 'utf8')))).toEqual([]);
});

it.each([
  ['docs/schemas/plan.schema.json', { name: 'x', steps: [{ do: 'fly' }] }],
  ['docs/schemas/suppressions.schema.json', [{ class: 'removed', name: 'A' }]],
  ['docs/schemas/dialect.schema.json', { commands: [{ name: 'A', value: 7 }] }],
])('%s has something against what dmirror refuses', (schema, document) => {
  expect(complaints(schema, document)).not.toEqual([]);
});
