import type { Node, Parser } from 'web-tree-sitter';
import { cleanText } from './clean-tokens.js';
import { type Constant, constantValue } from './const-expr.js';
import { Declarations, type EnumType } from './declarations.js';
import { cParser } from './grammar.js';
import type { Token } from './lexer.js';
import { expand, type Macro } from './macro.js';
import { type FindHeader, mainSource, preprocess } from './preprocessor.js';
import { HeaderError, type Place, type SourceText } from './source-text.js';
import { DEFAULT_TARGET, type Target } from './target.js';
import type { RecordLayout } from './types.js';

export interface HeaderMacro {
  readonly name: string;
  readonly place: Place;
  /** Undefined when the macro is no constant: then only its text is known. */
  readonly constant: Constant | undefined;
  readonly text: string;
}

/** All that a header declares, on one target. `isMain` of a place's source tells its own things from those it includes. */
export interface Header {
  readonly name: string;
  readonly target: Target;
  readonly records: readonly RecordLayout[];
  readonly enums: readonly EnumType[];
  readonly macros: readonly HeaderMacro[];
}

export interface ParseOptions {
  readonly target?: Target;
  /** How to find what it includes, beside the built-in headers; nothing is found when left out. */
  readonly findHeader?: FindHeader;
  /** Macros to leave out: commands of other architectures, say, whose record is not defined here. */
  readonly skip?: readonly string[];
}

/** Reads a header. Throws HeaderError where it is not understood: nothing is ever guessed. */
export async function parseHeader(name: string, text: string, options: ParseOptions = {}): Promise<Header> {
  return parseWith(await cParser(), mainSource(name, text), options);
}

function parseWith(parser: Parser, source: SourceText, options: ParseOptions): Header {
  const target = options.target ?? DEFAULT_TARGET;
  const { tokens, macros } = preprocess(source, target, options.findHeader ?? (() => undefined));
  const clean = cleanText(tokens);
  if (clean.tokens.length === 0) {
    const nothing = new Declarations({ ...clean, tokens: [endOf(source)] }, target);
    return { name: source.name, target, records: [], enums: [], macros: readMacros(macros, nothing, options) };
  }
  const declarations = new Declarations(clean, target);
  const tree = parser.parse(clean.text)!;
  try {
    if (tree.rootNode.hasError) throw syntaxError(tree.rootNode, declarations);
    declarations.read(tree.rootNode);
  } finally {
    tree.delete();
  }
  const { records, enums } = declarations;
  return { name: source.name, target, records, enums, macros: readMacros(macros, declarations, options) };
}

function endOf(source: SourceText): Token {
  return {
    source,
    offset: Math.max(0, source.text.length - 1),
    kind: 'punct',
    text: '',
    startsLine: false,
    spaced: false,
  };
}

function syntaxError(root: Node, declarations: Declarations): HeaderError {
  const node = firstError(root) ?? root;
  const problem = node.isMissing
    ? `'${node.type}' is missing here`
    : `not understood as C, from '${excerpt(node.text)}' on`;
  return declarations.error(node, problem);
}

function excerpt(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

function firstError(node: Node): Node | undefined {
  if (node.isError || node.isMissing) return node;
  for (const child of node.children) {
    const found = child?.hasError || child?.isMissing ? firstError(child) : undefined;
    if (found) return found;
  }
  return undefined;
}

/** The header's own object-like macros, with their values where they are constants. */
function readMacros(
  macros: ReadonlyMap<string, Macro>,
  scope: Declarations,
  { skip = [] }: ParseOptions,
): HeaderMacro[] {
  const out: HeaderMacro[] = [];
  for (const [name, macro] of macros) {
    if (!macro.name.source.isMain || macro.params !== undefined || macro.body.length === 0) continue;
    if (skip.includes(name)) continue;
    const text = macro.body.map(({ text }, i) => (macro.body[i]!.spaced && i > 0 ? ` ${text}` : text)).join('');
    out.push({ name, place: macro.name, constant: macroValue(macro, macros, scope), text });
  }
  return out;
}

function macroValue(macro: Macro, macros: ReadonlyMap<string, Macro>, scope: Declarations): Constant | undefined {
  const tokens = expand([macro.name], macros);
  if (tokens.length === 0 || tokens.every(({ kind }) => kind === 'string')) return undefined;
  try {
    return constantValue(tokens, {
      place: macro.name,
      target: scope.target,
      constant: scope.constant,
      typeAt: scope.typeAt,
    });
  } catch (error) {
    // A macro may hold anything; but an ioctl number that can't be read would be a command that silently is not compared.
    const isCommand = tokens.some(({ text }, i) => /^_IO(C|R|W|WR)?$/.test(text) && tokens[i + 1]?.text === '(');
    if (!(error instanceof HeaderError)) throw error;
    if (!isCommand) return undefined;
    const { name } = macro;
    throw new HeaderError(
      name,
      `${name.text} can't be read: ${error.problem}`,
      `leave it out with --skip ${name.text}`,
    );
  }
}
