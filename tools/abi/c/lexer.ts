import { HeaderError, type Place, type SourceText } from './source-text.js';

type TokenKind = 'id' | 'number' | 'string' | 'char' | 'punct';

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
  /** What `#pragma pack` allows the members of the record that this } ends. */
  readonly pack?: number;
}

// Group 1 blank or comment, 2 line end, 3 string, 4 character, 5 identifier, 6 number, 7 punctuation, 8 what begins no token.
const LEXEME = new RegExp(
  [
    /((?:[ \t\f\v\r]|\\\r?\n|\/\*[\s\S]*?\*\/|\/\/[^\n]*)+)/,
    /(\n)/,
    /((?:u8|[LuU])?"(?:[^"\\\n]|\\.)*")/,
    /([LuU]?'(?:[^'\\\n]|\\.)+')/,
    /([A-Za-z_$][\w$]*)/,
    /(\.?\d(?:[eEpP][+-]|[\w.])*)/,
    /(\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||##|[+\-*/%&|^]=|[-+*/%&|^~!=<>?:;,.(){}[\]#])/,
    /([\s\S])/,
  ]
    .map((part) => part.source)
    .join('|'),
  'y',
);

const lexed = new WeakMap<SourceText, readonly Token[]>();

/** The preprocessing tokens of a text. A character that begins none, such as a lone quote, is a token of its own: it matters only if it is used. */
export function lex(source: SourceText): readonly Token[] {
  let tokens = lexed.get(source);
  if (tokens === undefined) {
    tokens = readTokens(source);
    lexed.set(source, tokens);
  }
  return tokens;
}

function readTokens(source: SourceText): Token[] {
  const { text } = source;
  const tokens: Token[] = [];
  let startsLine = true;
  let spaced = false;
  // A byte order mark is no part of the text.
  LEXEME.lastIndex = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  for (let match = LEXEME.exec(text); match !== null; match = LEXEME.exec(text)) {
    const offset = match.index;
    if (match[1] !== undefined) {
      spaced = true;
    } else if (match[2] !== undefined) {
      startsLine = true;
    } else {
      if (match[0] === '/' && text[offset + 1] === '*') {
        throw new HeaderError({ source, offset }, 'this comment does not end', 'close it with */');
      }
      tokens.push({ source, offset, kind: kindOf(match), text: match[0], startsLine, spaced });
      startsLine = false;
      spaced = false;
    }
  }
  return tokens;
}

function kindOf(match: RegExpExecArray): TokenKind {
  if (match[5] !== undefined) return 'id';
  if (match[6] !== undefined) return 'number';
  if (match[3] !== undefined) return 'string';
  return match[4] === undefined ? 'punct' : 'char';
}
