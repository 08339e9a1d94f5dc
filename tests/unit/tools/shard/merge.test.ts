import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { packageVersion } from '../../../../tools/package-root.js';
import { type Blob, blobText } from '../../../../tools/shard/blob.js';
import { mergeBlobs } from '../../../../tools/shard/merge.js';
import { checkRecorded, shardOptions } from '../../../../tools/shard/shard-option.js';
import { MergedShare, ShardShare } from '../../../../tools/shard/share.js';

/** Two shards of three, the second with what `change` says, and written as `text` has it. */
function merged(change: Partial<Blob>, text = (written: string): string => written) {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-merge-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const blob = (index: number): Blob => ({
    type: 'dmirror-blob',
    version: 1,
    package: packageVersion(),
    command: { name: 'fault sweep', options: ['--seed=1'], args: ['hmm'] },
    shard: { index, total: 3 },
    costs: { version: 1, hash: 'c0' },
    units: { count: 3, hash: 'u0', files: 'f0' },
    isInterrupted: false,
    results: [{ name: `classic ${index}`, ms: 1, result: { status: 'pass' } }],
  });
  writeFileSync(join(folder, 'a.json'), blobText(blob(1)));
  writeFileSync(join(folder, 'b.json'), text(blobText({ ...blob(2), ...change })));
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
  [{ package: '0.0.9' }, `b.json is of dmirror 0.0.9, this is ${packageVersion()}`],
  [
    { command: { name: 'fault sweep', options: ['--seed=2'], args: ['hmm'] } },
    "the command 'fault sweep --seed=2 hmm'",
  ],
  [{ command: { name: 'explore', options: [], args: [] } }, "the command 'explore'"],
  [{ shard: { index: 2, total: 4 } }, "the number of shards '4' and '3'"],
  [{ costs: { version: 1, hash: 'c1' } }, "the hash of the costs 'c1' and 'c0'"],
  [{ units: { count: 3, hash: 'u1', files: 'f0' } }, "the hash of the units 'u1' and 'u0'"],
  [{ units: { count: 3, hash: 'u0', files: 'f1' } }, "the hash of the files that the command names 'f1' and 'f0'"],
  [{ results: [{ name: 'classic 1', ms: 1, result: {} }] }, "results.0 is of 'classic 1', as one in "],
  [{ shard: { index: 1, total: 3 } }, 'are both shard 1'],
  [{ shard: { index: 1, total: 1e9 } }, 'b.json is no blob: shard: there is no such shard'],
  [{ version: 2 as 1 }, 'b.json is no blob: version: '],
])('%o is of no run with the other', (change, why) => {
  expect(merged(change)).toThrow(why);
});

it.each([
  ['"status":"pass"', '"status":"weird"', 'b.json is no blob: results.0 is not what the shard found'],
  ['"status":"pass"', '', 'results.0 is'],
  ['{"status":"pass"}', 'null', 'results.0'],
  ['classic 2', 'classic 3', 'results.0 is'],
  ['"count":3', '"count":4', 'b.json is no blob: it is not what the shard wrote'],
  ['"c0"', '"c1"', 'it is not'],
])('a change of %s to %s is seen', (from, to, why) => {
  expect(merged({}, (text) => text.replace(from, to))).toThrow(why);
});

it.each<[name: string, options: string[], why?: string]>([
  ['fault sweep', ['--all', '--seed=1', '--pairs', '--pairs=2', '--no-check']],
  ['fault sweep', ['--seed'], "'--seed', which no shard of 'fault sweep'"],
  ['fault sweep', ['--all=1'], "'--all=1', which no shard"],
  ['fault sweep', ['-a'], "'-a', which no shard"],
  ['fault sweep', ['--junit=/x'], "'--junit=/x', which no shard"],
  ['fault sweep', ['--trace=/x'], "'--trace=/x', which no shard"],
  ['fault sweep', ['--connect=/x'], "'--connect=/x', which no shard"],
  ['fault sweep', ['--help'], "'--help', which no shard"],
  ['fault sweep', ['--shard=1/2'], "'--shard=1/2', which no shard"],
  ['fault sweep', ['--'], "'--', which no shard"],
  ['fault run', [], "the blobs are of 'fault run', of which there are no shards"],
  ['sweep', [], 'no shards'],
])('%s with %o is what a shard ran: unless %s', (name, options, why) => {
  const root = new Command();
  const fault = root.command('fault');
  fault.command('run');
  shardOptions(fault.command('sweep'))
    .option('-a, --all')
    .option('--seed <n>')
    .option('--pairs [n]')
    .option('--no-check')
    .option('--junit <file>')
    .option('--trace <file>')
    .option('--connect <socket>');
  const check = () => checkRecorded(root, { name, options, args: [] });
  if (why === undefined) check();
  else expect(check).toThrow(why);
});

describe('a merged share', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-input-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const [given, other] = ['given', 'other'].map((name) => join(folder, name)) as [string, string];
  for (const file of [given, other]) writeFileSync(file, file);
  const named = (...names: string[]) => names.map((name) => ({ name }));
  const nameOf = ({ name }: { name: string }) => name;
  const pick = ({ units = named('a', 'b', 'a'), files = [given], isPartial = false, without = '', more = '' }) => {
    const share = new ShardShare({ index: 1, total: 1 }, { version: 1, hash: '', of: () => 1 });
    for (const unit of share.pick(named('a', 'b', 'a'), { nameOf, files: [given] })) share.keep(unit, { unit }, 1);
    const { units: whole, results } = share.blob();
    const found = new Map(results.map(({ name, result }) => [name, result]));
    found.delete(without);
    if (more !== '') found.set(more, {});
    return new MergedShare(found, { units: whole, isPartial }).pick(units, { nameOf, files }).length;
  };

  it('has the units that the shards have results of', () => {
    expect([pick({}), pick({ isPartial: true, without: 'a #2' })]).toEqual([3, 2]);
  });

  it.each([
    [{ units: named('a', 'b'), isPartial: true }, 'the units here are not those of the shards: 2 and 3'],
    [{ units: named('a', 'c', 'a') }, 'the units here are not those of the shards: others'],
    [{ files: [other] }, 'the files that the command names are not those of the shards'],
    [{ files: [] }, 'the files that the command names'],
    [{ without: 'a #2' }, "no shard has a result of 'a #2'"],
    [{ more: 'd' }, "there is no unit 'd'"],
  ])('refuses %o', (change, why) => {
    expect(() => pick(change)).toThrow(why);
  });
});
