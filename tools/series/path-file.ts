import * as v from 'valibot';
import { type PropertyName, pathWith, valuesOf } from '../../driver/hmm/index.js';
import { type NamedPath, PATH_NAMES, type PathName } from '../../uapi/path-name.js';
import { hint } from '../nearest.js';
import { issueAt, issueToTell, KEYS_WANTED, readYamlFile } from '../yaml-file.js';
import { PROPERTIES } from './properties.js';

// What can be written in a path file: what is checked, and docs/schemas/path.schema.json, are made from this.

const HINT =
  'a path file has `base`, one of the paths, and `properties` that change; docs/series.md tells what they mean';
const NAMES = PROPERTIES.map(({ name }) => name);

function oneOf(list: readonly string[]) {
  return v.picklist(list, ({ input }) => `'${input}' is not known here${hint(String(input), list)}`);
}

function propertySchema({ name, cause }: (typeof PROPERTIES)[number]) {
  const words = valuesOf(name);
  const value = words.includes('true') ? v.boolean('true or false is wanted here') : oneOf(words);
  return v.optional(cause === null ? value : v.pipe(value, v.description(cause)));
}

function unknownKey(names: readonly string[]): (issue: v.StrictObjectIssue) => string {
  return ({ path }) => {
    const key = String(path?.at(-1)?.key);
    if (path === undefined) return KEYS_WANTED;
    return names.includes(key) ? `'${key}' is missing` : `'${key}' is not known here${hint(key, names)}`;
  };
}

export const PATH_FILE = v.strictObject(
  {
    name: v.optional(
      v.pipe(v.string('text is wanted here'), v.description('What reports call it; the name of the file without.')),
    ),
    base: v.pipe(oneOf(PATH_NAMES), v.description('The path that it changes.')),
    properties: v.strictObject(
      Object.fromEntries(PROPERTIES.map((each) => [each.name, propertySchema(each)])),
      unknownKey(NAMES),
    ),
  },
  unknownKey(['name', 'base', 'properties']),
);

/** A path of one's own, as the name that says the same, and what reports call it. Throws UsageError with the place and the nearest name. */
export function readPathFile(file: string): { readonly name: string; readonly path: PathName } {
  const { value, wrong } = readYamlFile(file, HINT);
  const found = v.safeParse(PATH_FILE, value);
  if (!found.success) throw wrong(...issueAt(issueToTell(found.issues)));
  const { base, name = file.replace(/^.*\//, ''), properties } = found.output;
  return { name, path: pathWith(base as NamedPath, properties as Partial<Record<PropertyName, never>>) };
}
