/** Typed arrays from this size on are not part of an image unless somebody says what of them is. */
const LARGE_BYTES = 65536;

/** One object as it was, or some: how to see and to undo what has changed since. */
interface Kept {
  putBack(): void;
  /** Those that are not as they were. */
  changed(): object[];
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
  /** Of the objects that are no part, by class and fields. */
  private readonly kinds = new Map<string, KeptObjects>();

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
    return [this.kept, ...this.parts.values()].flat().flatMap((kept) => kept.changed());
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
      this.keepFields(value as Record<string, unknown>, into);
      for (const item of Object.values(value)) if (typeof item === 'object') left.push(item);
    }
  }

  private keepFields(of: Record<string, unknown>, into: Kept[]): void {
    const keys = Object.keys(of);
    if (into !== this.kept) {
      into.push(new KeptObjects(keys).add(of));
      return;
    }
    const kind = `${of.constructor?.name} ${keys}`;
    let same = this.kinds.get(kind);
    if (same === undefined) {
      same = new KeptObjects(keys);
      this.kinds.set(kind, same);
      into.push(same);
    }
    same.add(of);
  }
}

/** Writes `values` into the fields of `objects`, one after the other, and gives them back their prototypes. */
type PutBack = (objects: readonly object[], values: readonly unknown[], prototypes: readonly (object | null)[]) => void;

/** By the names of the fields: compiled, each sees objects of one kind only, and is some twenty times faster than a loop over names. */
const putBackByNames = new Map<string, PutBack>();

function putBackOf(keys: readonly string[]): PutBack {
  const names = JSON.stringify(keys);
  let putBack = putBackByNames.get(names);
  if (putBack === undefined) {
    const lines = keys.map((key, i) => {
      const field = `o[${JSON.stringify(key)}]`;
      return `if(${field}!==v[at+${i}])${field}=v[at+${i}];`;
    });
    // Observed objects are of another class meanwhile.
    const prototype = 'if(Object.getPrototypeOf(o)!==p[i])Object.setPrototypeOf(o,p[i]);';
    const body = `for(let i=0,at=0;i<of.length;i++,at+=${keys.length}){const o=of[i];${lines.join('')}${prototype}}`;
    putBack = new Function('of', 'v', 'p', body) as PutBack;
    putBackByNames.set(names, putBack);
  }
  return putBack;
}

/** Objects with the same fields. */
class KeptObjects implements Kept {
  private readonly objects: Record<string, unknown>[] = [];
  private readonly values: unknown[] = [];
  private readonly prototypes: (object | null)[] = [];
  private readonly write: PutBack;

  constructor(private readonly keys: readonly string[]) {
    this.write = putBackOf(keys);
  }

  add(of: Record<string, unknown>): this {
    this.objects.push(of);
    for (const key of this.keys) this.values.push(of[key]);
    this.prototypes.push(Object.getPrototypeOf(of));
    return this;
  }

  putBack(): void {
    this.write(this.objects, this.values, this.prototypes);
  }

  changed(): object[] {
    const { objects, keys, values, prototypes } = this;
    return objects.filter((of, i) => {
      const isSame = keys.every((key, k) => of[key] === values[i * keys.length + k]);
      return !isSame || Object.getPrototypeOf(of) !== prototypes[i];
    });
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

  changed(): object[] {
    const { of, values } = this;
    return of.length === values.length && values.every((value, i) => of[i] === value) ? [] : [of];
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

  changed(): object[] {
    return this.isAsKept() ? [] : [this.of];
  }

  private isAsKept(): boolean {
    if (this.of.size !== this.values.length) return false;
    // Most are empty.
    if (this.of.size === 0) return true;
    let i = 0;
    let isSame = true;
    // Makes no object for an entry, as an iterator does.
    this.of.forEach((value: unknown, key: unknown) => {
      const kept = this.values[i++]!;
      isSame &&= kept[0] === key && kept[1] === value;
    });
    return isSame;
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

  changed(): object[] {
    return areSame(this.of, this.values) ? [] : [this.of];
  }
}
