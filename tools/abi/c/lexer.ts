import { HeaderError, type Place, type SourceText } from './source-text.js';

export type TokenKind = 'id' | 'number' | 'string' | 'char' | 'punct';

/** Macros that a token came out of, and so is not expanded by again. */
export interface HideSet {
  readonly name: string;
  readonly rest: HideSet | undefined;
}

export interface Token extends Place {
  readonly kind: TokenKind;
  readonly text: string;
  /** The first on its line; a line goes on over a backslash at its end. */
  readonly startsLine: boolean;
  /** White space stands before it. */
  readonly spaced: boolean;
  readonly hide?: HideSet | undefined;
}

// Group 1 blank or comment, 2 line end, 3 identifier, 4 number, 5 string, 6 character, 7 punctuation, 8 what begins no token.
const LEXEME = new RegExp(
  [
    /((?:[ \t\f\v\r]|\\\r?\n|\/\*[\s\S]*?\*\/|\/\/[^\n]*)+)/,
    /(\n)/,
    /([A-Za-z_$][\w$]*)/,
    /(\.?\d(?:[eEpP][+-]|[\w.])*)/,
    /((?:u8|[LuU])?"(?:[^"\\\n]|\\.)*")/,
    /([LuU]?'(?:[^'\\\n]|\\.)+')/,
    /(\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||##|[+\-*/%&|^]=|[-+*/%&|^~!=<>?:;,.(){}[\]#])/,
    /([\s\S])/,
  ]
    .map((part) => part.source)
    .join('|'),
  'y',
);

const KINDS: readonly (TokenKind | undefined)[] = [
  ...[undefined, undefined, undefined, 'id', 'number', 'string', 'char', 'punct'],
] as (TokenKind | undefined)[];

/** The preprocessing tokens of a text. A character that begins none, such as a lone quote, is a token of its own: it matters only if it is used. */
export function lex(source: SourceText): Token[] {
  const { text } = source;
  const tokens: Token[] = [];
  let startsLine = true;
  let spaced = false;
  LEXEME.lastIndex = 0;
  for (let match = LEXEME.exec(text); match !== null; match = LEXEME.exec(text)) {
    const offset = match.index;
    if (match[1] !== undefined) {
      spaced = true;
    } else if (match[2] !== undefined) {
      startsLine = true;
    } else {
      if (text.startsWith('/*', offset)) {
        throw new HeaderError({ source, offset }, 'this comment does not end', 'close it with */');
      }
      let kind: TokenKind = 'punct';
      for (let group = 3; group < 7; group++) if (match[group] !== undefined) kind = KINDS[group]!;
      tokens.push({ source, offset, kind, text: match[0], startsLine, spaced });
      startsLine = false;
      spaced = false;
    }
  }
  return tokens;
}
