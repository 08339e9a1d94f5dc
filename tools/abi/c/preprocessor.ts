import { builtinHeader, libcHeader, predefined } from './builtin-headers.js';
import { constantValue } from './const-expr.js';
import { lex, type Token } from './lexer.js';
import { expand, type Macro } from './macro.js';
import { HeaderError, type Place, SourceText } from './source-text.js';
import type { Target } from './target.js';

/** Finds the text of a header that another includes; undefined when there is none. */
export type FindHeader = (
  name: string,
  /** `after`: look behind this header's own folder only, as #include_next does. */
  options: { angled: boolean; from: string; after?: string | undefined },
) => SourceText | undefined;

export interface Preprocessed {
  /** What is left to parse, macros replaced. */
  readonly tokens: readonly Token[];
  readonly macros: ReadonlyMap<string, Macro>;
  /** The macro that keeps the header from being read twice. */
  readonly guard: string | undefined;
}

interface Condition {
  /** This part is read. */
  active: boolean;
  /** A part was read, or nothing around it is. */
  done: boolean;
  elseSeen: boolean;
  readonly start: Token;
}

const MAX_DEPTH = 64;

/** Directives, conditions and macros of a header and all that it includes. */
export function preprocess(main: SourceText, target: Target, findHeader: FindHeader): Preprocessed {
  const pp = new Preprocessor(target, findHeader);
  pp.read(predefined(target), 0);
  pp.read(main, 0);
  // Nothing is compiled until a program uses a command, and that program has the header which the command needs.
  if (!pp.macros.has('_IOC_READ')) pp.read(builtinHeader('linux/ioctl.h', target)!, 0);
  return { tokens: pp.out, macros: pp.macros, guard: guardOf(lex(main)) };
}

/** `#ifndef X` and `#define X` around the whole header, which may include others before. */
function guardOf(tokens: readonly Token[]): string | undefined {
  const directives = tokens.flatMap(({ text, startsLine }, i) => (text === '#' && startsLine ? [i] : []));
  const at = directives.find((i) => !/^(pragma|include)$/.test(tokens[i + 1]?.text ?? ''));
  if (at === undefined || tokens[directives.at(-1)! + 1]?.text !== 'endif') return undefined;
  const [, ifndef, name, hash, define, again, value] = tokens.slice(at, at + 7);
  const isGuard = ifndef?.text === 'ifndef' && hash?.text === '#' && define?.text === 'define';
  const isBare = value === undefined || value.startsLine || value.text === '1';
  return isGuard && isBare && name?.text === again?.text ? name?.text : undefined;
}

/** Names that the evaluator knows itself: another definition of them would only hide what a number was made of. */
const OWN_MACROS = new Set(['_IO', '_IOR', '_IOW', '_IOWR', '_IOC', '_IOR_BAD', '_IOW_BAD', '_IOWR_BAD']);

class Preprocessor {
  readonly out: Token[] = [];
  private pack = 0;
  private readonly packs: number[] = [];
  readonly macros = new Map<string, Macro>();
  private readonly once = new Set<string>();

  constructor(
    private readonly target: Target,
    private readonly findHeader: FindHeader,
  ) {}

  read(source: SourceText, depth: number): void {
    const tokens = lex(source);
    const conditions: Condition[] = [];
    let chunk: Token[] = [];
    const active = () => conditions.every((c) => c.active);
    for (let i = 0; i < tokens.length; ) {
      const end = lineEnd(tokens, i);
      const token = tokens[i]!;
      if (token.text !== '#') {
        if (active()) for (let j = i; j < end; j++) chunk.push(tokens[j]!);
      } else {
        const line = tokens.slice(i + 1, end);
        if (!this.condition(line, conditions, token) && active()) {
          this.flush(chunk);
          chunk = [];
          this.directive(line, token, depth);
        }
      }
      i = end;
    }
    if (conditions.length > 0) {
      throw new HeaderError(conditions.at(-1)!.start, 'this condition does not end', 'add its #endif');
    }
    this.flush(chunk);
  }

  private flush(chunk: readonly Token[]): void {
    const { pack } = this;
    for (const token of expand(chunk, this.macros)) {
      this.out.push(pack > 0 && token.text === '}' ? { ...token, pack } : token);
    }
  }

  /** Handles #if and its kin; false for any other directive. */
  private condition(line: readonly Token[], conditions: Condition[], at: Token): boolean {
    const name = line[0]?.text;
    const outer = conditions.every((c) => c.active);
    if (name === 'if' || name === 'ifdef' || name === 'ifndef') {
      const active = outer && this.holds(name, line);
      conditions.push({ active, done: active || !outer, elseSeen: false, start: at });
      return true;
    }
    if (name !== 'elif' && name !== 'else' && name !== 'endif') return false;
    const condition = conditions.at(-1);
    if (condition === undefined) throw new HeaderError(at, `#${name} without #if`, 'remove it');
    if (name === 'endif') {
      conditions.pop();
    } else {
      if (condition.elseSeen) throw new HeaderError(at, `#${name} after #else`, 'remove one of them');
      condition.elseSeen = name === 'else';
      condition.active = !condition.done && (name === 'else' || this.holds('if', line));
      condition.done ||= condition.active;
    }
    return true;
  }

  private holds(name: string, line: readonly Token[]): boolean {
    const at = line[0]!;
    if (name !== 'if') {
      if (line[1]?.kind !== 'id') throw new HeaderError(at, `#${name} needs a name`, 'name a macro');
      return this.macros.has(line[1].text) === (name === 'ifdef');
    }
    const known = this.resolveIncludes(this.resolveDefined(line.slice(1)), at);
    const resolved = noFeatures(expand(known, this.macros));
    // What is no macro by now counts as 0.
    const plain = resolved.map((t): Token => (t.kind === 'id' ? { ...t, kind: 'number', text: '0' } : t));
    return constantValue(plain, { place: at, target: this.target }).value !== 0n;
  }

  /** `defined X` and `defined(X)` become 1 or 0 before macros are replaced. */
  private resolveDefined(line: readonly Token[]): Token[] {
    const out: Token[] = [];
    for (let i = 0; i < line.length; i++) {
      const token = line[i]!;
      if (token.text !== 'defined') {
        out.push(token);
        continue;
      }
      const bracketed = line[i + 1]?.text === '(';
      const name = line[i + (bracketed ? 2 : 1)];
      if (name?.kind !== 'id') throw new HeaderError(token, 'defined needs a name', 'name a macro');
      i += bracketed ? 3 : 1;
      const yes = this.macros.has(name.text) || name.text.startsWith('__has_');
      out.push({ ...token, kind: 'number', text: yes ? '1' : '0' });
    }
    return out;
  }

  /** `__has_include(<x.h>)` becomes 1 or 0. */
  private resolveIncludes(line: readonly Token[], at: Token): readonly Token[] {
    const start = line.findIndex(({ text }) => text === '__has_include' || text === '__has_include_next');
    if (start < 0) return line;
    const close = line.findIndex(({ text }, i) => i > start && text === ')');
    const end = close < 0 ? line.length : close;
    const { name, angled } = headerName([at, ...line.slice(start + 2, end)], this.macros);
    const found = builtinHeader(name, this.target) ?? this.findHeader(name, { angled, from: at.source.name });
    const answer: Token = { ...line[start]!, kind: 'number', text: found ? '1' : '0' };
    return this.resolveIncludes([...line.slice(0, start), answer, ...line.slice(end + 1)], at);
  }

  private directive(line: readonly Token[], at: Token, depth: number): void {
    const name = line[0]?.text;
    if (name === undefined) return;
    if (name === 'define') this.define(line);
    else if (name === 'undef') this.macros.delete(line[1]?.text ?? '');
    else if (name === 'include' || name === 'include_next') this.include(line, depth);
    else if (name === 'error')
      throw new HeaderError(at, 'the header refuses to be read so', 'see the condition around it');
    else if (name === 'pragma') this.pragma(line, at);
    else if (!['warning', 'line', 'ident'].includes(name)) {
      throw new HeaderError(at, `unknown directive #${name}`, 'remove it or correct its name');
    }
  }

  private pragma(line: readonly Token[], at: Token): void {
    if (line[1]?.text === 'once') this.once.add(at.source.name);
    else if (line[1]?.text === 'pack') this.setPack(line.slice(2));
  }

  /** `pack(2)`, `pack()`, `pack(push)`, `pack(push, 2)`, `pack(pop)`. */
  private setPack(words: readonly Token[]): void {
    const texts = words.map(({ text }) => text);
    if (texts.includes('push')) this.packs.push(this.pack);
    if (texts.includes('pop')) this.pack = this.packs.pop() ?? 0;
    else if (!texts.includes('push') || texts.includes(',')) {
      const bytes = expand(words, this.macros).find(({ kind }) => kind === 'number');
      this.pack = Number(bytes?.text ?? 0);
    }
  }

  private define(line: readonly Token[]): void {
    const name = line[1];
    if (name?.kind !== 'id') throw new HeaderError(line[0]!, '#define needs a name', 'name a macro');
    let at = 2;
    let params: string[] | undefined;
    let variadic = false;
    if (line[at]?.text === '(' && !line[at]!.spaced) {
      params = [];
      for (at++; line[at] !== undefined && line[at]!.text !== ')'; at++) {
        const { text } = line[at]!;
        if (text === '...') variadic = true;
        else if (text !== ',') params.push(text);
      }
      if (line[at] === undefined) throw new HeaderError(name, 'the parameters do not end', 'close the bracket');
      if (variadic && line[at - 2]?.text !== ',' && params.length > 0 && line[at - 2]?.text === params.at(-1)) at++;
      else {
        if (variadic) params.push('__VA_ARGS__');
        at++;
      }
    }
    const body = line.slice(at);
    if (params && OWN_MACROS.has(name.text)) return;
    this.macros.set(name.text, { name, params, variadic, body });
  }

  private include(line: readonly Token[], depth: number): void {
    const at = line[0]!;
    if (depth >= MAX_DEPTH) throw new HeaderError(at, 'headers include each other without end', 'guard them');
    const { name, angled } = headerName(line, this.macros);
    const from = at.source.name;
    const after = at.text === 'include_next' ? name : undefined;
    const source =
      builtinHeader(name, this.target) ??
      this.findHeader(name, { angled, from, after }) ??
      libcHeader(name, this.target);
    if (source === undefined) throw missingHeader(line[1] ?? at, name);
    if (!this.once.has(source.name)) this.read(source, depth + 1);
  }
}

/** `__has_attribute(...)` and its kin are 0: a header must read the same without them. */
function noFeatures(line: readonly Token[]): Token[] {
  const out: Token[] = [];
  for (let i = 0; i < line.length; i++) {
    const token = line[i]!;
    if (token.kind !== 'id' || !token.text.startsWith('__has_')) {
      out.push(token);
      continue;
    }
    out.push({ ...token, kind: 'number', text: '0' });
    if (line[i + 1]?.text === '(') while (i + 1 < line.length && line[i]!.text !== ')') i++;
  }
  return out;
}

function missingHeader(at: Place, name: string): HeaderError {
  return new HeaderError(
    at,
    `there is no header '${name}'`,
    `name the folder that has it with -I, as in -I /usr/include`,
  );
}

function headerName(line: readonly Token[], macros: ReadonlyMap<string, Macro>): { name: string; angled: boolean } {
  const rest = line[1]?.kind === 'id' ? expand(line.slice(1), macros) : line.slice(1);
  const first = rest[0];
  if (first?.kind === 'string') return { name: first.text.slice(1, -1), angled: false };
  const end = rest.findIndex(({ text }) => text === '>');
  if (first?.text !== '<' || end < 0) {
    throw new HeaderError(line[0]!, '#include names no header', 'write #include <name> or #include "name"');
  }
  return {
    name: rest
      .slice(1, end)
      .map(({ text }) => text)
      .join(''),
    angled: true,
  };
}

function lineEnd(tokens: readonly Token[], start: number): number {
  let end = start + 1;
  while (end < tokens.length && !tokens[end]!.startsLine) end++;
  return end;
}

/** A source of a file's text. */
export function mainSource(name: string, text: string): SourceText {
  return new SourceText(name, text, true);
}
