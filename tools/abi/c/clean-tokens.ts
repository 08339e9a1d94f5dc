import type { Token } from './lexer.js';

/** Tokens joined to one text for the grammar, and the way back from its offsets. */
export interface CleanText {
  readonly text: string;
  readonly tokens: readonly Token[];
  /** Offset of each token in `text`. */
  readonly starts: readonly number[];
}

/** GNU spellings and what C calls them; empty ones say nothing about a layout. */
const SPELLINGS: Readonly<Record<string, string>> = {
  __extension__: '',
  __restrict: '',
  __restrict__: '',
  __const: 'const',
  __const__: 'const',
  __volatile__: 'volatile',
  __volatile: 'volatile',
  __signed__: 'signed',
  __signed: 'signed',
  __inline__: 'inline',
  __inline: 'inline',
  __attribute: '__attribute__',
};

const TYPE_WORDS = new Set(['int', 'char', 'short', 'long', 'signed', 'unsigned', '_Bool', 'bool']);

/** The name that a bit-field without one is given, as the grammar wants one. */
export const UNNAMED_BIT_FIELD = '__unnamed_bit_field';

/** Writes the tokens for the grammar: GNU spellings plain, neighbouring attributes joined, unnamed bit-fields named. */
export function cleanText(tokens: readonly Token[]): CleanText {
  const out = tidyRecords(joinAttributes(spell(tokens)));
  const starts: number[] = [];
  const parts: string[] = [];
  let at = 0;
  for (const token of out) {
    starts.push(at);
    parts.push(token.text);
    at += token.text.length + 1;
  }
  return { text: parts.join(' '), tokens: out, starts };
}

function spell(tokens: readonly Token[]): Token[] {
  const out: Token[] = [];
  for (const token of tokens) {
    const text = token.kind === 'id' && Object.hasOwn(SPELLINGS, token.text) ? SPELLINGS[token.text]! : token.text;
    if (text !== '') out.push(text === token.text ? token : { ...token, text });
  }
  return out;
}

/** `__attribute__((a)) __attribute__((b))` is `__attribute__((a, b))`; an empty one is nothing. */
function joinAttributes(tokens: readonly Token[]): Token[] {
  const out: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    out.push(token);
    if (token.text !== '__attribute__' || tokens[i + 1]?.text !== '(' || tokens[i + 2]?.text !== '(') continue;
    const inner: Token[] = [];
    let end = i;
    while (tokens[end]?.text === '__attribute__' && tokens[end + 2]?.text === '(') {
      const close = closing(tokens, end + 1);
      const list = tokens.slice(end + 3, close - 1);
      if (list.length > 0) inner.push(...(inner.length > 0 ? [{ ...list[0]!, text: ',' }] : []), ...list);
      end = close + 1;
    }
    const open = tokens[i + 1]!;
    const shut = { ...open, text: ')' };
    if (inner.length === 0) out.pop();
    else out.push(open, open, ...inner, shut, shut);
    i = end - 1;
  }
  return out;
}

/** The bracket that closes the one at `open`. */
function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    if (tokens[i]!.text === '(') depth++;
    else if (tokens[i]!.text === ')' && --depth === 0) return i;
  }
  return tokens.length - 1;
}

function tidyRecords(tokens: readonly Token[]): Token[] {
  const out: Token[] = [];
  const inRecord: boolean[] = [];
  let words: string[] = [];
  for (const token of tokens) {
    if (token.text === '{') inRecord.push(opensRecord(out));
    if (token.text === '}') inRecord.pop();
    // A field may be followed by more semicolons than its own.
    if (token.text === ';' && inRecord.at(-1) && words.length === 0 && out.at(-1)?.text !== '}') continue;
    if (token.text === ':' && inRecord.at(-1) && isUnnamed(words, out.at(-1))) {
      out.push({ ...token, kind: 'id', text: UNNAMED_BIT_FIELD });
    }
    words = [';', '{', '}'].includes(token.text) ? [] : [...words, token.text];
    out.push(token);
  }
  return out;
}

/** Nothing but a type stands before the colon. */
function isUnnamed(words: readonly string[], last: Token | undefined): boolean {
  const names = words.filter((word) => word !== 'const' && word !== 'volatile');
  return last?.text === ',' || names.length === 1 || TYPE_WORDS.has(names.at(-1) ?? '');
}

/** The tokens end with `struct`, perhaps attributes and a tag: what opens is a record and no function. */
function opensRecord(tokens: readonly Token[]): boolean {
  for (let i = tokens.length - 1; i >= 0; i--) {
    const { text, kind } = tokens[i]!;
    if (text === 'struct' || text === 'union') return true;
    if (text === ')') {
      i = opening(tokens, i) - 1;
      if (tokens[i]?.text !== '__attribute__') return false;
    } else if (kind !== 'id') return false;
  }
  return false;
}

/** The bracket that the one at `close` closes. */
function opening(tokens: readonly Token[], close: number): number {
  let depth = 0;
  for (let i = close; i >= 0; i--) {
    if (tokens[i]!.text === ')') depth++;
    else if (tokens[i]!.text === '(' && --depth === 0) return i;
  }
  return 0;
}
