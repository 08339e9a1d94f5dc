import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { UsageError } from '../exit-code.js';
import { BLOB_FOLDER } from './share.js';

const RESULT = v.strictObject({ name: v.string(), ms: v.number(), result: v.unknown() });
const BLOB = v.strictObject({
  type: v.literal('dmirror-blob'),
  version: v.literal(1),
  /** Of the package. */
  package: v.string(),
  /** What runs the whole again, without options that only say how it is shown or worked off. */
  command: v.strictObject({ name: v.string(), options: v.array(v.string()), args: v.array(v.string()) }),
  shard: v.strictObject({ index: v.number(), total: v.number() }),
  costs: v.strictObject({ version: v.number(), hash: v.string() }),
  /** How many units the whole has, and a hash of their names. */
  units: v.strictObject({ count: v.number(), hash: v.string() }),
  isInterrupted: v.boolean(),
  results: v.array(RESULT),
});

/** What one shard of a command found, to be merged with the others. */
export type Blob = v.InferOutput<typeof BLOB>;
export type BlobResult = v.InferOutput<typeof RESULT>;

/** The file of a shard in BLOB_FOLDER, which is made. */
export function blobFile(command: string, { index, total }: Blob['shard']): string {
  mkdirSync(BLOB_FOLDER, { recursive: true });
  return join(BLOB_FOLDER, `${command.replaceAll(' ', '-')}-${index}-of-${total}.json`);
}

const HINT = 'blobs are what `--shard I/N --report blob` writes';

/** All blobs of a folder and the folders in it. Throws UsageError. */
export function readBlobs(folder: string): { readonly file: string; readonly blob: Blob }[] {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'));
  } catch (error) {
    throw new UsageError(`${folder} can't be read: ${(error as Error).message}`, 'name the folder that has the blobs');
  }
  if (names.length === 0) throw new UsageError(`${folder} has no blob`, HINT);
  return names.sort().map((name) => ({ file: join(folder, name), blob: readBlob(join(folder, name)) }));
}

function readBlob(file: string): Blob {
  let text: unknown;
  try {
    text = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${file} is no blob: ${(error as Error).message}`, HINT);
  }
  const found = v.safeParse(BLOB, text);
  if (found.success) return found.output;
  const [{ message, path }] = found.issues;
  throw new UsageError(`${file} is no blob: ${path?.map(({ key }) => key).join('.') ?? 'its top'}: ${message}`, HINT);
}
