import { describe, expect, it } from 'vitest';
import { BytePool } from '../../../../uapi/wire/byte-pool.js';

const MIB = 2 ** 20;

describe('a pool of byte arrays', () => {
  it('gives the smallest that is long enough again', () => {
    const pool = new BytePool(16 * MIB);
    const [small, large] = [pool.take(MIB), pool.take(4 * MIB)];
    pool.give(large);
    pool.give(small.subarray(5, 10));
    expect(pool.take(MIB / 2).buffer).toBe(small.buffer);
    expect(pool.take(MIB / 2)).toHaveLength(MIB / 2);
    expect(pool.take(MIB).buffer).not.toBe(large.buffer);
  });

  it('lends nothing twice, and takes nothing that is not its own', () => {
    const pool = new BytePool(16 * MIB);
    const own = pool.take(MIB);
    pool.give(own);
    pool.give(own);
    pool.give(new Uint8Array(MIB));
    const taken = [pool.take(MIB), pool.take(MIB)];
    expect(new Set(taken.map(({ buffer }) => buffer)).size).toBe(2);
  });

  it('keeps no more than it may, the last ones', () => {
    const pool = new BytePool(4 * MIB);
    const lent = Array.from({ length: 6 }, () => pool.take(MIB));
    const huge = pool.take(5 * MIB);
    for (const bytes of [...lent, huge]) pool.give(bytes);
    const again = Array.from({ length: 6 }, () => pool.take(MIB).buffer);
    expect(again.filter((buffer) => lent.some((bytes) => bytes.buffer === buffer))).toHaveLength(4);
    expect(again).not.toContain(huge.buffer);
    expect(again).not.toContain(lent[0]!.buffer);
  });

  it('makes room for a payload in proportion to what has come, unless there is some', () => {
    const pool = new BytePool(16 * MIB);
    expect(pool.room(100, 8 * MIB)).toHaveLength(65536);
    expect(pool.room(100_000, 8 * MIB)).toHaveLength(200_000);
    expect(pool.room(100, 200)).toHaveLength(200);
    pool.give(pool.take(9 * MIB));
    expect(pool.room(100, 8 * MIB)).toHaveLength(9 * MIB);
  });
});
