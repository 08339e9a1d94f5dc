import { constantValue } from './const-expr.js';
import type { Token } from './lexer.js';
import type { Scope } from './scope.js';
import { HeaderError } from './source-text.js';
import { modified, type Specifiers, TypeParser } from './type-parser.js';
import type { CType } from './types.js';

/** Reads every declaration of a header into its scope. Throws HeaderError at the first that is not understood. */
export function readDeclarations(tokens: readonly Token[], scope: Scope): void {
  const parser = new TypeParser(tokens, scope);
  while (parser.at < tokens.length) readDeclaration(parser);
}

const TOP_LEVEL_ASM = new Set(['asm', '__asm__', '__asm']);

function readDeclaration(parser: TypeParser): void {
  if (parser.take(';') || parser.skipAssertion()) return;
  if (TOP_LEVEL_ASM.has(parser.text ?? '')) {
    while (!parser.take(';') && parser.at < parser.tokens.length) parser.at++;
    return;
  }
  const specifiers = parser.specifiers();
  if (specifiers.type === undefined) throw parser.unknownType();
  if (parser.take(';')) return;
  let base = specifiers.type;
  do {
    const first = parser.at;
    base = readDeclarator(parser, base, specifiers);
    if (parser.is('=')) readInitializer(parser, first, base);
    // A function's body.
    if (parser.is('{')) {
      parser.skipBracketed();
      return;
    }
  } while (parser.take(','));
  if (parser.at < parser.tokens.length) parser.expect(';');
  else throw parser.error("';' is missing at the end");
}

/** What a further declarator is declared over: a record without a tag has got its name from the first one. */
function readDeclarator(parser: TypeParser, base: CType, specifiers: Specifiers): CType {
  const attributes = { ...specifiers.attributes };
  const { name, type } = parser.declarator(base, attributes);
  parser.attributes(attributes);
  if (name === undefined) throw parser.error('a declaration names nothing');
  if (!specifiers.isTypedef) return base;
  const { scope } = parser;
  const named = type.kind === 'record' && type.record?.tag === '' ? nameRecord(scope, type, name.text) : type;
  // An aligned typedef has just that alignment, even below its type's.
  const own = attributes.align > 0 ? { align: attributes.align } : {};
  scope.typedefs.set(name.text, { ...modified(named, attributes), ...own, name: name.text });
  return named.kind === 'record' && type === base ? named : base;
}

/** A record without a tag is known by the typedef that names it. */
function nameRecord(scope: Scope, type: CType, name: string): CType {
  const record = { ...type.record!, tag: name };
  const at = scope.records.indexOf(type.record!);
  if (at >= 0) scope.records[at] = record;
  return { ...type, record };
}

/** Past `= ...`, to the comma or semicolon that ends it. A number that is given a plain name is a constant of the header, as in an enum. */
function readInitializer(parser: TypeParser, first: number, { kind }: CType): void {
  const { tokens, scope } = parser;
  const name = tokens[first]!;
  const isNamed = parser.at === first + 1 && kind === 'int';
  const start = parser.at + 1;
  skipInitializer(parser);
  if (!isNamed) return;
  try {
    const { target, constant: known, typeAt } = scope;
    const constant = constantValue(tokens.slice(start, parser.at), { place: name, target, constant: known, typeAt });
    const value = { name: name.text, constant, place: name, explicit: true };
    scope.enums.push({ tag: '', place: name, values: [value] });
  } catch (error) {
    // It may be a float, or the address of something.
    if (!(error instanceof HeaderError)) throw error;
  }
}

function skipInitializer(parser: TypeParser): void {
  while (parser.at < parser.tokens.length && !parser.is(',') && !parser.is(';')) {
    if (parser.is('(') || parser.is('{') || parser.is('[')) parser.skipBracketed();
    else parser.at++;
  }
}
