import type { HideSet, Token } from './lexer.js';
import { HeaderError } from './source-text.js';

export interface Macro {
  readonly name: Token;
  /** Undefined: an object-like macro. */
  readonly params: readonly string[] | undefined;
  /** The last parameter takes all arguments that are left. */
  readonly variadic: boolean;
  readonly body: readonly Token[];
}

export type MacroTable = ReadonlyMap<string, Macro>;

function hidden(hide: HideSet | undefined, name: string): boolean {
  for (let at = hide; at !== undefined; at = at.rest) if (at.name === name) return true;
  return false;
}

/** Each token as it stands, hidden from `name` besides what it is hidden from already. */
function hideFrom(tokens: readonly Token[], name: string, outer: HideSet | undefined): Token[] {
  return tokens.map((token) => {
    let hide: HideSet = { name, rest: token.hide };
    for (let at = outer; at !== undefined; at = at.rest) hide = { name: at.name, rest: hide };
    return { ...token, hide };
  });
}

/** The tokens with every macro in them replaced, again and again, none inside its own replacement. */
export function expand(tokens: readonly Token[], macros: MacroTable): Token[] {
  const out: Token[] = [];
  const work = [...tokens].reverse();
  for (let token = work.pop(); token !== undefined; token = work.pop()) {
    const macro = token.kind === 'id' ? macros.get(token.text) : undefined;
    if (macro === undefined || hidden(token.hide, token.text)) {
      out.push(token);
    } else if (macro.params === undefined) {
      push(work, hideFrom(atUse(pasted(macro.body, token), token), token.text, token.hide));
    } else if (work.at(-1)?.text === '(') {
      const args = takeArguments(work, macro, token);
      const body = substitute(macro, args, macros, token);
      push(work, hideFrom(atUse(body, token), token.text, token.hide));
    } else {
      out.push(token);
    }
  }
  return out;
}

function push(work: Token[], tokens: readonly Token[]): void {
  for (let i = tokens.length - 1; i >= 0; i--) work.push(tokens[i]!);
}

/** A mistake in what a macro became is reported where it was used. */
function atUse(tokens: readonly Token[], use: Token): Token[] {
  return tokens.map((token) => ({ ...token, source: use.source, offset: use.offset, startsLine: false }));
}

/** Takes `( a, b )` off the end of `work`. */
function takeArguments(work: Token[], macro: Macro, use: Token): Token[][] {
  work.pop();
  const args: Token[][] = [[]];
  for (let depth = 1; ; ) {
    const token = work.pop();
    if (token === undefined) {
      throw new HeaderError(
        use,
        `the arguments of ${macro.name.text} do not end`,
        'close the bracket before the next directive',
      );
    }
    if (token.text === '(') depth++;
    if (token.text === ')' && --depth === 0) break;
    const rest = macro.variadic && args.length === macro.params!.length;
    if (token.text === ',' && depth === 1 && !rest) args.push([]);
    else args.at(-1)!.push(token);
  }
  const wanted = macro.params!.length;
  if (wanted === 0 && args.length === 1 && args[0]!.length === 0) return [];
  if (macro.variadic && args.length === wanted - 1) args.push([]);
  if (args.length !== wanted) {
    throw new HeaderError(use, `${macro.name.text} takes ${wanted} arguments, not ${args.length}`, 'see its #define');
  }
  return args;
}

function substitute(macro: Macro, args: readonly Token[][], macros: MacroTable, use: Token): Token[] {
  const params = macro.params!;
  const out: Token[] = [];
  const { body } = macro;
  for (let i = 0; i < body.length; i++) {
    const token = body[i]!;
    const next = body[i + 1];
    const param = token.kind === 'id' ? params.indexOf(token.text) : -1;
    if (token.text === '#' && next && params.includes(next.text)) {
      out.push(stringOf(args[params.indexOf(next.text)]!, token));
      i++;
    } else if (param < 0) {
      out.push(token);
    } else if (next?.text === '##' || body[i - 1]?.text === '##') {
      // `, ## args` with no arguments takes the comma away.
      const comma =
        out.at(-2)?.text === ',' && body[i - 1]?.text === '##' && macro.variadic && param === params.length - 1;
      if (comma) out.pop();
      if (comma && args[param]!.length === 0) out.pop();
      else out.push(...(args[param]!.length > 0 ? args[param]! : [emptyToken(token)]));
    } else {
      out.push(...expand(args[param]!, macros));
    }
  }
  return pasted(out, use);
}

function emptyToken(at: Token): Token {
  return { ...at, text: '', kind: 'punct' };
}

function stringOf(tokens: readonly Token[], at: Token): Token {
  const text = tokens.map((token, i) => (token.spaced && i > 0 ? ` ${token.text}` : token.text)).join('');
  return { ...at, kind: 'string', text: JSON.stringify(text) };
}

/** The tokens with each `a ## b` made one. */
function pasted(tokens: readonly Token[], use: Token): Token[] {
  if (!tokens.some(({ text }) => text === '##')) return tokens.filter(({ text }) => text !== '');
  const out: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    const right = tokens[i + 1];
    if (token.text !== '##' || out.length === 0 || right === undefined) {
      out.push(token);
      continue;
    }
    out.push(joined(out.pop()!, right, use));
    i++;
  }
  return out.filter(({ text }) => text !== '');
}

function joined(left: Token, right: Token, use: Token): Token {
  const text = left.text + right.text;
  if (/^[A-Za-z_$][\w$]*$/.test(text)) return { ...left, kind: 'id', text, hide: undefined };
  if (/^\.?\d[\w.]*$/.test(text)) return { ...left, kind: 'number', text };
  if (left.text === '' || right.text === '') return left.text === '' ? right : left;
  throw new HeaderError(use, `## makes '${text}', which is no token`, 'see the #define of the macro used here');
}
