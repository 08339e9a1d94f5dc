import type { Node } from 'web-tree-sitter';
import { type CleanText, UNNAMED_BIT_FIELD } from './clean-tokens.js';
import { type Constant, type ConstScope, constantValue, makeConstant } from './const-expr.js';
import { type LayoutAttributes, layoutRecord, type Member, NO_ATTRIBUTES } from './layout.js';
import type { Token } from './lexer.js';
import { HeaderError, type Place } from './source-text.js';
import type { Target } from './target.js';
import { arrayOf, type CType, intType, isIncomplete, knownTypes, pointerTo, type RecordLayout } from './types.js';

export interface EnumType {
  /** Empty for one without a tag. */
  readonly tag: string;
  readonly place: Place;
  readonly values: readonly { name: string; value: bigint; place: Place }[];
}

const HINT = 'check the header with a compiler; what is valid C and not read here is worth a report';
const FUNCTION: CType = { kind: 'function', name: 'function', size: 1, align: 1 };

/** The types and enumerators that a header declares. */
export class Declarations implements ConstScope {
  readonly records: RecordLayout[] = [];
  readonly enums: EnumType[] = [];
  readonly typedefs = new Map<string, CType>();
  readonly place: Place;
  private readonly tags = new Map<string, CType>();
  private readonly enumerators = new Map<string, Constant>();

  constructor(
    private readonly clean: CleanText,
    readonly target: Target,
  ) {
    this.place = clean.tokens[0]!;
  }

  readonly constant = (name: string): Constant | undefined => this.enumerators.get(name);

  /** Reads every declaration. Throws HeaderError at the first that is not understood. */
  read(root: Node): void {
    for (const node of root.namedChildren) if (node) this.topLevel(node);
  }

  private topLevel(node: Node): void {
    switch (node.type) {
      case 'struct_specifier':
      case 'union_specifier':
      case 'enum_specifier':
        this.typeOf(node);
        return;
      case 'type_definition':
        this.typeDefinition(node);
        return;
      case 'declaration':
        this.typeOf(node.childForFieldName('type')!);
        return;
      case 'function_definition':
      case 'expression_statement':
        if (node.type === 'expression_statement' && node.namedChildCount > 0) break;
        return;
    }
    throw this.error(node, 'this is no declaration that can be read here');
  }

  /** A mistake at a node, reported where the header has it. */
  error(node: Node, problem: string): HeaderError {
    return new HeaderError(this.clean.tokens[this.tokenAt(node.startIndex)] ?? this.place, problem, HINT);
  }

  /** The token that begins at, or holds, an offset of the clean text. */
  private tokenAt(offset: number): number {
    const { starts } = this.clean;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private tokensOf(node: Node): Token[] {
    return this.clean.tokens.slice(this.tokenAt(node.startIndex), this.tokenAt(node.endIndex - 1) + 1);
  }

  private valueOf(node: Node): Constant {
    return constantValue(this.tokensOf(node), this);
  }

  private typeDefinition(node: Node): void {
    const base = this.typeOf(node.childForFieldName('type')!);
    const attributes = this.attributesOf(node);
    for (const declarator of node.childrenForFieldName('declarator')) {
      if (!declarator) continue;
      const { name, type } = this.declare(declarator, base);
      // An aligned typedef has just that alignment, even below its type's.
      const own = attributes.align > 0 ? { align: attributes.align, userAlign: true } : {};
      const named = type.kind === 'record' && type.record?.tag === '' ? this.nameRecord(type, name) : type;
      this.typedefs.set(name, { ...named, ...own, name });
    }
  }

  /** A struct without a tag is known by the typedef that names it. */
  private nameRecord(type: CType, name: string): CType {
    const record = { ...type.record!, tag: name };
    const at = this.records.indexOf(type.record!);
    if (at >= 0) this.records[at] = record;
    return { ...type, record };
  }

  private typeOf(node: Node): CType {
    switch (node.type) {
      case 'struct_specifier':
      case 'union_specifier':
        return this.recordType(node);
      case 'enum_specifier':
        return this.enumType(node);
      case 'primitive_type':
      case 'sized_type_specifier':
      case 'type_identifier': {
        const type = this.namedType(this.tokensOf(node).map(({ text }) => text));
        if (type) return type;
        throw this.error(node, `'${node.text}' is no type that is known here`);
      }
    }
    throw this.error(node, `'${node.text}' is not understood as a type`);
  }

  private namedType(words: readonly string[]): CType | undefined {
    const plain = words.filter((word) => word !== 'const' && word !== 'volatile');
    const own = plain.length === 1 ? this.typedefs.get(plain[0]!) : undefined;
    return own ?? knownTypes(this.target).get([...plain].sort().join(' '));
  }

  private recordType(node: Node): CType {
    const kind = node.type === 'struct_specifier' ? 'struct' : 'union';
    const tag = node.childForFieldName('name')?.text ?? '';
    const name = `${kind} ${tag}`.trim();
    const body = node.childForFieldName('body');
    const known = this.tags.get(name);
    if (!body) return known ?? { kind: 'record', name, size: 0, align: 1 };
    const place = this.clean.tokens[this.tokenAt(node.startIndex)]!;
    if (known && tag !== '')
      throw new HeaderError(place, `${name} is defined twice`, 'guard the header against being read twice');
    const members = body.namedChildren.flatMap((field) => (field ? this.members(field) : []));
    const layout = layoutRecord({ kind, tag, place }, members, this.attributesOf(node));
    this.records.push(layout);
    const { size, align } = layout;
    const type: CType = { kind: 'record', name, size, align, record: layout };
    if (tag !== '') this.tags.set(name, type);
    return type;
  }

  private members(node: Node): Member[] {
    if (node.type !== 'field_declaration') throw this.error(node, 'this is no field that can be read here');
    const base = this.typeOf(node.childForFieldName('type')!);
    const members: Member[] = [];
    const { children } = node;
    const attributes = this.attributesOf(node);
    for (let i = 0; i < children.length; i++) {
      if (node.fieldNameForChild(i) !== 'declarator') continue;
      const { name, type } = this.declare(children[i]!, base);
      const next = children[i + 1];
      const bits = next?.type === 'bitfield_clause' ? next.namedChildren[0] : undefined;
      if (type.kind === 'function' || type.kind === 'void')
        throw this.error(node, `'${name}' can't have type ${type.name}`);
      if (isIncomplete(type))
        throw this.error(node, `${type.name} is not defined here, so that the size of '${name}' is not known`);
      const width = bits && Number(this.valueOf(bits).value);
      const own = name === UNNAMED_BIT_FIELD ? '' : name;
      members.push(width === undefined ? { name: own, type, attributes } : { name: own, type, attributes, width });
    }
    // `struct { ... };` inside another: its fields are the holder's. A named one without a declarator only declares its tag.
    const anonymous = base.kind === 'record' && base.record?.tag === '';
    if (members.length === 0 && anonymous) return [{ name: '', type: base, attributes }];
    return members;
  }

  /** Name and type of a declarator over its base type. */
  private declare(node: Node, base: CType): { name: string; type: CType } {
    const inner = node.childForFieldName('declarator');
    switch (node.type) {
      case 'identifier':
      case 'field_identifier':
      case 'type_identifier':
      case 'primitive_type':
        return { name: node.text, type: base };
      case 'pointer_declarator':
        return this.declare(inner!, pointerTo(base, this.target));
      case 'array_declarator': {
        const size = node.childForFieldName('size');
        const count = size ? this.valueOf(size).value : undefined;
        if (count !== undefined && count < 0n) throw this.error(node, 'an array has no negative size');
        return this.declare(inner!, arrayOf(base, count === undefined ? undefined : Number(count)));
      }
      case 'function_declarator':
        return this.declare(inner!, FUNCTION);
      case 'parenthesized_declarator':
      case 'attributed_declarator':
        return this.declare(
          node.namedChildren.find((child) => child!.type.endsWith('declarator') || child!.type.endsWith('identifier'))!,
          base,
        );
    }
    throw this.error(node, `'${node.text}' is not understood as a declarator`);
  }

  private enumType(node: Node): CType {
    const tag = node.childForFieldName('name')?.text ?? '';
    const name = `enum ${tag}`.trim();
    const body = node.childForFieldName('body');
    if (!body) return this.tags.get(name) ?? { ...intType(name, 4, { unsigned: true }), kind: 'enum' };
    const place = this.clean.tokens[this.tokenAt(node.startIndex)]!;
    const values: EnumType['values'][number][] = [];
    let next = 0n;
    for (const item of body.namedChildren) {
      if (item?.type !== 'enumerator') throw this.error(item ?? node, 'this is no enumerator that can be read here');
      const given = item.childForFieldName('value');
      const value = given ? this.valueOf(given).value : next;
      const itemName = item.childForFieldName('name')!.text;
      values.push({ name: itemName, value, place: this.clean.tokens[this.tokenAt(item.startIndex)]! });
      this.enumerators.set(itemName, enumeratorConstant(value));
      next = value + 1n;
    }
    this.enums.push({ tag, place, values });
    const type = enumLayout(
      name,
      values.map(({ value }) => value),
      this.attributesOf(node).packed,
    );
    if (tag !== '') this.tags.set(name, type);
    return type;
  }

  /** packed and aligned among the attributes that stand directly in a node; others say nothing about a layout. */
  private attributesOf(node: Node): LayoutAttributes {
    let { packed, align } = NO_ATTRIBUTES;
    for (const child of node.namedChildren) {
      if (child?.type !== 'attribute_specifier') continue;
      const list = child.namedChildren[0];
      for (const item of list?.namedChildren ?? []) {
        const name = (item!.childForFieldName('function') ?? item!).text.replace(/^__|__$/g, '');
        if (name === 'packed') packed = true;
        if (name !== 'aligned') continue;
        const bytes = item!.childForFieldName('arguments')?.namedChildren[0];
        align = Math.max(align, bytes ? Number(this.valueOf(bytes).value) : 16);
      }
    }
    return { packed, align };
  }

  /** A type name among tokens, for sizeof, casts and the arguments of _IOR and its kin. */
  readonly typeAt = (tokens: readonly Token[], start: number): { type: CType; end: number } | undefined => {
    let at = start;
    const skip = () => {
      while (
        ['const', 'volatile', 'struct', 'union', 'enum'].includes(tokens[at]?.text ?? '') &&
        !isTag(tokens[at]!.text)
      )
        at++;
    };
    skip();
    let type: CType | undefined;
    const first = tokens[at];
    if (first?.kind !== 'id') return undefined;
    if (isTag(first.text)) {
      const name = `${first.text} ${tokens[at + 1]?.text}`;
      type = this.tags.get(name) ?? { kind: first.text === 'enum' ? 'enum' : 'record', name, size: 0, align: 1 };
      at += 2;
    } else {
      const words: string[] = [];
      while (
        tokens[at]?.kind === 'id' &&
        (words.length === 0 || isTypeWord(words[0]!)) &&
        (words.length === 0 || isTypeWord(tokens[at]!.text))
      ) {
        words.push(tokens[at++]!.text);
      }
      type = this.namedType(words);
    }
    if (type === undefined) return undefined;
    for (skip(); tokens[at]?.text === '*'; skip()) {
      type = pointerTo(type, this.target);
      at++;
    }
    return this.arrayBounds(tokens, { type, end: at });
  };

  private arrayBounds(tokens: readonly Token[], base: { type: CType; end: number }): { type: CType; end: number } {
    const bounds: number[] = [];
    let { end } = base;
    while (tokens[end]?.text === '[') {
      let close = end + 1;
      for (let depth = 1; close < tokens.length; close++) {
        if (tokens[close]!.text === '[') depth++;
        else if (tokens[close]!.text === ']' && --depth === 0) break;
      }
      bounds.push(Number(constantValue(tokens.slice(end + 1, close), this).value));
      end = close + 1;
    }
    return { type: bounds.reduceRight(arrayOf, base.type), end };
  }
}

function isTag(word: string): boolean {
  return word === 'struct' || word === 'union' || word === 'enum';
}

const TYPE_WORDS = new Set(['int', 'char', 'short', 'long', 'signed', 'unsigned', 'const', 'volatile', 'double']);

function isTypeWord(word: string): boolean {
  return TYPE_WORDS.has(word);
}

function enumeratorConstant(value: bigint): Constant {
  if (value >= -(1n << 31n) && value < 1n << 31n) return makeConstant(value);
  if (value >= 0n && value < 1n << 32n) return makeConstant(value, { unsigned: true });
  return makeConstant(value, { bits: 64, unsigned: value >= 1n << 63n });
}

/** gcc gives an enum the smallest of unsigned int, int and their long kin that holds all values; a packed one any size. */
function enumLayout(name: string, values: readonly bigint[], packed: boolean): CType {
  const unsigned = values.every((value) => value >= 0n);
  const fits = (bytes: number) =>
    values.every((value) => (unsigned ? BigInt.asUintN(bytes * 8, value) : BigInt.asIntN(bytes * 8, value)) === value);
  const size = (packed ? [1, 2, 4] : [4]).find(fits) ?? 8;
  return { ...intType(name, size, { unsigned }), kind: 'enum' };
}
