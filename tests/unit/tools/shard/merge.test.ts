import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Blob } from '../../../../tools/shard/blob.js';
import { mergeBlobs } from '../../../../tools/shard/merge.js';

/** Two shards of three, the second with what `change` says. */
function merged(change: Partial<Blob>) {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-merge-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const blob = (index: number): Blob => ({
    type: 'dmirror-blob',
    version: 1,
    package: '1.2.3',
    command: { name: 'fault sweep', options: ['--seed=1'], args: ['hmm'] },
    shard: { index, total: 3 },
    costs: { version: 1, hash: 'c0' },
    units: { count: 3, hash: 'u0' },
    isInterrupted: false,
    results: [{ name: `classic ${index}`, ms: 1, result: index }],
  });
  writeFileSync(join(folder, 'a.json'), JSON.stringify(blob(1)));
  writeFileSync(join(folder, 'b.json'), JSON.stringify({ ...blob(2), ...change }));
  return () => mergeBlobs(folder);
}

it('what is lacking of a run is said', () => {
  expect(merged({})()).toMatchObject({
    results: [{ name: 'classic 1' }, { name: 'classic 2' }],
    lacking: ['shard 3 of 3 is missing'],
  });
  const { lacking } = merged({ isInterrupted: true })();
  expect(lacking).toEqual([
    'shard 3 of 3 is missing',
    expect.stringMatching(/^shard 2 of 3 was interrupted: .*b\.json$/),
  ]);
});

it.each([
  [{ package: '1.2.4' }, "the version of dmirror '1.2.4' and '1.2.3'"],
  [
    { command: { name: 'fault sweep', options: ['--seed=2'], args: ['hmm'] } },
    "the command 'fault sweep --seed=2 hmm'",
  ],
  [{ command: { name: 'explore', options: [], args: [] } }, "the command 'explore'"],
  [{ shard: { index: 2, total: 4 } }, "the number of shards '4' and '3'"],
  [{ costs: { version: 1, hash: 'c1' } }, "the hash of the costs 'c1' and 'c0'"],
  [{ units: { count: 3, hash: 'u1' } }, "the hash of the units 'u1' and 'u0'"],
  [{ shard: { index: 1, total: 3 } }, 'are both shard 1'],
  [{ version: 2 as 1 }, 'b.json is no blob: version: '],
])('%o is of no run with the other', (change, why) => {
  expect(merged(change)).toThrow(why);
});
