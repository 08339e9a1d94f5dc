import type { Constant, ConstScope } from './const-expr.js';
import type { Token } from './lexer.js';
import type { Place } from './source-text.js';
import type { Target } from './target.js';
import { typeNameAt } from './type-parser.js';
import { type CType, isIncomplete, knownTypes, type RecordLayout } from './types.js';

export interface EnumValue {
  readonly name: string;
  readonly constant: Constant;
  readonly place: Place;
  /** The header gives its value, and does not leave it to be counted. */
  readonly explicit: boolean;
}

export interface EnumType {
  /** Empty for one without a tag. */
  readonly tag: string;
  readonly place: Place;
  readonly values: readonly EnumValue[];
}

/** Types that the kernel has for itself. linux/types.h defines none of them for programs. */
const KERNEL_ONLY = /^[us](8|16|32|64)$/;

/** The types and enumerators that a header has declared so far. */
export class Scope implements ConstScope {
  readonly records: RecordLayout[] = [];
  readonly enums: EnumType[] = [];
  readonly typedefs = new Map<string, CType>();
  readonly tags = new Map<string, CType>();
  readonly enumerators = new Map<string, Constant>();
  /** Uses in the header itself of types that no program has. */
  readonly kernelOnly: Token[] = [];
  private readonly known: ReadonlyMap<string, CType>;

  constructor(
    readonly target: Target,
    readonly place: Place,
  ) {
    this.known = knownTypes(target);
  }

  readonly constant = (name: string): Constant | undefined => this.enumerators.get(name);

  readonly typeAt = (tokens: readonly Token[], at: number) => typeNameAt(tokens, at, this);

  /** A type that keywords spell, in any order. */
  keywordType(words: readonly string[]): CType | undefined {
    return this.known.get(words.length === 1 ? words[0]! : [...words].sort().join(' '));
  }

  isTypeName(name: string): boolean {
    return this.typedefs.has(name) || this.known.has(name);
  }

  /** A type by its single name, at the token that uses it. */
  namedType(token: Token): CType | undefined {
    const own = this.typedefs.get(token.text);
    if (own) return own;
    const known = this.known.get(token.text);
    if (known && token.source.isMain && KERNEL_ONLY.test(token.text)) this.kernelOnly.push(token);
    return known;
  }

  /** The type, or what has been defined since under the tag that it names. */
  resolve(type: CType): CType {
    if (!isIncomplete(type) || type.tag === undefined) return type;
    const found = this.tags.get(type.tag);
    return found ? { ...found, name: type.name } : type;
  }

  addEnumerator(name: string, constant: Constant): void {
    this.enumerators.set(name, constant);
  }
}
