/**
 * Arithmetic through JavaScript's doubles. Valid only for rounding to nearest even with the inexact flag already raised:
 * then results of ordinary size raise nothing new. NaN means "ask the reference" (soft-float-ops.ts).
 */

const MIN_DOUBLE = 2 ** -1022;
const MIN_SINGLE = 2 ** -126;

/** Sums of small numbers are exact, so only overflow and NaN matter. */
export function quickSum(r: number): number {
  return r - r === 0 ? r : Number.NaN;
}

/** A product, quotient or root: when small it may have been rounded as a subnormal. */
export function quickProduct(r: number): number {
  return Math.abs(r) > MIN_DOUBLE && r - r === 0 ? r : Number.NaN;
}

/** As `quickSum`, rounded again: doubles have more than twice a single's digits, so that does no harm. */
export function quickSumSingle(r: number): number {
  return quickSum(Math.fround(r));
}

export function quickProductSingle(r: number): number {
  const rounded = Math.fround(r);
  return Math.abs(rounded) > MIN_SINGLE && rounded - rounded === 0 ? rounded : Number.NaN;
}

export const LARGE = 2 ** 450;
export const SMALL = 2 ** -450;
export const LARGE_ADDEND = 2 ** 900;
export const SMALL_ADDEND = 2 ** -900;
/** Splits a double into two halves of 26 bits. */
export const SPLIT = 2 ** 27 + 1;

const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

/** Errors of the last exact sum or product. */
let error = 0;

function twoSum(a: number, b: number): number {
  const sum = a + b;
  const bPart = sum - a;
  error = a - (sum - bPart) + (b - bPart);
  return sum;
}

function twoProduct(a: number, b: number): number {
  const p = a * b;
  const aBig = a * SPLIT;
  const aHigh = aBig - (aBig - a);
  const aLow = a - aHigh;
  const bBig = b * SPLIT;
  const bHigh = bBig - (bBig - b);
  const bLow = b - bHigh;
  error = aLow * bLow - (p - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
  return p;
}

/** The sum rounded to odd, from which a further rounding goes the right way. */
function oddSum(a: number, b: number): number {
  const sum = twoSum(a, b);
  if (error === 0) return sum;
  double[0] = sum;
  const lo = halves[0]!;
  if (lo & 1) return sum;
  if (error > 0 === sum > 0) halves[0] = lo | 1;
  else {
    halves[0] = lo - 1;
    if (lo === 0) halves[1]!--;
  }
  return double[0];
}

/** a * b + c in one rounding. S. Boldo, G. Melquiond: Emulation of FMA and correctly rounded sums (2008). */
export function quickMultiplyAdd(a: number, b: number, c: number): number {
  const [sizeA, sizeB, sizeC] = [Math.abs(a), Math.abs(b), Math.abs(c)];
  if (!(sizeA < LARGE && sizeA > SMALL && sizeB < LARGE && sizeB > SMALL)) return Number.NaN;
  if (!(sizeC < LARGE_ADDEND && sizeC > SMALL_ADDEND)) return sizeC === 0 ? a * b : Number.NaN;
  const productHigh = twoProduct(a, b);
  const productLow = error;
  const sumHigh = twoSum(c, productLow);
  const sumLow = error;
  const high = twoSum(productHigh, sumHigh);
  return high + oddSum(error, sumLow);
}

/** The product of two singles is exact, so one rounding to odd is all that is needed. */
export function quickMultiplyAddSingle(a: number, b: number, c: number): number {
  return quickProductSingle(oddSum(a * b, c));
}
