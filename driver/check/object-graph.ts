/** Typed arrays from this size on are not part of an image unless somebody says what of them is. */
const LARGE_BYTES = 65536;

type Kept =
  | {
      readonly kind: 'object';
      readonly of: Record<string, unknown>;
      readonly keys: string[];
      readonly values: unknown[];
    }
  | { readonly kind: 'array'; readonly of: unknown[]; readonly values: unknown[] }
  | { readonly kind: 'map'; readonly of: Map<unknown, unknown>; readonly values: [unknown, unknown][] }
  | { readonly kind: 'set'; readonly of: Set<unknown>; readonly values: unknown[] }
  | { readonly kind: 'bytes'; readonly of: LargeArray; readonly values: LargeArray };

export type LargeArray = Uint8Array | Uint16Array | Uint32Array | Int16Array | Int32Array | Float64Array;

/**
 * What every object that can be reached from some roots holds, to be put back into the same objects. What only a closure
 * knows, and the state of a coroutine, can't be seen: whoever takes an image sees to it that neither matters. Buffers count
 * as values that nobody changes.
 */
export class ObjectGraph {
  /** Large arrays that were met and are not kept. */
  readonly large: LargeArray[] = [];
  private readonly kept: Kept[] = [];

  /** Objects of `apart` are left alone, and what is reached through them alone. */
  constructor(roots: readonly object[], apart: readonly object[] = []) {
    const seen = new Set<unknown>(apart);
    const left: unknown[] = [...roots];
    while (left.length > 0) {
      const value = left.pop();
      if (typeof value !== 'object' || value === null || seen.has(value)) continue;
      seen.add(value);
      this.keep(value, left);
    }
  }

  /** Puts everything back. Objects that were made since are no longer reached. */
  restore(): void {
    for (const kept of this.kept) putBack(kept);
  }

  private keep(value: object, left: unknown[]): void {
    if (value instanceof Buffer || value instanceof ArrayBuffer || value instanceof WeakMap) return;
    if (ArrayBuffer.isView(value)) {
      const of = value as LargeArray;
      if (of.byteLength >= LARGE_BYTES) this.large.push(of);
      else this.kept.push({ kind: 'bytes', of, values: of.slice() });
    } else if (Array.isArray(value)) {
      const values = value.slice();
      this.kept.push({ kind: 'array', of: value, values });
      for (const item of values) if (typeof item === 'object') left.push(item);
    } else if (value instanceof Map) {
      const values = [...value];
      this.kept.push({ kind: 'map', of: value, values });
      for (const [key, item] of values) left.push(key, item);
    } else if (value instanceof Set) {
      const values = [...value];
      this.kept.push({ kind: 'set', of: value, values });
      left.push(...values);
    } else {
      const of = value as Record<string, unknown>;
      const keys = Object.keys(of);
      const values = keys.map((key) => of[key]);
      this.kept.push({ kind: 'object', of, keys, values });
      for (const item of values) if (typeof item === 'object') left.push(item);
    }
  }
}

/** Writes only what differs: most of it does not. */
function putBack(kept: Kept): void {
  switch (kept.kind) {
    case 'object': {
      const { of, keys, values } = kept;
      for (let i = 0; i < keys.length; i++) if (of[keys[i]!] !== values[i]) of[keys[i]!] = values[i];
      break;
    }
    case 'array': {
      const { of, values } = kept;
      of.length = values.length;
      for (let i = 0; i < values.length; i++) if (of[i] !== values[i]) of[i] = values[i];
      break;
    }
    case 'map':
      kept.of.clear();
      for (const [key, value] of kept.values) kept.of.set(key, value);
      break;
    case 'set':
      kept.of.clear();
      for (const value of kept.values) kept.of.add(value);
      break;
    default:
      kept.of.set(kept.values);
  }
}
