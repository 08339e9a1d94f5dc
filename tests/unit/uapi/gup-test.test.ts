import { expect, test } from 'vitest';
import {
  decodeGupTest,
  decodePinLongtermTest,
  encodeGupTest,
  encodePinLongtermTest,
  GUP_FAST_BENCHMARK,
  PIN_LONGTERM_BENCHMARK,
  PIN_LONGTERM_TEST_READ,
  PIN_LONGTERM_TEST_START,
  PIN_LONGTERM_TEST_STOP,
} from '../../../uapi/gup-test.js';

test('numbers are those of 6.12', () => {
  expect(GUP_FAST_BENCHMARK).toBe(0xc0506701);
  expect(PIN_LONGTERM_BENCHMARK).toBe(0xc0506703);
  expect(PIN_LONGTERM_TEST_START).toBe(0x40186707);
  expect(PIN_LONGTERM_TEST_STOP).toBe(0x6708);
  expect(PIN_LONGTERM_TEST_READ).toBe(0x40086709);
});

test('struct gup_test has its fields where C has them', () => {
  const bytes = encodeGupTest({
    addr: 0x7f0000001000,
    size: 0x3000,
    nr_pages_per_call: 2,
    gup_flags: 1,
    which_pages: [9],
  });
  const view = new DataView(bytes.buffer);
  expect(bytes.byteLength).toBe(80);
  expect([16, 24].map((offset) => view.getBigUint64(offset, true))).toEqual([0x7f0000001000n, 0x3000n]);
  expect([32, 36, 40, 44].map((offset) => view.getUint32(offset, true))).toEqual([2, 1, 0, 9]);
});

test('struct gup_test comes back', () => {
  const gup = {
    get_delta_usec: 1,
    put_delta_usec: 2,
    addr: 2 ** 46,
    size: 4096,
    nr_pages_per_call: 0xffffffff,
    gup_flags: 0x101,
    test_flags: 1,
    which_pages: [1, 2, 3, 4, 5, 6, 7, 8],
  };
  expect(decodeGupTest(encodeGupTest(gup))).toEqual(gup);
});

test('struct pin_longterm_test comes back', () => {
  const pin = { addr: 0x1000, size: 0x2000, flags: 3 };
  expect(encodePinLongtermTest(pin).byteLength).toBe(24);
  expect(decodePinLongtermTest(encodePinLongtermTest(pin))).toEqual(pin);
});
