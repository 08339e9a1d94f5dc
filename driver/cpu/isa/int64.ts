/** 64-bit integers as two halves; `lo` halves are compared unsigned. Results of two halves go straight to `x`. */

/** Writes a register and returns "no trap". */
export function put(x: Int32Array, rd: number, lo: number, hi: number): 0 {
  x[rd] = lo;
  x[rd + 1] = hi;
  return 0;
}

/** Writes a 32-bit result, sign-extended. */
export function putWord(x: Int32Array, rd: number, value: number): 0 {
  x[rd] = value;
  x[rd + 1] = (value | 0) >> 31;
  return 0;
}

/** Writes a number of magnitude up to 2^53. */
export function putNumber(x: Int32Array, rd: number, value: number): 0 {
  x[rd] = value;
  x[rd + 1] = Math.floor(value / 2 ** 32);
  return 0;
}

/** Carry out of the sum of two low halves. */
export function carry(a: number, b: number): number {
  return (a >>> 0) + (b >>> 0) > 0xffffffff ? 1 : 0;
}

export function lessUnsigned(a: number, b: number): boolean {
  return a >>> 0 < b >>> 0;
}

/** Register a < register b. */
export function less(x: Int32Array, a: number, b: number): boolean {
  const highA = x[a + 1]!;
  const highB = x[b + 1]!;
  return highA < highB || (highA === highB && lessUnsigned(x[a]!, x[b]!));
}

export function lessU(x: Int32Array, a: number, b: number): boolean {
  const highA = x[a + 1]!;
  const highB = x[b + 1]!;
  return highA === highB ? lessUnsigned(x[a]!, x[b]!) : lessUnsigned(highA, highB);
}

export function shiftLeft(x: Int32Array, rd: number, from: { lo: number; hi: number }, n: number): 0 {
  const { lo, hi } = from;
  // Shifts by 32 are shifts by 0 in JavaScript, hence the shift by one before.
  if (n < 32) return put(x, rd, lo << n, (hi << n) | ((lo >>> 1) >>> (31 - n)));
  return put(x, rd, 0, lo << (n - 32));
}

export function shiftRight(x: Int32Array, rd: number, from: { lo: number; hi: number }, n: number): 0 {
  const { lo, hi } = from;
  if (n < 32) return put(x, rd, (lo >>> n) | ((hi << 1) << (31 - n)), hi >>> n);
  return put(x, rd, hi >>> (n - 32), 0);
}

export function shiftRightArithmetic(x: Int32Array, rd: number, from: { lo: number; hi: number }, n: number): 0 {
  const { lo, hi } = from;
  if (n < 32) return put(x, rd, (lo >>> n) | ((hi << 1) << (31 - n)), hi >> n);
  return put(x, rd, hi >> (n - 32), hi >> 31);
}

/** The high half of the product of two unsigned 32-bit numbers. */
export function multiplyHigh32(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  // No sum exceeds 32 bits, so wrapped ones hold the right bits.
  const middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  const low = (Math.imul(a0, b1) + (middle & 0xffff)) | 0;
  return (Math.imul(a1, b1) + (middle >>> 16) + (low >>> 16)) | 0;
}

/** The high 64 bits of the unsigned product of two registers, into `rd`. */
export function multiplyHighUnsigned(x: Int32Array, rd: number, a: number, b: number): 0 {
  const [a0, a1, b0, b1] = [x[a]!, x[a + 1]!, x[b]!, x[b + 1]!];
  const middle = (multiplyHigh32(a0, b0) >>> 0) + (Math.imul(a1, b0) >>> 0) + (Math.imul(a0, b1) >>> 0);
  const lo =
    (multiplyHigh32(a1, b0) >>> 0) +
    (multiplyHigh32(a0, b1) >>> 0) +
    (Math.imul(a1, b1) >>> 0) +
    Math.floor(middle / 2 ** 32);
  return put(x, rd, lo, multiplyHigh32(a1, b1) + Math.floor(lo / 2 ** 32));
}

/** Quotient and remainder of the last division. */
export const division = { lo: 0, hi: 0, remLo: 0, remHi: 0 };

const EXACT_HI = 2 ** 20;

/** Unsigned division of two 64-bit numbers; the divisor is not 0. The result is in `division`. */
export function divideUnsigned(aLo: number, aHi: number, bLo: number, bHi: number): void {
  if ((aHi | bHi) === 0) {
    const q = ((aLo >>> 0) / (bLo >>> 0)) >>> 0;
    division.lo = q | 0;
    division.hi = 0;
    division.remLo = (aLo - Math.imul(q, bLo)) | 0;
    division.remHi = 0;
    return;
  }
  if (aHi >>> 0 < EXACT_HI && bHi >>> 0 < EXACT_HI) {
    // Both are exact doubles below 2^52, where a rounded quotient never reaches the next integer.
    const a = aHi * 2 ** 32 + (aLo >>> 0);
    const b = bHi * 2 ** 32 + (bLo >>> 0);
    const q = Math.floor(a / b);
    const r = a - q * b;
    division.lo = q | 0;
    division.hi = (q / 2 ** 32) | 0;
    division.remLo = r | 0;
    division.remHi = (r / 2 ** 32) | 0;
    return;
  }
  divideBitByBit(aLo, aHi, bLo, bHi);
}

function divideBitByBit(aLo: number, aHi: number, bLo: number, bHi: number): void {
  let [lo, hi, remLo, remHi] = [aLo, aHi, 0, 0];
  for (let n = 0; n < 64; n++) {
    const overflow = remHi < 0;
    remHi = (remHi << 1) | (remLo >>> 31);
    remLo = (remLo << 1) | (hi >>> 31);
    hi = (hi << 1) | (lo >>> 31);
    lo <<= 1;
    const fits = overflow || (remHi === bHi ? !lessUnsigned(remLo, bLo) : !lessUnsigned(remHi, bHi));
    if (!fits) continue;
    remHi = (remHi - bHi - (lessUnsigned(remLo, bLo) ? 1 : 0)) | 0;
    remLo = (remLo - bLo) | 0;
    lo |= 1;
  }
  division.lo = lo;
  division.hi = hi;
  division.remLo = remLo;
  division.remHi = remHi;
}

/** Signed division; the divisor is not 0. The quotient of the smallest number by -1 wraps, as the architecture says. */
export function divideSigned(aLo: number, aHi: number, bLo: number, bHi: number): void {
  const negativeA = aHi < 0;
  const negativeB = bHi < 0;
  divideUnsigned(
    negativeA ? -aLo | 0 : aLo,
    negativeA ? negatedHigh(aLo, aHi) : aHi,
    negativeB ? -bLo | 0 : bLo,
    negativeB ? negatedHigh(bLo, bHi) : bHi,
  );
  if (negativeA !== negativeB) {
    division.hi = negatedHigh(division.lo, division.hi);
    division.lo = -division.lo | 0;
  }
  if (negativeA) {
    division.remHi = negatedHigh(division.remLo, division.remHi);
    division.remLo = -division.remLo | 0;
  }
}

function negatedHigh(lo: number, hi: number): number {
  return lo === 0 ? -hi | 0 : ~hi;
}
