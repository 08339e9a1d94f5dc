import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { costsOf, costsText } from '../../../../tools/shard/costs.js';

it('costs that are alike are one line, others have their own, and parts are of their whole', () => {
  const alike = Array.from({ length: 99 }, (_, i) => ({ name: `classic mix-${i}`, ms: 9 + (i % 3) }));
  const parts = [600, 800].map((ms, i) => ({ name: `classic hmm.long ${i + 1} of 2`, ms }));
  const text = costsText('x', [
    ...alike,
    { name: 'unified mix-far', ms: 70 },
    ...parts,
    { name: 'classic hmm.a', ms: 1 },
  ]);
  expect(JSON.parse(text).commands).toEqual({ x: { 'hmm.a': 1, 'hmm.long': 1400, mix: 10, 'mix-far': 70 } });
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-costs-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'costs.json');
  writeFileSync(file, text);
  const { of } = costsOf('x', file);
  expect(['mix-7', 'mix-far', 'mix-far.b', 'hmm.long 2 of 4'].map((name) => of(`classic ${name}`))).toEqual([
    10, 70, 70, 350,
  ]);
});
