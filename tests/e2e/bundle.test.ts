import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as sources from '../../tools/fault-api.js';

const ROOT = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'dmirror-bundle-'));
const file = join(folder, 'fault-api.mjs');
let bundled: typeof sources;

beforeAll(async () => {
  const bundle = await rolldown({ input: join(ROOT, 'dist/tools/fault-api.js'), platform: 'node', logLevel: 'silent' });
  await bundle.write({ file, minify: true, format: 'esm', codeSplitting: false });
  bundled = await import(pathToFileURL(file).href);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What a rule about `point` strikes while `caller` is on the stack, and on what ways. */
async function strikes({ runPlan }: typeof sources, rule: Partial<sources.Rule>): Promise<unknown> {
  const plan = sources.definePlan({
    name: 'bundled',
    setup: [{ do: 'open' }, { do: 'map', name: 'buf', pages: 4 }, { do: 'store', on: 'buf' }],
    rules: [{ name: 'here', point: POINTS, return: RETURNS, times: 3, ...rule }],
    steps: [
      { do: 'migrate_to_dev', on: 'buf' },
      { do: 'load', on: 'buf' },
      { do: 'migrate_on_fault_to_dev', on: 'buf' },
      { do: 'migrate_to_sys', on: 'buf' },
    ],
  });
  const { fired } = await runPlan(plan, { path: 'unified' });
  return fired.map(({ point, phase, path }) => [point, phase, path]);
}

const POINTS = ['folio_trylock', 'device_copy', 'migrate_to_ram', 'notifier_invalidate'];
const RETURNS: sources.FaultReturn[] = ['FAIL', 'SIGBUS', 'EVENT'];

describe('a bundle of the package that a minifier has been over', () => {
  it.each([
    'migrate_vma_collect_pmd',
    'migrate_vma_pages',
    'migrateVmaPages',
    'hmm_range_fault',
    'hmm_vma_walk_pmd',
    'dmirror_devmem_fault',
    'do_swap_page',
  ])('knows when %s is on the stack', async (caller) => {
    const [mine, theirs] = [await strikes(sources, { caller }), await strikes(bundled, { caller })];
    expect(theirs).toEqual(mine);
    expect(mine).not.toEqual([]);
  });
});
