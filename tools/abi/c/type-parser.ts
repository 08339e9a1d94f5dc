// Types and declarators of C, from tokens whose macros are replaced.

import { type Constant, constantAt, makeConstant } from './const-expr.js';
import { type LayoutAttributes, layoutRecord, type Member } from './layout.js';
import type { Token } from './lexer.js';
import type { EnumValue, Scope } from './scope.js';
import { HeaderError } from './source-text.js';
import { arrayOf, type CType, elementOf, intType, isIncomplete, pointerTo } from './types.js';

const HINT = 'check the header with a compiler; what is valid C and not read here is worth a report';
const FUNCTION: CType = { kind: 'function', name: 'function', size: 1, align: 1 };

const QUALIFIERS = new Set(
  (
    'const volatile restrict inline static extern register auto _Noreturn _Thread_local __thread __const __const__ ' +
    '__volatile __volatile__ __restrict __restrict__ __inline __inline__ __extension__ _Atomic __signed_qualifier'
  ).split(' '),
);

/** Keywords that make up a type, and how C spells them. */
const TYPE_WORDS = new Map<string, string>([
  ...'int char short long signed unsigned void float double _Bool __int128 _Float128 _Float64 _Float32 _Complex'
    .split(' ')
    .map((word) => [word, word] as const),
  ...[
    ['__signed', 'signed'],
    ['__signed__', 'signed'],
    ['__float128', '_Float128'],
    ['_Float32x', 'double'],
    ['_Float64x', '_Float128'],
    ['__complex__', '_Complex'],
  ].map(([a, b]) => [a, b] as [string, string]),
]);

const TYPEOF = new Set(['typeof', '__typeof__', '__typeof']);
const ATTRIBUTE = new Set(['__attribute__', '__attribute']);
const ASM = new Set(['asm', '__asm__', '__asm']);
const TAGS = new Set(['struct', 'union', 'enum']);
const MODES: Readonly<Record<string, number>> = { QI: 1, byte: 1, HI: 2, SI: 4, DI: 8, TI: 16 };

export interface Specifiers {
  readonly type: CType | undefined;
  readonly isTypedef: boolean;
  readonly attributes: LayoutAttributes;
}

export interface Declarator {
  /** Undefined in a type name, which declares nothing. */
  readonly name: Token | undefined;
  readonly type: CType;
}

/** A type name at a place among tokens; undefined when none begins there. `end` is past it. */
export function typeNameAt(
  tokens: readonly Token[],
  at: number,
  scope: Scope,
): { type: CType; end: number } | undefined {
  const parser = new TypeParser(tokens, scope, at);
  if (!parser.startsType()) return undefined;
  const { type } = parser.specifiers();
  if (type === undefined) return undefined;
  const declared = parser.declarator(type);
  return { type: scope.resolve(declared.type), end: parser.at };
}

/** Recursive descent over one array of tokens. */
export class TypeParser {
  constructor(
    readonly tokens: readonly Token[],
    readonly scope: Scope,
    public at = 0,
  ) {}

  get text(): string | undefined {
    return this.tokens[this.at]?.text;
  }

  error(problem: string, token: Token | undefined = this.tokens[this.at]): HeaderError {
    return new HeaderError(token ?? this.tokens.at(-1) ?? this.scope.place, problem, HINT);
  }

  is(text: string): boolean {
    return this.tokens[this.at]?.text === text;
  }

  take(text: string): boolean {
    if (!this.is(text)) return false;
    this.at++;
    return true;
  }

  expect(text: string): void {
    if (this.take(text)) return;
    const token = this.tokens[this.at];
    throw this.error(token ? `expected '${text}' before '${token.text}'` : `expected '${text}' at the end`);
  }

  /** Past the bracket that closes the one here. */
  skipBracketed(): void {
    const start = this.tokens[this.at];
    let depth = 0;
    for (; this.at < this.tokens.length; this.at++) {
      const { text } = this.tokens[this.at]!;
      if (text === '(' || text === '{' || text === '[') depth++;
      else if ((text === ')' || text === '}' || text === ']') && --depth === 0) {
        this.at++;
        return;
      }
    }
    throw this.error('this bracket is not closed', start);
  }

  /** A constant expression here. */
  constant(): Constant {
    const { constant, end } = constantAt(this.tokens, this.at, this.scope);
    this.at = end;
    return constant;
  }

  startsType(): boolean {
    const token = this.tokens[this.at];
    if (token?.kind !== 'id') return false;
    const { text } = token;
    return (
      TAGS.has(text) || QUALIFIERS.has(text) || TYPE_WORDS.has(text) || TYPEOF.has(text) || this.scope.isTypeName(text)
    );
  }

  /** Everything before the first declarator. */
  specifiers(): Specifiers {
    const attributes: LayoutAttributes = { packed: false, align: 0 };
    const words: string[] = [];
    let type: CType | undefined;
    let isTypedef = false;
    for (let token = this.tokens[this.at]; token?.kind === 'id'; token = this.tokens[this.at]) {
      const { text } = token;
      const word = TYPE_WORDS.get(text);
      if (word !== undefined) {
        if (word !== '_Complex') words.push(word);
        this.at++;
      } else if (QUALIFIERS.has(text)) this.at++;
      else if (text === 'typedef') {
        isTypedef = true;
        this.at++;
      } else if (ATTRIBUTE.has(text) || this.isStandardAttribute) this.attributes(attributes);
      else if (text === '_Alignas') attributes.align = Math.max(attributes.align, this.alignas());
      else if (type !== undefined || words.length > 0) break;
      else if (text === 'struct' || text === 'union') type = this.record();
      else if (text === 'enum') type = this.enumeration();
      else if (TYPEOF.has(text)) type = this.typeOf();
      else {
        type = this.scope.namedType(token);
        if (type === undefined) break;
        this.at++;
      }
    }
    if (words.length > 0) {
      type = this.scope.keywordType(words);
      if (type === undefined) throw this.error(`'${words.join(' ')}' is no type`, this.tokens[this.at - 1]);
    }
    return { type: type && this.scope.resolve(type), isTypedef, attributes };
  }

  private alignas(): number {
    this.at++;
    this.expect('(');
    const named = typeNameAt(this.tokens, this.at, this.scope);
    if (named) this.at = named.end;
    const align = named ? named.type.align : Number(this.constant().value);
    this.expect(')');
    return align;
  }

  private typeOf(): CType {
    this.at++;
    this.expect('(');
    const named = typeNameAt(this.tokens, this.at, this.scope);
    if (named) this.at = named.end;
    const type = named?.type ?? constantType(this.constant());
    this.expect(')');
    return type;
  }

  /** Reads attributes into what is known of them; those that say nothing about a layout are passed over. */
  attributes(into: LayoutAttributes): void {
    for (;;) {
      if (ASM.has(this.text ?? '')) {
        this.at++;
        while (!this.is('(') && this.at < this.tokens.length) this.at++;
        this.skipBracketed();
      } else if (ATTRIBUTE.has(this.text ?? '')) {
        this.at++;
        this.expect('(');
        this.expect('(');
        while (!this.is(')') && this.at < this.tokens.length) this.attribute(into);
        this.expect(')');
        this.expect(')');
      } else if (this.isStandardAttribute) {
        this.at += 2;
        while (!this.is(']') && this.at < this.tokens.length) this.attribute(into);
        this.expect(']');
        this.expect(']');
      } else return;
    }
  }

  /** `[[gnu::packed]]`, which no array's bounds begin like. */
  private get isStandardAttribute(): boolean {
    return this.is('[') && this.tokens[this.at + 1]?.text === '[';
  }

  private attribute(into: LayoutAttributes): void {
    if (this.take(',') || this.take(':') || this.take('::')) return;
    const name = this.text!.replace(/^__(\w+)__$/, '$1');
    this.at++;
    if (name === 'packed') into.packed = true;
    if (!this.is('(')) {
      // Without a number it is the largest alignment that the target ever wants.
      if (name === 'aligned') into.align = Math.max(into.align, this.scope.target.maxAlign);
      return;
    }
    const start = this.at;
    this.at++;
    if (name === 'aligned') into.align = Math.max(into.align, Number(this.constant().value));
    else if (name === 'vector_size') into.vectorBytes = Number(this.constant().value);
    else if (name === 'mode') into.modeBytes = this.modeBytes();
    this.at = start;
    this.skipBracketed();
  }

  private modeBytes(): number {
    const mode = (this.text ?? '').replace(/^__(\w+)__$/, '$1');
    return MODES[mode] ?? this.scope.target.pointerBytes;
  }

  private record(): CType {
    const place = this.tokens[this.at++]!;
    const kind = place.text as 'struct' | 'union';
    const own: LayoutAttributes = { packed: false, align: 0 };
    this.attributes(own);
    const tag = this.tokens[this.at]?.kind === 'id' ? this.tokens[this.at++]!.text : '';
    const name = `${kind} ${tag}`.trim();
    if (!this.is('{')) {
      if (tag === '') throw this.error(`${kind} has neither a name nor members`, place);
      return this.scope.tags.get(name) ?? { kind: 'record', name, tag: name, size: 0, align: 1 };
    }
    this.at++;
    const members: Member[] = [];
    while (!this.is('}')) {
      if (this.at >= this.tokens.length) throw this.error(`${name} does not end: its } is missing`, place);
      this.members(members);
    }
    const { pack = 0 } = this.tokens[this.at++]!;
    this.attributes(own);
    if (tag !== '' && this.scope.tags.has(name))
      throw new HeaderError(place, `${name} is defined twice`, 'guard the header against being read twice');
    const { unnamedBitFieldAligns: unnamedAligns } = this.scope.target;
    const layout = layoutRecord({ kind, tag, place }, members, { ...own, pack, unnamedAligns });
    this.scope.records.push(layout);
    const { size, align } = layout;
    const type: CType = { kind: 'record', name, size, align, record: layout };
    if (tag !== '') this.scope.tags.set(name, type);
    return type;
  }

  private members(out: Member[]): void {
    if (this.take(';')) return;
    if (this.skipAssertion()) return;
    const start = this.tokens[this.at]!;
    const { type: base, attributes } = this.specifiers();
    if (base === undefined) throw this.unknownType();
    if (this.is(';') || this.is('}')) {
      // `struct { ... };` inside another: its fields are the holder's. A named one without a declarator only declares its tag.
      if (base.kind === 'record' && base.record?.tag === '') out.push({ name: '', type: base, attributes });
      this.take(';');
      return;
    }
    do out.push(this.member(base, { ...attributes }, start));
    while (this.take(','));
    // gcc takes the last member without its semicolon, with a warning.
    if (!this.is('}')) this.expect(';');
  }

  private member(base: CType, attributes: LayoutAttributes, start: Token): Member {
    this.attributes(attributes);
    const declared: Declarator = this.is(':') ? { name: undefined, type: base } : this.declarator(base, attributes);
    const width = this.take(':') ? Number(this.constant().value) : undefined;
    this.attributes(attributes);
    const name = declared.name?.text ?? '';
    const type = modified(declared.type, attributes);
    if (width === undefined && declared.name === undefined) throw this.error('a member has no name');
    if (type.kind === 'function' || type.kind === 'void')
      throw this.error(`'${name}' can't have type ${type.name}`, declared.name);
    if (isIncomplete(elementOf(type)))
      throw this.error(
        `${elementOf(type).name} is not defined here, so that the size of '${name}' is not known`,
        start,
      );
    return width === undefined ? { name, type, attributes } : { name, type, attributes, width };
  }

  /** `_Static_assert(...)`, which declares nothing. */
  skipAssertion(): boolean {
    if (!this.is('_Static_assert') && !this.is('static_assert')) return false;
    this.at++;
    this.skipBracketed();
    this.take(';');
    return true;
  }

  unknownType(): HeaderError {
    const token = this.tokens[this.at];
    if (token?.kind === 'id') return this.error(`'${token.text}' is no type that is known here`);
    return this.error(token ? `not understood as C, from '${token.text}' on` : 'the header ends inside a declaration');
  }

  /** A declarator over its base type; one that declares nothing has no name. */
  declarator(base: CType, attributes: LayoutAttributes = { packed: false, align: 0 }): Declarator {
    let type = base;
    for (;;) {
      this.attributes(attributes);
      if (QUALIFIERS.has(this.text ?? '')) this.at++;
      else if (this.take('*') || this.take('^')) type = pointerTo(type, this.scope.target);
      else break;
    }
    if (this.is('(') && this.isNested()) {
      const inner = this.at + 1;
      this.skipBracketed();
      type = this.suffixes(type);
      const end = this.at;
      this.at = inner;
      const declared = this.declarator(type, attributes);
      this.expect(')');
      this.at = end;
      return declared;
    }
    const name = this.tokens[this.at]?.kind === 'id' ? this.tokens[this.at++] : undefined;
    return { name, type: this.suffixes(type) };
  }

  /** The bracket here holds a declarator, and no parameters. */
  private isNested(): boolean {
    const next = this.tokens[this.at + 1];
    if (next === undefined) return false;
    if (next.kind !== 'id') return next.text === '*' || next.text === '(' || next.text === '[' || next.text === '^';
    return ATTRIBUTE.has(next.text) || !new TypeParser(this.tokens, this.scope, this.at + 1).startsType();
  }

  private suffixes(base: CType): CType {
    if (this.is('(')) {
      this.skipBracketed();
      this.suffixes(base);
      return FUNCTION;
    }
    const bounds: (number | undefined)[] = [];
    while (this.take('[')) {
      while (QUALIFIERS.has(this.text ?? '')) this.at++;
      if (this.is(']')) bounds.push(undefined);
      else {
        const { value } = this.constant();
        if (value < 0n) throw this.error('an array has no negative size');
        bounds.push(Number(value));
      }
      this.expect(']');
    }
    return bounds.reduceRight<CType>(arrayOf, this.scope.resolve(base));
  }

  private enumeration(): CType {
    const place = this.tokens[this.at++]!;
    const own: LayoutAttributes = { packed: false, align: 0 };
    this.attributes(own);
    const tag = this.tokens[this.at]?.kind === 'id' ? this.tokens[this.at++]!.text : '';
    const name = `enum ${tag}`.trim();
    if (!this.is('{')) {
      return this.scope.tags.get(name) ?? { ...intType(name, 4, { unsigned: true }), kind: 'enum' };
    }
    this.at++;
    const values: EnumValue[] = [];
    while (!this.take('}')) {
      values.push(this.enumerator(values.at(-1)?.constant, own));
      if (!this.take(',') && !this.is('}')) throw this.error(`expected ',' or '}' in ${name}`);
    }
    this.attributes(own);
    this.scope.enums.push({ tag, place, values });
    const type = enumLayout(
      name,
      values.map(({ constant }) => constant.value),
      { packed: own.packed, align8: this.scope.target.align8 },
    );
    if (tag !== '') this.scope.tags.set(name, type);
    return type;
  }

  private enumerator(last: Constant | undefined, own: LayoutAttributes): EnumValue {
    const place = this.tokens[this.at];
    if (place?.kind !== 'id') throw this.error('an enumerator needs a name');
    this.at++;
    this.attributes(own);
    const explicit = this.take('=');
    const constant = enumeratorConstant(explicit ? this.constant() : counted(last));
    this.scope.addEnumerator(place.text, constant);
    return { name: place.text, constant, place, explicit };
  }
}

/** An enumerator has the type int where its value fits, as gcc has it. */
function enumeratorConstant({ value, ioc }: Constant): Constant {
  const made = enumeratorType(value);
  return ioc ? { ...made, ioc } : made;
}

function enumeratorType(value: bigint): Constant {
  if (value >= -(1n << 31n) && value < 1n << 31n) return makeConstant(value);
  if (value >= 0n && value < 1n << 32n) return makeConstant(value, { unsigned: true });
  return makeConstant(value, { bits: 64, unsigned: value >= 1n << 63n });
}

/** One more than the enumerator before. One more than a command is the next command of its kind. */
function counted(last: Constant | undefined): Constant {
  if (last === undefined) return { value: 0n, bits: 32, unsigned: false };
  const { value, ioc } = last;
  const next: Constant = { value: value + 1n, bits: 64, unsigned: false };
  return ioc && ioc.nr < 0xff ? { ...next, ioc: { ...ioc, nr: ioc.nr + 1 } } : next;
}

function constantType({ bits, unsigned }: Constant): CType {
  return intType(`${unsigned ? 'unsigned ' : ''}${bits === 64 ? 'long long' : 'int'}`, bits / 8, { unsigned });
}

/** What `mode` and `vector_size` make of a type. */
export function modified(type: CType, { modeBytes, vectorBytes }: LayoutAttributes): CType {
  if (modeBytes !== undefined && type.kind === 'int')
    return intType(type.name, modeBytes, { unsigned: type.unsigned ?? false });
  return vectorBytes === undefined ? type : { ...type, kind: 'array', size: vectorBytes, align: vectorBytes };
}

/** gcc gives an enum the smallest of unsigned int, int and their long kin that holds all values; a packed one any size. */
function enumLayout(
  name: string,
  values: readonly bigint[],
  { packed, align8 }: { packed: boolean; align8: number },
): CType {
  const unsigned = values.every((value) => value >= 0n);
  const fits = (bytes: number) =>
    values.every((value) => (unsigned ? BigInt.asUintN(bytes * 8, value) : BigInt.asIntN(bytes * 8, value)) === value);
  const size = (packed ? [1, 2, 4] : [4]).find(fits) ?? 8;
  return { ...intType(name, size, { unsigned, align: size === 8 ? align8 : size }), kind: 'enum' };
}
