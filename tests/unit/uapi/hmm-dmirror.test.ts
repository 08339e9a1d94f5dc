import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EINVAL } from '../../../uapi/errno.js';
import {
  decodeCommand,
  decodeHmmDmirrorCmd,
  decodeResult,
  encodeHmmDmirrorCmd,
  encodeResult,
  type HmmDmirrorCmdInput,
} from '../../../uapi/hmm-dmirror.js';

const U64 = 2n ** 64n;

function viewOf(cmd: HmmDmirrorCmdInput): DataView {
  return new DataView(encodeHmmDmirrorCmd(cmd).buffer);
}

function check(addr: number | bigint, npages: number | bigint) {
  return decodeCommand(viewOf({ addr, npages }));
}

describe('the record', () => {
  test('is 40 bytes, little endian, in the order of the header', () => {
    const bytes = encodeHmmDmirrorCmd({ addr: 0x1122334455667000n, ptr: 1, npages: 2, cpages: 3, faults: 4 });
    expect(Buffer.from(bytes).toString('hex')).toBe(
      '0070665544332211' + '0100000000000000' + '0200000000000000' + '0300000000000000' + '0400000000000000',
    );
  });

  test('keeps any five u64', () => {
    const u64 = fc.bigInt({ min: 0n, max: U64 - 1n });
    const record = fc.record({ addr: u64, ptr: u64, npages: u64, cpages: u64, faults: u64 });
    fc.assert(
      fc.property(record, (cmd) => {
        expect(decodeHmmDmirrorCmd(encodeHmmDmirrorCmd(cmd))).toEqual(cmd);
      }),
    );
  });

  test('takes numbers as it takes bigints', () => {
    const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(safe, safe, (addr, npages) => {
        const big = encodeHmmDmirrorCmd({ addr: BigInt(addr), npages: BigInt(npages) });
        expect(encodeHmmDmirrorCmd({ addr, npages })).toEqual(big);
      }),
    );
  });

  test('wraps negative values', () => {
    expect(decodeHmmDmirrorCmd(encodeHmmDmirrorCmd({ addr: -4096, npages: -1n }))).toMatchObject({
      addr: U64 - 4096n,
      npages: U64 - 1n,
    });
  });

  test('too few bytes throw', () => {
    expect(() => decodeHmmDmirrorCmd(new Uint8Array(39))).toThrow(RangeError);
  });

  test('results are written behind the inputs, which stay', () => {
    const view = viewOf({ addr: 0x5000, ptr: 77, npages: 2n ** 60n + 1n, cpages: 77, faults: 88 });
    encodeResult(view, 5, 1);
    const bytes = new Uint8Array(view.buffer);
    expect(decodeResult(bytes)).toEqual({ cpages: 5, faults: 1 });
    expect(decodeHmmDmirrorCmd(bytes)).toMatchObject({ addr: 0x5000n, ptr: 77n, npages: 2n ** 60n + 1n });
  });
});

describe('the check before every command', () => {
  test('an ordinary range passes', () => {
    expect(check(0x10000, 3)).toEqual({ addr: 0x10000, end: 0x13000, ptr: 0, npages: 3 });
  });

  test('an address inside a page is refused', () => {
    for (const addr of [1, 0xfff, 0x1_0000_0000_0800]) expect(check(addr, 1)).toBe(-EINVAL);
  });

  test('no pages are refused', () => {
    expect(check(0x1000, 0)).toBe(-EINVAL);
    expect(check(0, 0)).toBe(-EINVAL);
  });

  test('a range up to the last page passes, one that ends at 2^64 wraps', () => {
    expect(check(-8192, 1)).toEqual({ addr: 2 ** 64 - 8192, end: 2 ** 64 - 4096, ptr: 0, npages: 1 });
    expect(check(-8192, 2)).toBe(-EINVAL);
    expect(check(-4096, 1)).toBe(-EINVAL);
    expect(check(0, 2n ** 52n - 1n)).toMatchObject({ addr: 0, npages: 2 ** 52 - 1 });
    expect(check(0x1000, 2n ** 52n - 1n)).toBe(-EINVAL);
  });

  test('pages that the shift pushes out of 64 bits do not count', () => {
    expect(check(0x1000, 2n ** 52n)).toBe(-EINVAL);
    expect(check(0x1000, 2n ** 63n)).toBe(-EINVAL);
    expect(check(0x1000, 2n ** 52n + 5n)).toMatchObject({ addr: 0x1000, end: 0x6000, npages: 5 });
  });

  test('agrees with u64 arithmetic for any record', () => {
    const u64 = fc.bigInt({ min: 0n, max: U64 - 1n });
    const edge = fc.constantFrom(
      0n,
      1n,
      0x1000n,
      2n ** 51n,
      2n ** 52n - 1n,
      2n ** 52n,
      2n ** 63n,
      U64 - 4096n,
      U64 - 1n,
    );
    const aligned = fc.oneof(u64, edge).map((value) => value & ~0xfffn);
    fc.assert(
      fc.property(fc.oneof(aligned, u64), fc.oneof(u64, edge, fc.bigInt({ min: 0n, max: 4096n })), (addr, npages) => {
        const size = BigInt.asUintN(64, npages << 12n);
        const end = BigInt.asUintN(64, addr + size);
        const refused = (addr & 0xfffn) !== 0n || addr >= end;
        const decoded = check(addr, npages);
        if (refused || typeof decoded === 'number') {
          expect(refused && decoded === -EINVAL).toBe(true);
        } else {
          expect([BigInt(decoded.addr), BigInt(decoded.end), BigInt(decoded.npages)]).toEqual([addr, end, size >> 12n]);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
