import { UsageError } from '../exit-code.js';
import { type Blob, readBlobs } from './blob.js';

/** The shards of one command, put together. */
export interface Merged {
  readonly command: Blob['command'];
  readonly units: Blob['units'];
  readonly results: Blob['results'];
  /** What is lacking, a line each: shards that are missing or were interrupted. */
  readonly lacking: readonly string[];
}

/** Reads the blobs of a folder. Throws UsageError where they are not of one run. */
export function mergeBlobs(folder: string): Merged {
  const all = readBlobs(folder);
  const [first] = all;
  const { blob: whole } = first!;
  for (const { file, blob } of all) {
    const differs = DIFFERENCES.find(([, of]) => of(blob) !== of(whole));
    if (differs === undefined) continue;
    const [what, of] = differs;
    throw new UsageError(
      `${file} is not of the same run as ${first!.file}: ${what} '${of(blob)}' and '${of(whole)}'`,
      'merge the shards of one run of one command alone',
    );
  }
  const byIndex = new Map<number, string>();
  for (const { file, blob } of all) {
    const other = byIndex.get(blob.shard.index);
    if (other !== undefined)
      throw new UsageError(`${other} and ${file} are both shard ${blob.shard.index}`, 'leave one of them out');
    byIndex.set(blob.shard.index, file);
  }
  const { total } = whole.shard;
  const indexes = Array.from({ length: total }, (_, i) => i + 1);
  const missing = indexes.filter((i) => !byIndex.has(i)).map((i) => `shard ${i} of ${total} is missing`);
  const cut = all
    .filter(({ blob }) => blob.isInterrupted)
    .map(({ file, blob }) => `shard ${blob.shard.index} of ${total} was interrupted: ${file}`);
  checkNames(all);
  const { command, units } = whole;
  return { command, units, results: all.flatMap(({ blob }) => blob.results), lacking: [...missing, ...cut] };
}

/** A unit is done once. */
function checkNames(all: ReturnType<typeof readBlobs>): void {
  const files = new Map<string, string>();
  for (const { file, blob } of all)
    for (const [i, { name }] of blob.results.entries()) {
      const other = files.get(name);
      if (other !== undefined)
        throw new UsageError(`${file}: results.${i} is of '${name}', as one in ${other}`, 'leave one of them out');
      files.set(name, file);
    }
}

const DIFFERENCES: readonly (readonly [what: string, of: (blob: Blob) => string | number])[] = [
  ['the command', ({ command: { name, options, args } }) => [name, ...options, ...args].join(' ')],
  ['the number of shards', ({ shard }) => shard.total],
  ['the hash of the costs', ({ costs }) => costs.hash],
  ['the number of units', ({ units }) => units.count],
  ['the hash of the units', ({ units }) => units.hash],
  ['the hash of the files that the command names', ({ units }) => units.files],
];
