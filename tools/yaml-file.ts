import type { BaseIssue } from 'valibot';
import { type Document, isMap, isNode, isScalar, visit } from 'yaml';
import { inputBytes, UsageError } from './exit-code.js';
import { YamlMistake, yamlDocument, yamlText } from './yaml-check.js';

/** A place in a file, from 1. */
interface Place {
  readonly line: number;
  readonly column: number;
}

/** Whether the value at a way of keys is meant, or the last key itself. */
type Part = 'value' | 'key';

/** A YAML document: its value, what of it can't be read, and where things stand. */
export interface YamlFile {
  /** undefined with mistakes. */
  readonly value: unknown;
  readonly mistakes: readonly (Place & { readonly message: string })[];
  /** Where the innermost thing on this way stands that is there. */
  place(keys: readonly unknown[], part?: Part): Place;
}

/** Makes an error about what stands at `keys` in a file. */
export type Wrong = (keys: readonly unknown[], message: string, part?: Part) => UsageError;

/** Of a file; `hint` is what its errors say in the end. Throws UsageError with the place of what can't be read. */
export function readYamlFile(file: string, hint: string): { readonly value: unknown; readonly wrong: Wrong } {
  const { value, mistakes, place } = readYaml(inputBytes(file, hint));
  const at = ({ line, column }: Place, message: string): UsageError =>
    new UsageError(`${file}:${line}:${column}: ${message}`, hint);
  const [mistake] = mistakes;
  if (mistake !== undefined) throw at(mistake, mistake.message);
  return { value, wrong: (keys, message, part) => at(place(keys, part), message) };
}

/** The issue to tell of. A key that is spelled wrong is missing as well, which says less. */
export function issueToTell(issues: readonly [BaseIssue<unknown>, ...BaseIssue<unknown>[]]): BaseIssue<unknown> {
  const [first] = issues;
  const isMissingKey = first.type === 'strict_object' && first.expected !== 'Object';
  return (isMissingKey && issues.find(({ expected, type }) => type === first.type && expected === 'never')) || first;
}

/** What a schema says of a value, where it is about: a key that is too much, or a value. */
export function issueAt(
  issue: BaseIssue<unknown>,
  before: readonly (string | number)[] = [],
): [keys: readonly (string | number)[], message: string, part: Part] {
  const keys = [...before, ...(issue.path ?? []).map(({ key }) => key as string | number)];
  const item = issue.path?.at(-1);
  const message = messageOf(issue);
  if (issue.type !== 'strict_object' || issue.expected === 'Object') return [keys, message, 'value'];
  // A list counts as an object whose keys are numbers.
  if (Array.isArray(item?.input)) return [keys.slice(0, -1), KEYS_WANTED, 'value'];
  return issue.expected === 'never' ? [keys, message, 'key'] : [keys.slice(0, -1), message, 'value'];
}

/** In our words where a schema has none of its own. */
function messageOf({ type, message, expected, requirement, path }: BaseIssue<unknown>): string {
  if (!message.startsWith('Invalid ')) return message;
  const key = `'${path?.at(-1)?.key}'`;
  if (type === 'strict_object')
    return expected === 'Object' ? KEYS_WANTED : expected === 'never' ? `no key ${key} here` : `${key} is missing`;
  const words: Record<string, string> = {
    array: 'a list',
    string: 'text',
    number: 'a number',
    integer: 'a whole number',
    boolean: 'true or false',
    min_value: `a number from ${requirement} on`,
    max_value: `a number up to ${requirement}`,
    min_length: 'something',
    picklist: expected ?? '',
  };
  return type in words ? `${words[type]} is wanted here` : message;
}

export const KEYS_WANTED = 'keys and values are wanted here';

export function readYaml(bytes: Buffer): YamlFile {
  const text = bytes.toString('utf8');
  const place = (offset: number): Place => {
    const lines = text.slice(0, offset).split('\n');
    return { line: lines.length, column: lines.at(-1)!.length + 1 };
  };
  const refused = (mistakes: readonly YamlMistake[]): YamlFile => ({
    value: undefined,
    mistakes: mistakes.map(({ offset, message }) => ({ ...place(offset), message })),
    place: () => place(0),
  });
  try {
    const { document, mistakes } = yamlDocument(yamlText(bytes));
    if (mistakes.length > 0) return refused(mistakes);
    readVersionsAsText(document);
    return {
      value: document.toJS({ maxAliasCount: -1 }),
      mistakes: [],
      place: (keys, part) => place(offsetOf(document, keys, part)),
    };
  } catch (error) {
    if (error instanceof YamlMistake) return refused([error]);
    throw error;
  }
}

const VERSIONS = ['profile', 'profiles', 'dialect', 'dialects'];

/** `dialect: 6.10` is the name that it looks like, and no number that YAML makes of it. */
function readVersionsAsText(document: Document): void {
  visit(document, {
    Pair(_, { key, value }) {
      if (!isScalar(key) || !VERSIONS.includes(String(key.value)) || !isNode(value)) return;
      visit(value, {
        Scalar(_, scalar) {
          if (typeof scalar.value === 'number' && scalar.source !== undefined) scalar.value = scalar.source;
        },
      });
    },
  });
}

function offsetOf(document: Document, keys: readonly unknown[], part: Part = 'value'): number {
  if (part === 'key') {
    const parent = keys.length === 1 ? document.contents : document.getIn(keys.slice(0, -1), true);
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === keys.at(-1)) : undefined;
    if (isNode(pair?.key) && pair.key.range) return pair.key.range[0];
  }
  for (let depth = keys.length; depth > 0; depth--) {
    const node = document.getIn(keys.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}
