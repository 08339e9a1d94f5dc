import {
  bitLength,
  Flag,
  type FloatFormat,
  finite,
  infinite,
  invalid,
  NAN,
  Round,
  raised,
  roundTo,
  type Value,
} from './soft-float.js';

/** Exact sums, products, quotients and roots; what is not exact ends in a sticky lowest bit. */

/** A NaN result of NaN operands: the default one, invalid when any of them signals. */
function nanOf(...values: readonly Value[]): Value {
  return values.some(({ isSignaling }) => isSignaling) ? invalid() : NAN;
}

function isNan(value: Value): boolean {
  return value.kind === 'nan';
}

function isZero(value: Value): boolean {
  return value.kind === 'finite' && value.sig === 0n;
}

export function negate(value: Value): Value {
  return { ...value, negative: !value.negative };
}

export function add(a: Value, b: Value, rounding: number): Value {
  if (isNan(a) || isNan(b)) return nanOf(a, b);
  return addNumbers(a, b, rounding);
}

function addNumbers(a: Value, b: Value, rounding: number): Value {
  if (a.kind === 'infinite') return b.kind === 'infinite' && a.negative !== b.negative ? invalid() : a;
  if (b.kind === 'infinite') return b;
  const exp = Math.min(a.exp, b.exp);
  const signed = (v: Value) => (v.negative ? -v.sig : v.sig) << BigInt(v.exp - exp);
  const sum = signed(a) + signed(b);
  if (sum !== 0n) return finite(sum < 0n, sum < 0n ? -sum : sum, exp);
  // Zeros of one sign keep it; any other sum of zero is positive, but for rounding down.
  const bothZero = a.sig === 0n && b.sig === 0n;
  const negative = bothZero && a.negative === b.negative ? a.negative : rounding === Round.down;
  return finite(negative, 0n, 0);
}

export function multiply(a: Value, b: Value): Value {
  if (isNan(a) || isNan(b)) return nanOf(a, b);
  return multiplyNumbers(a, b);
}

function multiplyNumbers(a: Value, b: Value): Value {
  const negative = a.negative !== b.negative;
  if (a.kind === 'infinite' || b.kind === 'infinite') return isZero(a) || isZero(b) ? invalid() : infinite(negative);
  return finite(negative, a.sig * b.sig, a.exp + b.exp);
}

/** a * b + c, rounded once by the caller. */
export function multiplyAdd(a: Value, b: Value, { c, rounding }: { c: Value; rounding: number }): Value {
  const isInvalidProduct = (a.kind === 'infinite' && isZero(b)) || (isZero(a) && b.kind === 'infinite');
  if (isNan(a) || isNan(b) || isNan(c)) {
    // Infinity times zero is invalid even when the addend is a quiet NaN.
    return isInvalidProduct ? invalid() : nanOf(a, b, c);
  }
  if (isInvalidProduct) return invalid();
  return addNumbers(multiplyNumbers(a, b), c, rounding);
}

export function divide({ precision }: FloatFormat, a: Value, b: Value): Value {
  if (isNan(a) || isNan(b)) return nanOf(a, b);
  const negative = a.negative !== b.negative;
  if (a.kind === 'infinite') return b.kind === 'infinite' ? invalid() : infinite(negative);
  if (b.kind === 'infinite') return finite(negative, 0n, 0);
  if (b.sig === 0n) {
    if (a.sig === 0n) return invalid();
    raised.flags |= Flag.divideByZero;
    return infinite(negative);
  }
  if (a.sig === 0n) return finite(negative, 0n, 0);
  const shift = Math.max(0, precision + 3 + bitLength(b.sig) - bitLength(a.sig));
  const dividend = a.sig << BigInt(shift);
  const quotient = dividend / b.sig;
  return finite(negative, sticky(quotient, quotient * b.sig !== dividend), a.exp - b.exp - shift - 1);
}

/** One more bit, set when something was lost. */
function sticky(sig: bigint, isInexact: boolean): bigint {
  return (sig << 1n) | (isInexact ? 1n : 0n);
}

export function squareRoot({ precision }: FloatFormat, a: Value): Value {
  if (isNan(a)) return nanOf(a);
  if (isZero(a)) return a;
  if (a.negative) return invalid();
  if (a.kind === 'infinite') return a;
  let shift = Math.max(0, 2 * (precision + 3) - bitLength(a.sig));
  if ((a.exp - shift) % 2 !== 0) shift++;
  const radicand = a.sig << BigInt(shift);
  const root = integerRoot(radicand);
  return finite(false, sticky(root, root * root !== radicand), (a.exp - shift) / 2 - 1);
}

/** Newton's method from above. */
function integerRoot(n: bigint): bigint {
  let root = 1n << BigInt(Math.ceil(bitLength(n) / 2));
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** A value changes its format: only NaNs need care, the rounding is the packer's. */
export function convert(a: Value): Value {
  return isNan(a) ? nanOf(a) : a;
}

/** An integer of 32 or 64 bits, signed or not, as halves; saturates with the invalid flag as the architecture says. */
export function toInteger(
  a: Value,
  rounding: number,
  { isWide, isSigned }: { isWide: boolean; isSigned: boolean },
): { lo: number; hi: number } {
  const width = isWide ? 64n : 32n;
  const max = isSigned ? (1n << (width - 1n)) - 1n : (1n << width) - 1n;
  const min = isSigned ? -(1n << (width - 1n)) : 0n;
  let result: bigint;
  if (a.kind !== 'finite') {
    invalid();
    result = a.kind === 'infinite' && a.negative ? min : max;
  } else {
    const { sig, isInexact } = roundTo(a, 0, rounding);
    result = a.negative ? -sig : sig;
    if (result < min || result > max) {
      invalid();
      result = result < min ? min : max;
    } else if (isInexact) raised.flags |= Flag.inexact;
  }
  const lo = Number(BigInt.asIntN(32, result));
  return { lo, hi: isWide ? Number(BigInt.asIntN(32, result >> 32n)) : lo >> 31 };
}

/** The integer in two halves as a value; with `isWide` false only the low one counts. */
export function fromInteger(
  lo: number,
  hi: number,
  { isWide, isSigned }: { isWide: boolean; isSigned: boolean },
): Value {
  const high = isWide ? (isSigned ? hi : hi >>> 0) : isSigned && lo < 0 ? -1 : 0;
  const integer = (BigInt(high) << 32n) | BigInt(lo >>> 0);
  return finite(integer < 0n, integer < 0n ? -integer : integer, 0);
}
