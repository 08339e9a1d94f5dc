/** Typed arrays from this size on are not part of an image unless somebody says what of them is. */
const LARGE_BYTES = 65536;

/** One object as it was: how to see and to undo what has changed since. */
interface Kept {
  readonly of: object;
  putBack(): void;
  isAsKept(): boolean;
}

export type LargeArray = Uint8Array | Uint16Array | Uint32Array | Int16Array | Int32Array | Float64Array;

export interface GraphOptions {
  /** Objects that are left alone, and what is reached through them alone. */
  readonly apart?: readonly (object | null)[];
  /** Objects that can be put back one by one, each with its own arrays. */
  readonly isPart?: (value: object) => boolean;
}

/**
 * What every object that can be reached from some roots holds, to be put back into the same objects. What only a closure
 * knows, and the state of a coroutine, can't be seen: whoever takes an image sees to it that neither matters. Buffers count
 * as values that nobody changes.
 */
export class ObjectGraph {
  /** Large arrays that were met and are not kept. */
  readonly large: LargeArray[] = [];
  private readonly kept: Kept[] = [];
  private readonly parts = new Map<object, Kept[]>();

  constructor(roots: readonly object[], { apart = [], isPart = () => false }: GraphOptions = {}) {
    const seen = new Set<unknown>(apart);
    const left: unknown[] = [...roots];
    while (left.length > 0) {
      const value = left.pop();
      if (typeof value !== 'object' || value === null || seen.has(value)) continue;
      seen.add(value);
      if (!isPart(value)) {
        this.keep(value, { into: this.kept, left });
        continue;
      }
      const into: Kept[] = [];
      this.parts.set(value, into);
      this.keep(value, { into, left });
      for (const own of Object.values(value)) {
        if ((!Array.isArray(own) && !ArrayBuffer.isView(own)) || seen.has(own)) continue;
        seen.add(own);
        this.keep(own, { into, left });
      }
    }
  }

  /** Puts everything back. Objects that were made since are no longer reached. */
  restore(): void {
    this.restoreWhole();
    for (const part of this.parts.values()) for (const kept of part) kept.putBack();
  }

  /** All but the parts. */
  restoreWhole(): void {
    for (const kept of this.kept) kept.putBack();
  }

  restorePart(part: object): void {
    for (const kept of this.parts.get(part) ?? []) kept.putBack();
  }

  /** Every part, as it is now. */
  partList(): object[] {
    return [...this.parts.keys()];
  }

  /** Objects that are not as they were. */
  changed(): object[] {
    return [this.kept, ...this.parts.values()].flat().flatMap((kept) => (kept.isAsKept() ? [] : [kept.of]));
  }

  private keep(value: object, { into, left }: { into: Kept[]; left: unknown[] }): void {
    if (value instanceof Buffer || value instanceof ArrayBuffer || value instanceof WeakMap) return;
    if (ArrayBuffer.isView(value)) {
      const of = value as LargeArray;
      if (of.byteLength >= LARGE_BYTES) this.large.push(of);
      else into.push(new KeptBytes(of));
    } else if (Array.isArray(value)) {
      into.push(new KeptArray(value));
      for (const item of value) if (typeof item === 'object') left.push(item);
    } else if (value instanceof Map) {
      into.push(new KeptEntries(value, (of, [key, item]) => of.set(key, item)));
      for (const [key, item] of value) left.push(key, item);
    } else if (value instanceof Set) {
      into.push(new KeptEntries(value, (of, [item]) => of.add(item)));
      left.push(...value);
    } else {
      into.push(new KeptObject(value as Record<string, unknown>));
      for (const item of Object.values(value)) if (typeof item === 'object') left.push(item);
    }
  }
}

/** Writes `values` into the fields of `of`, and answers whether any differed. */
type Fields = (of: object, values: readonly unknown[], writes: boolean) => boolean;

/** By the names of the fields: compiled, each sees objects of one kind only, and is some twenty times faster than a loop over names. */
const fieldsByNames = new Map<string, Fields>();

function fieldsOf(keys: readonly string[]): Fields {
  const names = JSON.stringify(keys);
  let fields = fieldsByNames.get(names);
  if (fields === undefined) {
    const lines = keys.map(
      (key, i) => `if(o[${JSON.stringify(key)}]!==v[${i}]){d=true;if(w)o[${JSON.stringify(key)}]=v[${i}]}`,
    );
    fields = new Function('o', 'v', 'w', `let d=false;${lines.join('')}return d`) as Fields;
    fieldsByNames.set(names, fields);
  }
  return fields;
}

class KeptObject implements Kept {
  private readonly values: unknown[];
  private readonly fields: Fields;
  private readonly prototype: object | null;
  /** Of an object that is a table by name: the names then. */
  private readonly names: ReadonlySet<string> | null;

  constructor(readonly of: Record<string, unknown>) {
    const keys = Object.keys(of);
    this.values = keys.map((key) => of[key]);
    this.fields = fieldsOf(keys);
    this.prototype = Object.getPrototypeOf(of);
    this.names = this.prototype === Object.prototype ? new Set(keys) : null;
  }

  putBack(): void {
    this.fields(this.of, this.values, true);
    if (this.names !== null) for (const name in this.of) if (!this.names.has(name)) delete this.of[name];
    // Observed objects are of another class meanwhile.
    if (Object.getPrototypeOf(this.of) !== this.prototype) Object.setPrototypeOf(this.of, this.prototype);
  }

  isAsKept(): boolean {
    if (this.names !== null && Object.keys(this.of).length !== this.names.size) return false;
    return !this.fields(this.of, this.values, false) && Object.getPrototypeOf(this.of) === this.prototype;
  }
}

class KeptArray implements Kept {
  private readonly values: readonly unknown[];

  constructor(readonly of: unknown[]) {
    this.values = of.slice();
  }

  putBack(): void {
    const { of, values } = this;
    if (of.length !== values.length) of.length = values.length;
    for (let i = 0; i < values.length; i++) if (of[i] !== values[i]) of[i] = values[i];
  }

  isAsKept(): boolean {
    return this.of.length === this.values.length && this.values.every((value, i) => this.of[i] === value);
  }
}

/** A Map or a Set, which also has an order. */
class KeptEntries<T extends Map<unknown, unknown> | Set<unknown>> implements Kept {
  private readonly values: readonly (readonly [unknown, unknown])[];

  constructor(
    readonly of: T,
    private readonly add: (of: T, entry: readonly [unknown, unknown]) => void,
  ) {
    this.values = [...of.entries()];
  }

  putBack(): void {
    if (this.isAsKept()) return;
    this.of.clear();
    for (const entry of this.values) this.add(this.of, entry);
  }

  isAsKept(): boolean {
    if (this.of.size !== this.values.length) return false;
    let i = 0;
    for (const [key, value] of this.of.entries()) {
      const kept = this.values[i++]!;
      if (kept[0] !== key || kept[1] !== value) return false;
    }
    return true;
  }
}

/** The same bytes? */
export function areSame(a: LargeArray, b: LargeArray): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: LargeArray): Buffer => Buffer.from(buffer, byteOffset, byteLength);
  return bytes(a).equals(bytes(b));
}

class KeptBytes implements Kept {
  private readonly values: LargeArray;

  constructor(readonly of: LargeArray) {
    this.values = of.slice();
  }

  putBack(): void {
    this.of.set(this.values);
  }

  isAsKept(): boolean {
    return areSame(this.of, this.values);
  }
}
