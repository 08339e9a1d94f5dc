// Little endian u64 fields, read and written without bigint for those below who work in numbers.

export const TWO_32 = 0x1_0000_0000;

/**
 * A u64 as a number. Exact below 2^53, and for any page aligned value; else rounded to the nearest double, which stays far
 * above every user address, so that a range check on it still answers right.
 */
export function readU64(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * TWO_32 + view.getUint32(offset, true);
}

/** An s64 as a number, exact within 2^53. */
export function readS64(view: DataView, offset: number): number {
  return view.getInt32(offset + 4, true) * TWO_32 + view.getUint32(offset, true);
}

/** Write a u64. Negative values wrap to two's complement; a number must be exact (a safe integer, or page aligned). */
export function writeU64(view: DataView, offset: number, value: number | bigint): void {
  if (typeof value === 'bigint') {
    view.setBigUint64(offset, BigInt.asUintN(64, value), true);
    return;
  }
  view.setUint32(offset, value % TWO_32, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_32), true);
}
