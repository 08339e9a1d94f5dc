import { type Constant, constantValue, type IocParts, UnsizedError } from './const-expr.js';
import { readDeclarations } from './declarations.js';
import { lex, type Token } from './lexer.js';
import { expand, type Macro, type MacroTable } from './macro.js';
import { type FindHeader, mainSource, preprocess } from './preprocessor.js';
import { type EnumType, Scope } from './scope.js';
import { HeaderError, type Place, SourceText } from './source-text.js';
import { DEFAULT_TARGET, type Target } from './target.js';
import type { RecordLayout } from './types.js';

/** A command that can't be read: what is known of its number, and why it is not all of it. */
interface Unread {
  readonly problem: string;
  /** All but the size. */
  readonly ioc?: IocParts;
}

/** What a macro with parameters gives for some arguments. */
export interface Sample {
  /** As a program would write it: `NAME(2)`. */
  readonly call: string;
  readonly constant: Constant;
}

export interface HeaderMacro {
  readonly name: string;
  readonly place: Place;
  readonly text: string;
  /** Undefined when the macro is no constant: then only its text is known. */
  readonly constant?: Constant | undefined;
  readonly unread?: Unread;
  /** Its parameters, and what it gives for some arguments: a command that takes part of its number from the program. */
  readonly params?: readonly string[];
  readonly samples?: readonly Sample[];
  /** It puts other constants together with |. */
  readonly combines: boolean;
  /** Types in it that no program has. */
  readonly kernelOnly?: readonly string[];
}

/** All that a header declares, on one target. `isMain` of a place's source tells its own things from those it includes. */
export interface Header {
  readonly name: string;
  readonly target: Target;
  readonly records: readonly RecordLayout[];
  readonly enums: readonly EnumType[];
  /** The header's own. */
  readonly macros: readonly HeaderMacro[];
  /** Uses of types that no program has, such as u32. */
  readonly kernelOnly: readonly Token[];
  /** A macro by its name, from whichever header. */
  macro(name: string): HeaderMacro | undefined;
}

export interface ParseOptions {
  readonly target?: Target;
  /** How to find what it includes, beside the built-in headers; nothing is found when left out. */
  readonly findHeader?: FindHeader;
  /** Says which macros to leave out. */
  readonly skip?: (name: string) => boolean;
}

/** Reads a header. Throws HeaderError where it is not understood: nothing is ever guessed. */
export function parseHeader(name: string, text: string, options: ParseOptions = {}): Header {
  const source = mainSource(name, text);
  const target = options.target ?? DEFAULT_TARGET;
  const { tokens, macros, guard } = preprocess(source, target, options.findHeader ?? (() => undefined));
  const scope = new Scope(target, { source, offset: 0 });
  readDeclarations(tokens, scope);
  const { records, enums } = scope;
  const kernelOnly = scope.kernelOnly.splice(0);
  const reader = new MacroReader(macros, scope);
  const isOwn = (macro: Macro) => macro.name.source.isMain && macro.name.text !== guard;
  const own = [...macros.values()].filter((macro) => isOwn(macro) && !options.skip?.(macro.name.text));
  return {
    ...{ name: source.name, target, records, enums, kernelOnly },
    macros: own.flatMap((macro) => reader.read(macro) ?? []),
    macro: (wanted) => {
      const macro = macros.get(wanted);
      return macro && reader.read(macro);
    },
  };
}

const COMMAND = /^_IO(C|R|W|WR)?(_BAD)?$/;

/** Values of macros, once all declarations are known. */
class MacroReader {
  constructor(
    private readonly macros: MacroTable,
    private readonly scope: Scope,
  ) {}

  /** Undefined for a macro that is nothing to compare. */
  read(macro: Macro): HeaderMacro | undefined {
    const { name, params, body } = macro;
    if (body.length === 0) return undefined;
    const samples = params && this.samples(macro, params);
    if (params && samples === undefined) return undefined;
    const text = body.map((token, i) => (token.spaced && i > 0 ? ` ${token.text}` : token.text)).join('');
    const combines = body.some(({ text }) => text === '|') && body.filter(({ kind }) => kind === 'id').length > 1;
    const base = { name: name.text, place: name, text, combines };
    if (params) return { ...base, params, samples: samples!, ...this.kernelOnly() };
    return { ...base, ...this.value(macro), ...this.kernelOnly() };
  }

  /** The uses since it was last asked. */
  private kernelOnly(): { kernelOnly?: string[] } {
    const used = this.scope.kernelOnly.splice(0).map(({ text }) => text);
    return used.length === 0 ? {} : { kernelOnly: [...new Set(used)] };
  }

  private constant(tokens: readonly Token[], place: Place): Constant {
    const { target, constant, typeAt } = this.scope;
    return constantValue(tokens, { place, target, constant, typeAt });
  }

  private value({ name }: Macro): { constant?: Constant; unread?: Unread } {
    const tokens = expand([name], this.macros);
    if (tokens.length === 0 || tokens.every(({ kind }) => kind === 'string')) return {};
    try {
      return { constant: this.constant(tokens, name) };
    } catch (error) {
      if (!(error instanceof HeaderError)) throw error;
      if (error instanceof UnsizedError) return { unread: { problem: error.problem, ioc: error.ioc } };
      // A macro may hold anything; but an ioctl number that can't be read would be a command that silently is not compared.
      return isCommand(tokens) ? { unread: { problem: error.problem } } : {};
    }
  }

  /** Undefined for a macro that makes no ioctl numbers. */
  private samples(macro: Macro, params: readonly string[]): Sample[] | undefined {
    if (macro.variadic || params.length > MAX_PARAMS || !this.mentionsCommand(macro, new Set())) return undefined;
    for (const kinds of kindsOf(params.length)) {
      const base = kinds.map((kind) => ARGUMENTS[kind][0]!);
      if (this.sample(macro, base) === undefined) continue;
      const lists = kinds.flatMap((kind, i) => ARGUMENTS[kind].map((text) => base.with(i, text)));
      const calls = new Map(lists.map((list) => [list.join(), list]));
      return [...calls.values()].flatMap((args) => this.sample(macro, args) ?? []);
    }
    return undefined;
  }

  private mentionsCommand({ body }: Macro, seen: Set<string>): boolean {
    return body.some(({ text, kind }) => {
      if (kind !== 'id' || seen.has(text)) return false;
      seen.add(text);
      const inner = this.macros.get(text);
      return COMMAND.test(text) || (inner !== undefined && this.mentionsCommand(inner, seen));
    });
  }

  private sample(macro: Macro, args: readonly string[]): Sample | undefined {
    const call = `${macro.name.text}(${args.join(', ')})`;
    const tokens = lex(new SourceText('argument', call)).slice(1);
    try {
      const constant = this.constant(expand([macro.name, ...tokens], this.macros), macro.name);
      return constant.ioc && { call, constant };
    } catch (error) {
      if (error instanceof HeaderError) return undefined;
      throw error;
    }
  }
}

const MAX_PARAMS = 4;
type ArgumentKind = 'type' | 'number';
const ARGUMENTS: Readonly<Record<ArgumentKind, readonly string[]>> = {
  type: ['__u32', '__u64', 'char[100]'],
  number: ['1', '0', '2', '3', '7', '16', '64'],
};

/** Every way to say which of `count` arguments are types, most types first: a number stands where a type may, not the other way round. */
function kindsOf(count: number): ArgumentKind[][] {
  if (count === 0) return [[]];
  return kindsOf(count - 1).flatMap((rest) => (['type', 'number'] as const).map((kind) => [...rest, kind]));
}

function isCommand(tokens: readonly Token[]): boolean {
  return tokens.some(({ text }, i) => COMMAND.test(text) && tokens[i + 1]?.text === '(');
}
