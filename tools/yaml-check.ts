import { isUtf8 } from 'node:buffer';
import { type Document, isAlias, isCollection, isNode, isPair, isScalar, Lexer, Parser, parseDocument } from 'yaml';

/** What of a text can't be read, and where. */
export class YamlMistake extends Error {
  constructor(
    readonly offset: number,
    message: string,
  ) {
    super(message);
  }
}

/** Far above what any file has, and far below where the stack of a recursive reader ends. */
const MAX_DEPTH = 100;
/** Of all that aliases stand for. */
const MAX_NODES = 1_000_000;

/** Throws YamlMistake where the bytes are no text that YAML may have. */
export function yamlText(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!isUtf8(bytes)) {
    const wrong = Buffer.from(text).findIndex((byte, i) => byte !== bytes[i]);
    const byte = bytes[wrong]!.toString(16).padStart(2, '0');
    throw new YamlMistake(bytes.toString('utf8', 0, wrong).length, `byte 0x${byte} is no UTF-8, which this file is in`);
  }
  const control = /[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\u{10000}-\u{10ffff}]/u.exec(text);
  if (control === null) return text;
  const code = control[0].codePointAt(0)!.toString(16).padStart(2, '0');
  throw new YamlMistake(control.index, `character 0x${code} can't stand in YAML; "\\x${code}" in quotes means it`);
}

/** The document of a text, and what its syntax is wrong in. Throws YamlMistake for what would end a reader in the middle. */
export function yamlDocument(text: string): { readonly document: Document; readonly mistakes: YamlMistake[] } {
  checkDepth(text);
  const document = parseDocument(text, { prettyErrors: false, stringKeys: true });
  // A tag that nobody knows is only warned of.
  const mistakes = [...document.errors, ...document.warnings].map(
    ({ pos, code, message }) => new YamlMistake(pos[0], MESSAGES[code] ?? message),
  );
  if (document.directives?.yaml.explicit && document.directives.yaml.version !== '1.2')
    mistakes.push(new YamlMistake(0, `this file is read as YAML 1.2, not ${document.directives.yaml.version}`));
  if (mistakes.length === 0) extentOf(document.contents, new Map());
  return { document, mistakes };
}

/** Where the parser's own words are about its interface. */
const MESSAGES: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'a second document begins; a file has one',
  NON_STRING_KEY: 'a key is plain text, no list, map or alias',
  DUPLICATE_KEY: 'this key stands here twice',
};

function checkDepth(text: string): void {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > MAX_DEPTH) throw new YamlMistake(parser.offset - 1, TOO_DEEP);
  }
}
const TOO_DEEP = `nested more than ${MAX_DEPTH} deep`;

interface Extent {
  readonly nodes: number;
  readonly depth: number;
}

/** How much a node is with all that its aliases stand for. `anchors`: those that ended before it. */
function extentOf(node: unknown, anchors: Map<string, Extent>): Extent {
  if (isAlias(node)) {
    const extent = anchors.get(node.source);
    if (extent === undefined)
      throw new YamlMistake(startOf(node), `no '&${node.source}' ends before this '*${node.source}'`);
    return extent;
  }
  const anchor = isCollection(node) || isScalar(node) ? node.anchor : undefined;
  if (anchor !== undefined) anchors.delete(anchor);
  const inner = isPair(node) ? [node.key, node.value] : isCollection(node) ? node.items : [];
  if (isPair(node) && isScalar(node.key) && UNFIT_KEYS.includes(String(node.key.value)))
    throw new YamlMistake(startOf(node.key), `no key can be called '${node.key.value}'`);
  let nodes = 1;
  let depth = 0;
  for (const one of inner) {
    const extent = extentOf(one, anchors);
    nodes += extent.nodes;
    depth = Math.max(depth, extent.depth + (isPair(node) ? 0 : 1));
    if (nodes > MAX_NODES)
      throw new YamlMistake(startOf(one), `with its aliases this has more than ${MAX_NODES} values`);
    if (depth > MAX_DEPTH) throw new YamlMistake(startOf(one), TOO_DEEP);
  }
  if (anchor !== undefined) anchors.set(anchor, { nodes, depth });
  return { nodes, depth };
}

function startOf(node: unknown): number {
  if (isPair(node)) return startOf(node.value ?? node.key);
  return isNode(node) ? (node.range?.[0] ?? 0) : 0;
}

/** What JavaScript gives a meaning of its own. */
const UNFIT_KEYS: readonly string[] = ['__proto__', 'constructor', 'prototype'];
