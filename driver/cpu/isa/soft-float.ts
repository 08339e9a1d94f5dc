/**
 * IEEE 754 arithmetic on exact values: the reference that the quick paths through doubles must equal, and what runs where
 * they say nothing (other rounding modes, flags not yet raised, specials). A finite value is `sig * 2 ** exp`.
 */

/** Accrued exception flags as in fflags. */
export const Flag = { inexact: 1, underflow: 2, overflow: 4, divideByZero: 8, invalid: 16 } as const;

/** Rounding modes as in frm; 7 in an instruction means the one in fcsr. */
export const Round = { nearestEven: 0, toZero: 1, down: 2, up: 3, nearestMax: 4 } as const;

/** A binary interchange format. */
export interface FloatFormat {
  readonly isDouble: boolean;
  /** Bits of the significand, the hidden one included. */
  readonly precision: number;
  readonly minExponent: number;
  readonly maxExponent: number;
}

export const SINGLE: FloatFormat = { isDouble: false, precision: 24, minExponent: -126, maxExponent: 127 };
export const DOUBLE: FloatFormat = { isDouble: true, precision: 53, minExponent: -1022, maxExponent: 1023 };

export interface Value {
  readonly kind: 'finite' | 'infinite' | 'nan';
  readonly negative: boolean;
  readonly sig: bigint;
  readonly exp: number;
  readonly isSignaling: boolean;
}

/** Flags raised since it was last cleared; the caller moves them to fcsr. */
export const raised = { flags: 0 };

export const NAN: Value = { kind: 'nan', negative: false, sig: 0n, exp: 0, isSignaling: false };

export function finite(negative: boolean, sig: bigint, exp: number): Value {
  return { kind: 'finite', negative, sig, exp, isSignaling: false };
}

export function infinite(negative: boolean): Value {
  return { kind: 'infinite', negative, sig: 0n, exp: 0, isSignaling: false };
}

/** The default NaN, with the invalid flag. */
export function invalid(): Value {
  raised.flags |= Flag.invalid;
  return NAN;
}

/** A register's value. A single that is not boxed is a quiet NaN. */
export function unpack(format: FloatFormat, f: Int32Array, index: number): Value {
  const lo = f[index]!;
  const hi = f[index + 1]!;
  if (!format.isDouble) return hi === -1 ? fromSingleBits(lo) : NAN;
  const fraction = (BigInt(hi & 0xfffff) << 32n) | BigInt(lo >>> 0);
  return fromFields(format, { negative: hi < 0, biased: (hi >>> 20) & 0x7ff, fraction });
}

function fromSingleBits(bits: number): Value {
  return fromFields(SINGLE, { negative: bits < 0, biased: (bits >>> 23) & 0xff, fraction: BigInt(bits & 0x7fffff) });
}

function fromFields(
  { precision, minExponent, maxExponent }: FloatFormat,
  { negative, biased, fraction }: { negative: boolean; biased: number; fraction: bigint },
): Value {
  if (biased === 2 * maxExponent + 1) {
    if (fraction === 0n) return infinite(negative);
    const isSignaling = fraction >> BigInt(precision - 2) === 0n;
    return { kind: 'nan', negative, sig: 0n, exp: 0, isSignaling };
  }
  const hidden = biased === 0 ? 0n : 1n << BigInt(precision - 1);
  return finite(negative, fraction | hidden, Math.max(biased - maxExponent, minExponent) - (precision - 1));
}

/** Rounds `value` into register `index` of `f`, raising flags. */
export function pack(format: FloatFormat, value: Value, rounding: number, at: { f: Int32Array; index: number }): void {
  const { precision, maxExponent } = format;
  if (value.kind === 'nan') {
    store(format, at, { negative: false, biased: 2 * maxExponent + 1, fraction: 1n << BigInt(precision - 2) });
  } else if (value.kind === 'infinite') {
    store(format, at, { negative: value.negative, biased: 2 * maxExponent + 1, fraction: 0n });
  } else if (value.sig === 0n) {
    store(format, at, { negative: value.negative, biased: 0, fraction: 0n });
  } else {
    packFinite(format, value, rounding, at);
  }
}

function packFinite(format: FloatFormat, value: Value, rounding: number, at: { f: Int32Array; index: number }): void {
  const { precision, minExponent, maxExponent } = format;
  const { negative } = value;
  const top = value.exp + bitLength(value.sig) - 1;
  let quantum = Math.max(top, minExponent) - (precision - 1);
  let { sig, isInexact } = roundTo(value, quantum, rounding);
  if (sig >> BigInt(precision) !== 0n) {
    sig >>= 1n;
    quantum++;
  }
  if (isInexact) raised.flags |= Flag.inexact;
  if (isInexact && isTiny(format, value, top, rounding)) raised.flags |= Flag.underflow;
  const hidden = 1n << BigInt(precision - 1);
  const isNormal = (sig & hidden) !== 0n;
  if (quantum + precision - 1 > maxExponent) {
    packOverflow(format, negative, rounding, at);
    return;
  }
  const biased = isNormal ? quantum + precision - 1 + maxExponent : 0;
  store(format, at, { negative, biased, fraction: sig & (hidden - 1n) });
}

/** Too small for a normal number once rounded as if exponents had no lower end. */
function isTiny({ precision, minExponent }: FloatFormat, value: Value, top: number, rounding: number): boolean {
  if (top >= minExponent) return false;
  if (top < minExponent - 1) return true;
  return roundTo(value, top - (precision - 1), rounding).sig >> BigInt(precision) === 0n;
}

function packOverflow(
  format: FloatFormat,
  negative: boolean,
  rounding: number,
  at: { f: Int32Array; index: number },
): void {
  raised.flags |= Flag.overflow | Flag.inexact;
  const { precision, maxExponent } = format;
  const staysFinite = rounding === Round.toZero || rounding === (negative ? Round.up : Round.down);
  const fraction = staysFinite ? (1n << BigInt(precision - 1)) - 1n : 0n;
  store(format, at, { negative, biased: staysFinite ? 2 * maxExponent : 2 * maxExponent + 1, fraction });
}

function store(
  { isDouble }: FloatFormat,
  { f, index }: { f: Int32Array; index: number },
  { negative, biased, fraction }: { negative: boolean; biased: number; fraction: bigint },
): void {
  const sign = negative ? 1 << 31 : 0;
  if (isDouble) {
    f[index] = Number(BigInt.asIntN(32, fraction));
    f[index + 1] = sign | (biased << 20) | Number(fraction >> 32n);
  } else {
    f[index] = sign | (biased << 23) | Number(fraction);
    f[index + 1] = -1;
  }
}

/** `value` as a multiple of `2 ** quantum`. */
export function roundTo(value: Value, quantum: number, rounding: number): { sig: bigint; isInexact: boolean } {
  const shift = quantum - value.exp;
  if (shift <= 0) return { sig: value.sig << BigInt(-shift), isInexact: false };
  // Far below the last digit only "not zero" matters.
  const by = BigInt(Math.min(shift, bitLength(value.sig) + 2));
  const sig = value.sig >> by;
  const rest = value.sig - (sig << by);
  if (rest === 0n) return { sig, isInexact: false };
  return { sig: sig + (roundsUp(value.negative, sig, compareHalf(rest, by), rounding) ? 1n : 0n), isInexact: true };
}

/** -1, 0, 1: the rest is less than, equal to, more than half a unit. */
function compareHalf(rest: bigint, by: bigint): number {
  const half = 1n << (by - 1n);
  return rest === half ? 0 : rest < half ? -1 : 1;
}

function roundsUp(negative: boolean, sig: bigint, half: number, rounding: number): boolean {
  switch (rounding) {
    case Round.nearestEven:
      return half > 0 || (half === 0 && (sig & 1n) === 1n);
    case Round.nearestMax:
      return half >= 0;
    case Round.down:
      return negative;
    case Round.up:
      return !negative;
    default:
      return false;
  }
}

export function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const hex = value.toString(16);
  return 4 * (hex.length - 1) + (32 - Math.clz32(Number.parseInt(hex[0]!, 16)));
}
