import { hint } from '../../nearest.js';

/** A mistake in a plan: where, as keys from the top, and what. `isKey`: the key itself is wrong, not its value. */
export interface PlanError {
  readonly path: Path;
  readonly message: string;
  readonly isKey?: boolean;
}

export type Path = readonly (string | number)[];

/** What a value of a plan may look like. */
export type Shape =
  | { readonly kind: 'text' | 'flag' }
  /** A whole number. */
  | { readonly kind: 'number'; readonly min: number; readonly max: number }
  | { readonly kind: 'words'; readonly words: readonly string[]; readonly spell?: (word: string) => string }
  | { readonly kind: 'match'; readonly pattern: RegExp; readonly what: string }
  /** By the type of the value: the first of these that is for it. */
  | { readonly kind: 'either'; readonly shapes: readonly Shape[]; readonly what: string }
  | { readonly kind: 'list'; readonly of: () => Shape }
  | { readonly kind: 'some'; readonly of: Shape }
  /** Any keys. */
  | { readonly kind: 'named'; readonly of: Shape }
  | { readonly kind: 'map'; readonly keys: Readonly<Record<string, Shape>>; readonly required: readonly string[] };

export const text: Shape = { kind: 'text' };
export const flag: Shape = { kind: 'flag' };
export const integer = (min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): Shape => ({
  kind: 'number',
  min,
  max,
});
export const words = (...list: string[]): Shape => ({ kind: 'words', words: list });
export const match = (pattern: RegExp, what: string): Shape => ({ kind: 'match', pattern, what });
export const either = (what: string, ...shapes: Shape[]): Shape => ({ kind: 'either', shapes, what });
export const list = (of: () => Shape): Shape => ({ kind: 'list', of });
/** One, or a list of at least one. */
export const some = (of: Shape): Shape => ({ kind: 'some', of });
export const named = (of: Shape): Shape => ({ kind: 'named', of });
export const map = (keys: Record<string, Shape>, required: string[] = []): Shape => ({ kind: 'map', keys, required });

interface At {
  readonly path: Path;
  readonly errors: PlanError[];
}

/** Adds every way in which `value` does not look like `shape`, in order. */
export function checkShape(value: unknown, shape: Shape, at: At): void {
  const { path, errors } = at;
  const wrong = (what: string): void => void errors.push({ path, message: `${what} is wanted here` });
  switch (shape.kind) {
    case 'text':
      if (typeof value !== 'string') wrong('text');
      break;
    case 'number':
      if (!Number.isInteger(value) || (value as number) < shape.min || (value as number) > shape.max)
        wrong(rangeText(shape));
      break;
    case 'flag':
      if (typeof value !== 'boolean') wrong('true or false');
      break;
    case 'words':
      checkWord(value, shape, at);
      break;
    case 'match':
      if (typeof value !== 'string' || !shape.pattern.test(value)) wrong(shape.what);
      break;
    case 'either': {
      const chosen = shape.shapes.find((one) => isFor(one, value));
      if (chosen === undefined) wrong(shape.what);
      else checkShape(value, chosen, at);
      break;
    }
    case 'some':
      if (!Array.isArray(value)) checkShape(value, shape.of, at);
      else if (value.length === 0) wrong('at least one');
      else for (const [i, item] of value.entries()) checkShape(item, shape.of, { path: [...path, i], errors });
      break;
    case 'list':
      if (!Array.isArray(value)) wrong('a list');
      else for (const [i, item] of value.entries()) checkShape(item, shape.of(), { path: [...path, i], errors });
      break;
    default:
      checkMap(value, shape, at);
  }
}

function isFor({ kind }: Shape, value: unknown): boolean {
  return kind === 'number' ? typeof value === 'number' : typeof value === 'string';
}

function rangeText({ min, max }: { min: number; max: number }): string {
  if (max < Number.MAX_SAFE_INTEGER) return `a whole number from ${min} to ${max}`;
  return min > Number.MIN_SAFE_INTEGER ? `a whole number from ${min} on` : 'a whole number';
}

function checkWord(value: unknown, shape: Shape & { kind: 'words' }, { path, errors }: At): void {
  const word = typeof value === 'string' && shape.spell !== undefined ? shape.spell(value) : value;
  if (typeof word === 'string' && shape.words.includes(word)) return;
  errors.push({ path, message: `'${String(value)}' is not known here${hint(String(word), shape.words)}` });
}

function checkMap(value: unknown, shape: Shape & { kind: 'map' | 'named' }, { path, errors }: At): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    errors.push({ path, message: 'keys and values are wanted here' });
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const known = shape.kind === 'named' ? shape.of : shape.keys[key];
    if (known !== undefined) checkShape(item, known, { path: [...path, key], errors });
    else if (shape.kind === 'map')
      errors.push({
        path: [...path, key],
        message: `no key '${key}' here${hint(key, Object.keys(shape.keys))}`,
        isKey: true,
      });
  }
  if (shape.kind === 'named') return;
  for (const key of shape.required) if (!(key in value)) errors.push({ path, message: `'${key}' is missing` });
}
