import type { Token } from './lexer.js';
import { HeaderError, type Place } from './source-text.js';
import type { Target } from './target.js';
import { arrayOf, type CType, intType, isIncomplete } from './types.js';

/** What an ioctl number was made of. */
export interface IocParts {
  readonly dir: number;
  readonly type: number;
  readonly nr: number;
  readonly size: number;
  /** The argument's type, where the macro was given one. */
  readonly argument?: CType;
}

/** An ioctl number whose record nothing defines, so that its size is not known: all of it but that. */
export class UnsizedError extends HeaderError {
  constructor(
    place: Place,
    readonly ioc: IocParts,
    record: string,
  ) {
    super(place, `${record} is not defined here, so that its size is not known`, 'define it, or leave the command out');
  }
}

/** A number with its C type, which decides how it divides, shifts and compares. */
export interface Constant {
  readonly value: bigint;
  readonly bits: 32 | 64;
  readonly unsigned: boolean;
  /** It is an ioctl number straight from _IO, _IOR, _IOW, _IOWR or _IOC. */
  readonly ioc?: IocParts;
}

/** What an expression may use beside numbers. */
export interface ConstScope {
  readonly target: Target;
  /** Where the expression is, for one that has no tokens. */
  readonly place: Place;
  /** Value of an enumerator. */
  readonly constant?: (name: string) => Constant | undefined;
  /** Reads a type name at `at`; undefined when there is none. `end` is past it. */
  readonly typeAt?: (tokens: readonly Token[], at: number) => { type: CType; end: number } | undefined;
}

/** A 32-bit or 64-bit number from any integer, wrapped as C does. */
export function makeConstant(
  value: bigint,
  { bits = 32, unsigned = false }: { bits?: 32 | 64; unsigned?: boolean } = {},
): Constant {
  return { value: unsigned ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value), bits, unsigned };
}

/** The value of a constant expression of tokens whose macros are replaced. Throws HeaderError at what is none. */
export function constantValue(tokens: readonly Token[], scope: ConstScope): Constant {
  const { constant, end } = constantAt(tokens, 0, scope);
  if (end < tokens.length) throw errorAt(tokens, end, { scope, problem: 'this is no part of a constant expression' });
  return constant;
}

/** The value of the constant expression that begins at a token; `end` is past it. */
export function constantAt(
  tokens: readonly Token[],
  at: number,
  scope: ConstScope,
): { constant: Constant; end: number } {
  const evaluator = new Evaluator(tokens, scope, at);
  const constant = evaluator.conditional();
  return { constant, end: evaluator.at };
}

function errorAt(
  tokens: readonly Token[],
  at: number,
  { scope, problem }: { scope: ConstScope; problem: string },
): HeaderError {
  const token = tokens[at];
  const what = token ? `'${token.text}': ${problem}` : problem;
  return new HeaderError(
    token ?? tokens.at(-1) ?? scope.place,
    what,
    'only constant integer expressions can be read here',
  );
}

const BINARY: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '|': 3,
  '^': 4,
  '&': 5,
  '==': 6,
  '!=': 6,
  '<': 7,
  '>': 7,
  '<=': 7,
  '>=': 7,
  '<<': 8,
  '>>': 8,
  '+': 9,
  '-': 9,
  '*': 10,
  '/': 10,
  '%': 10,
};

const IOC_DIRS: Readonly<Record<string, number>> = {
  _IO: 0,
  _IOW: 1,
  _IOR: 2,
  _IOWR: 3,
  _IOR_BAD: 2,
  _IOW_BAD: 1,
  _IOWR_BAD: 3,
};

const SIZE_OPERATORS = new Set(['sizeof', '_Alignof', '__alignof__', '__alignof']);

/** Precedence climbing over tokens. */
class Evaluator {
  constructor(
    private readonly tokens: readonly Token[],
    private readonly scope: ConstScope,
    public at: number,
  ) {}

  private get token(): Token | undefined {
    return this.tokens[this.at];
  }

  private error(problem: string): HeaderError {
    return errorAt(this.tokens, this.at, { scope: this.scope, problem });
  }

  private take(text: string): boolean {
    if (this.token?.text !== text) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.take(text)) throw this.error(`expected '${text}'`);
  }

  conditional(): Constant {
    const condition = this.binary(1);
    if (!this.take('?')) return condition;
    const yes = this.take(':') ? condition : this.conditional();
    if (yes !== condition) this.expect(':');
    const no = this.conditional();
    const chosen = condition.value !== 0n ? yes : no;
    return withIoc(makeConstant(chosen.value, common(yes, no)), chosen);
  }

  private binary(level: number): Constant {
    let left = this.unary();
    for (;;) {
      const operator = this.token?.text ?? '';
      const precedence = Object.hasOwn(BINARY, operator) ? BINARY[operator]! : 0;
      if (precedence < level) return left;
      this.at++;
      const right = this.binary(precedence + 1);
      if ((operator === '/' || operator === '%') && right.value === 0n) throw this.error('division by zero');
      left = apply(operator, left, right);
    }
  }

  private unary(): Constant {
    if (this.take('+')) return promoted(this.unary());
    if (this.take('-')) return mapValue(this.unary(), (v) => -v);
    if (this.take('~')) return mapValue(this.unary(), (v) => ~v);
    if (this.take('!')) return makeConstant(this.unary().value === 0n ? 1n : 0n);
    if (SIZE_OPERATORS.has(this.token?.text ?? '')) return this.sizeOf();
    if (this.token?.text === '(') {
      const cast = this.typeAt(this.at + 1);
      if (cast && this.tokens[cast.end]?.text === ')') {
        this.at = cast.end + 1;
        return this.cast(cast.type);
      }
    }
    return this.primary();
  }

  private cast(type: CType): Constant {
    const operand = this.unary();
    if (type.kind !== 'int' && type.kind !== 'enum' && type.kind !== 'pointer')
      throw this.error(`a cast to ${type.name} is no constant`);
    const unsigned = type.unsigned ?? false;
    const { value } = operand;
    const narrow = unsigned ? BigInt.asUintN(type.size * 8, value) : BigInt.asIntN(type.size * 8, value);
    if (type.size < 4) return makeConstant(narrow);
    return withIoc(makeConstant(narrow, { bits: type.size >= 8 ? 64 : 32, unsigned }), operand);
  }

  private typeAt(at: number): { type: CType; end: number } | undefined {
    return this.scope.typeAt?.(this.tokens, at);
  }

  private sizeOf(): Constant {
    const wantsAlign = this.token!.text !== 'sizeof';
    this.at++;
    const bare = this.token?.text !== '(';
    if (!bare) this.at++;
    const type = this.complete(bare ? this.expressionType() : this.sizedType());
    if (!bare) this.expect(')');
    const bits = this.scope.target.pointerBytes === 8 ? 64 : 32;
    return makeConstant(BigInt(wantsAlign ? type.align : type.size), { bits, unsigned: true });
  }

  /** A type name, `((T *)0)->member` and `(*(T *)0).member` of one, or what another expression is. */
  private sizedType(): CType {
    const named = this.typeAt(this.at);
    if (named) {
      this.at = named.end;
      return named.type;
    }
    return this.memberAccess() ?? this.expressionType();
  }

  private expressionType(): CType {
    if (this.token?.kind === 'string') {
      const bytes = stringBytes(this.token.text);
      this.at++;
      return arrayOf(intType('char', 1), bytes);
    }
    const { bits, unsigned } = this.conditional();
    return intType(bits === 64 ? 'long long' : 'int', bits / 8, { unsigned });
  }

  private memberAccess(): CType | undefined {
    const start = this.at;
    while (this.take('(')) {}
    const named = this.typeAt(this.at);
    if (named?.type.kind !== 'pointer') {
      this.at = start;
      return undefined;
    }
    this.at = named.end;
    this.expect(')');
    this.take('0') || this.take('NULL') || this.expect('0');
    while (this.take(')')) {}
    let type = named.type.of!;
    while (this.take('->') || this.take('.')) {
      const field = findField(type, this.token?.text ?? '');
      if (field === undefined) throw this.error(`${type.name} has no such field`);
      this.at++;
      type = field.type;
    }
    return type;
  }

  private primary(): Constant {
    const { token } = this;
    if (token === undefined) throw this.error('an expression ends too early');
    if (this.take('(')) {
      const inner = this.conditional();
      this.expect(')');
      return inner;
    }
    this.at++;
    if (token.kind === 'number') return this.number(token);
    if (token.kind === 'char') return makeConstant(BigInt(charValue(token)));
    if (token.kind === 'id') {
      if (this.token?.text === '(') {
        if (Object.hasOwn(IOC_DIRS, token.text)) return this.ioc(IOC_DIRS[token.text]!, token);
        if (token.text === '_IOC') return this.rawIoc();
        if (token.text === '__builtin_offsetof' || token.text === 'offsetof') return this.offsetOf();
      }
      const constant = this.scope.constant?.(token.text);
      if (constant) return constant;
    }
    this.at--;
    throw this.error('not a constant that is known here');
  }

  private number(token: Token): Constant {
    const match = /^(0[xX][\da-fA-F]+|0[bB][01]+|\d+)([uUlL]*)$/.exec(token.text);
    this.at--;
    if (!match || /^0\d*[89]/.test(match[1]!)) throw this.error('not a whole number');
    this.at++;
    const [, digits, suffix] = match as unknown as [string, string, string];
    const octal = /^0\d+$/.test(digits);
    const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
    const decimal = !octal && !/^0[xXbB]/.test(digits);
    const unsigned = /u/i.test(suffix);
    const longBits = this.scope.target.pointerBytes === 8 ? 64 : 32;
    const least = /ll/i.test(suffix) ? 64 : /l/i.test(suffix) ? longBits : 32;
    for (const bits of [32, 64] as const) {
      if (bits < least) continue;
      if (!unsigned && value < 1n << BigInt(bits - 1)) return makeConstant(value, { bits });
      if ((unsigned || !decimal) && value < 1n << BigInt(bits)) return makeConstant(value, { bits, unsigned: true });
    }
    return makeConstant(value, { bits: 64, unsigned: true });
  }

  /** `_IOW(type, nr, argument)`, the macro's name taken already. */
  private ioc(dir: number, macro: Token): Constant {
    this.expect('(');
    const type = this.conditional();
    this.expect(',');
    const nr = this.conditional();
    const parts = { dir, type: Number(type.value), nr: Number(nr.value), size: 0 };
    if (macro.text === '_IO') {
      this.expect(')');
      return iocConstant(parts);
    }
    this.expect(',');
    const place = this.token ?? macro;
    const argument = this.sizedType();
    this.expect(')');
    if (isIncomplete(argument)) throw new UnsizedError(place, { ...parts, argument }, argument.name);
    const { size } = argument;
    if (size > 0x3fff) throw this.error(`an argument of ${size} bytes does not fit the number`);
    return iocConstant({ ...parts, size, argument });
  }

  private argumentType(): CType {
    const named = this.typeAt(this.at);
    if (named === undefined) throw this.error('not a type that is known here');
    this.at = named.end;
    return this.complete(named.type);
  }

  private complete(type: CType): CType {
    if (isIncomplete(type)) throw this.error(`${type.name} is not defined here, so that its size is not known`);
    return type;
  }

  private rawIoc(): Constant {
    this.expect('(');
    const parts: number[] = [];
    for (let i = 0; i < 4; i++) {
      if (i > 0) this.expect(',');
      parts.push(Number(this.conditional().value));
    }
    this.expect(')');
    const [dir, type, nr, size] = parts as [number, number, number, number];
    return iocConstant({ dir, type, nr, size });
  }

  private offsetOf(): Constant {
    this.expect('(');
    let type = this.argumentType();
    this.expect(',');
    let offset = 0;
    do {
      const field = findField(type, this.token?.text ?? '');
      if (field === undefined) throw this.error(`${type.name} has no such field`);
      this.at++;
      offset += field.offset;
      type = field.type;
      while (this.take('[')) {
        offset += Number(this.conditional().value) * (type.of?.size ?? 0);
        type = type.of ?? type;
        this.expect(']');
      }
    } while (this.take('.'));
    this.expect(')');
    return makeConstant(BigInt(offset), { bits: this.scope.target.pointerBytes === 8 ? 64 : 32, unsigned: true });
  }
}

/** A field by name, also one inside anonymous members; the offset is from `type`'s start. */
function findField(type: CType, name: string): { type: CType; offset: number } | undefined {
  for (const field of type.record?.fields ?? []) {
    if (field.name === name) return field;
    if (field.name !== '') continue;
    const inner = findField(field.type, name);
    if (inner) return { type: inner.type, offset: inner.offset + field.offset };
  }
  return undefined;
}

function iocConstant(ioc: IocParts): Constant {
  const value = BigInt(((ioc.dir << 30) | (ioc.size << 16) | (ioc.type << 8) | ioc.nr) >>> 0);
  return { ...makeConstant(value, { unsigned: true }), ioc };
}

function withIoc(constant: Constant, { ioc }: Constant): Constant {
  return ioc ? { ...constant, ioc } : constant;
}

/** Bytes of a string, its end included. */
function stringBytes(text: string): number {
  const body = text.slice(text.indexOf('"') + 1, -1);
  return body.replace(/\\(x[\da-fA-F]+|[0-7]{1,3}|.)/g, '.').length + 1;
}

/** The same number without what it was made of: an expression over it is no command any more. */
function promoted({ value, bits, unsigned }: Constant): Constant {
  return { value, bits, unsigned };
}

function mapValue(constant: Constant, change: (value: bigint) => bigint): Constant {
  return makeConstant(change(constant.value), constant);
}

/** The type two operands meet in. */
function common(a: Constant, b: Constant): { bits: 32 | 64; unsigned: boolean } {
  if (a.bits === b.bits) return { bits: a.bits, unsigned: a.unsigned || b.unsigned };
  return a.bits > b.bits ? { bits: a.bits, unsigned: a.unsigned } : { bits: b.bits, unsigned: b.unsigned };
}

function apply(operator: string, a: Constant, b: Constant): Constant {
  if (operator === '<<') return mapValue(a, (v) => v << (b.value & 63n));
  if (operator === '>>') return mapValue(a, (v) => v >> (b.value & 63n));
  const type = common(a, b);
  const x = makeConstant(a.value, type).value;
  const y = makeConstant(b.value, type).value;
  const truth = (yes: boolean) => makeConstant(yes ? 1n : 0n);
  switch (operator) {
    case '||':
      return truth(a.value !== 0n || b.value !== 0n);
    case '&&':
      return truth(a.value !== 0n && b.value !== 0n);
    case '==':
      return truth(x === y);
    case '!=':
      return truth(x !== y);
    case '<':
      return truth(x < y);
    case '>':
      return truth(x > y);
    case '<=':
      return truth(x <= y);
    case '>=':
      return truth(x >= y);
    default:
      return makeConstant(arithmetic(operator, x, y), type);
  }
}

function arithmetic(operator: string, x: bigint, y: bigint): bigint {
  switch (operator) {
    case '|':
      return x | y;
    case '^':
      return x ^ y;
    case '&':
      return x & y;
    case '+':
      return x + y;
    case '-':
      return x - y;
    case '*':
      return x * y;
    case '/':
      return x / y;
    default:
      return x % y;
  }
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, a: 7, b: 8, f: 12, v: 11 };

function charValue(token: Token): number {
  const body = token.text.slice(token.text.indexOf("'") + 1, -1);
  if (body.length === 1) return body.charCodeAt(0);
  const octal = /^\\([0-7]{1,3})$/.exec(body);
  if (octal) return Number.parseInt(octal[1]!, 8);
  const hex = /^\\x([\da-fA-F]{1,2})$/.exec(body);
  if (hex) return Number.parseInt(hex[1]!, 16);
  if (body.startsWith('\\') && body.length === 2) return ESCAPES[body[1]!] ?? body.charCodeAt(1);
  throw new HeaderError(token, 'not a single character', 'only single characters can be read here');
}
