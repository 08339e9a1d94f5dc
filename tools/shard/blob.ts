import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { OutputError, UsageError } from '../exit-code.js';
import { packageVersion } from '../package-root.js';
import { BLOB_FOLDER } from './share.js';
import { isShard } from './split.js';

/** Of an object without its seal. */
const SEAL = { sha256: v.string() };
const RESULT = v.strictObject({ name: v.string(), ms: v.number(), result: v.unknown(), ...SEAL });
/** What every version writes. */
const HEAD = v.object({ type: v.literal('dmirror-blob'), package: v.string() });
const BLOB = v.strictObject({
  type: v.literal('dmirror-blob'),
  version: v.literal(1),
  /** Of the package. */
  package: v.string(),
  /** What runs the whole again, without options that only say how it is shown or worked off. */
  command: v.strictObject({ name: v.string(), options: v.array(v.string()), args: v.array(v.string()) }),
  shard: v.pipe(v.strictObject({ index: v.number(), total: v.number() }), v.check(isShard, 'there is no such shard')),
  costs: v.strictObject({ version: v.number(), hash: v.string() }),
  /** How many units the whole has, a hash of their names, and one of the files that they were read from. */
  units: v.strictObject({ count: v.number(), hash: v.string(), files: v.string() }),
  isInterrupted: v.boolean(),
  results: v.array(RESULT),
  ...SEAL,
});

export type BlobResult = Omit<v.InferOutput<typeof RESULT>, keyof typeof SEAL>;
/** What one shard of a command found, to be merged with the others. */
export type Blob = Omit<v.InferOutput<typeof BLOB>, 'results' | keyof typeof SEAL> & {
  readonly results: readonly BlobResult[];
};

export const BLOB_OPTION = '--report blob';

/** The file of a shard in BLOB_FOLDER, which is made. Throws OutputError. */
export function blobFile(command: string, { index, total }: Blob['shard']): string {
  const path = join(BLOB_FOLDER, `${command.replaceAll(' ', '-')}-${index}-of-${total}.json`);
  try {
    mkdirSync(BLOB_FOLDER, { recursive: true });
  } catch (error) {
    throw new OutputError(`${BLOB_OPTION} '${path}'`, error);
  }
  return path;
}

/** As the file has it. What changes it afterwards is seen where it is read. */
export function blobText(blob: Blob): string {
  return `${JSON.stringify(sealed({ ...blob, results: blob.results.map(sealed) }))}\n`;
}

function sealed<T extends object>(what: T): T & { readonly sha256: string } {
  return { ...what, sha256: createHash('sha256').update(JSON.stringify(what)).digest('hex') };
}

function isSealed({ sha256, ...what }: { readonly sha256: string }): boolean {
  return sealed(what).sha256 === sha256;
}

const HINT = `blobs are what \`--shard I/N ${BLOB_OPTION}\` writes`;

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
  const no = (why: string): UsageError => new UsageError(`${file} is no blob: ${why}`, HINT);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw no((error as Error).message);
  }
  const parsed = <T>(schema: v.GenericSchema<unknown, T>): T => {
    const found = v.safeParse(schema, json);
    if (found.success) return found.output;
    const [{ message, path }] = found.issues;
    throw no(`${path?.map(({ key }) => key).join('.') ?? 'its top'}: ${message}`);
  };
  const { package: version } = parsed(HEAD);
  if (version !== packageVersion())
    throw new UsageError(`${file} is of dmirror ${version}, this is ${packageVersion()}`, 'merge it with that version');
  const blob = parsed(BLOB);
  // Seals are over what the file has, in its order.
  const { results } = json as typeof blob;
  const broken = results.findIndex((result) => !isSealed(result));
  if (broken >= 0) throw no(`results.${broken} is not what the shard found: it was changed afterwards`);
  if (!isSealed(json as typeof blob)) throw no('it is not what the shard wrote: it was changed afterwards');
  return blob;
}
