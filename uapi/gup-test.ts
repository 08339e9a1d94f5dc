// The ABI of mm/gup_test.c in 6.12 (mm/gup_test.h). Records of other kernels are read and written with their layout (gup-abi.ts).

import { GUP_ABI, type GupLayout } from './gup-abi.js';
import { _IO, _IOW, _IOWR } from './ioc.js';
import { readU64, writeU64 } from './u64.js';

/** Bytes of struct gup_test on 64-bit machines: the last 4 are padding. */
export const GUP_TEST_BYTES = 80;
/** Bytes of struct pin_longterm_test: the last 4 are padding. */
export const PIN_LONGTERM_TEST_BYTES = 24;
export const GUP_TEST_MAX_PAGES_TO_DUMP = 8;

export const GUP_FAST_BENCHMARK = _IOWR('g', 1, GUP_TEST_BYTES);
export const PIN_FAST_BENCHMARK = _IOWR('g', 2, GUP_TEST_BYTES);
export const PIN_LONGTERM_BENCHMARK = _IOWR('g', 3, GUP_TEST_BYTES);
export const GUP_BASIC_TEST = _IOWR('g', 4, GUP_TEST_BYTES);
export const PIN_BASIC_TEST = _IOWR('g', 5, GUP_TEST_BYTES);
export const DUMP_USER_PAGES_TEST = _IOWR('g', 6, GUP_TEST_BYTES);
export const PIN_LONGTERM_TEST_START = _IOW('g', 7, PIN_LONGTERM_TEST_BYTES);
export const PIN_LONGTERM_TEST_STOP = _IO('g', 8);
export const PIN_LONGTERM_TEST_READ = _IOW('g', 9, 8);

export const GUP_TEST_FLAG_DUMP_PAGES_USE_PIN = 1;
export const PIN_LONGTERM_TEST_FLAG_USE_WRITE = 1;
export const PIN_LONGTERM_TEST_FLAG_USE_FAST = 2;

/** The two gup_flags bits that tests pass; FOLL_LONGTERM has this value in 6.12 only. */
export const FOLL_WRITE = 0x1;
export const FOLL_LONGTERM = 0x100;

/** struct gup_test. u64 fields are numbers: exact below 2^53, and no user address or size is above. */
export interface GupTest {
  get_delta_usec: number;
  put_delta_usec: number;
  addr: number;
  size: number;
  nr_pages_per_call: number;
  gup_flags: number;
  test_flags: number;
  which_pages: number[];
}

/** struct pin_longterm_test. */
export interface PinLongtermTest {
  addr: number;
  size: number;
  flags: number;
}

const OFFSET_PUT_DELTA = 8;
const OFFSET_ADDR = 16;
const OFFSET_SIZE = 24;
const OFFSET_NR_PAGES = 32;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Encode to the 80 bytes of 6.12, or another record; fields left out are 0. */
export function encodeGupTest(gup: Partial<GupTest>, layout: GupLayout = GUP_ABI.layout): Uint8Array {
  const bytes = new Uint8Array(layout.bytes);
  const view = viewOf(bytes);
  writeU64(view, 0, gup.get_delta_usec ?? 0);
  writeU64(view, OFFSET_PUT_DELTA, gup.put_delta_usec ?? 0);
  writeU64(view, OFFSET_ADDR, gup.addr ?? 0);
  writeU64(view, OFFSET_SIZE, gup.size ?? 0);
  view.setUint32(OFFSET_NR_PAGES, gup.nr_pages_per_call ?? 0, true);
  view.setUint32(layout.gupFlags, gup.gup_flags ?? 0, true);
  if (layout.testFlags !== null) view.setUint32(layout.testFlags, gup.test_flags ?? 0, true);
  if (layout.whichPages === null) return bytes;
  for (let i = 0; i < GUP_TEST_MAX_PAGES_TO_DUMP; i++) {
    view.setUint32(layout.whichPages + 4 * i, gup.which_pages?.[i] ?? 0, true);
  }
  return bytes;
}

/** Decode the 80 bytes of 6.12, or another record. Throws RangeError when there are too few. */
export function decodeGupTest(bytes: Uint8Array, layout: GupLayout = GUP_ABI.layout): GupTest {
  const view = viewOf(bytes);
  const which_pages: number[] = [];
  for (let i = 0; layout.whichPages !== null && i < GUP_TEST_MAX_PAGES_TO_DUMP; i++)
    which_pages.push(view.getUint32(layout.whichPages + 4 * i, true));
  return {
    get_delta_usec: readU64(view, 0),
    put_delta_usec: readU64(view, OFFSET_PUT_DELTA),
    addr: readU64(view, OFFSET_ADDR),
    size: readU64(view, OFFSET_SIZE),
    nr_pages_per_call: view.getUint32(OFFSET_NR_PAGES, true),
    gup_flags: view.getUint32(layout.gupFlags, true),
    test_flags: layout.testFlags === null ? 0 : view.getUint32(layout.testFlags, true),
    which_pages,
  };
}

export function encodePinLongtermTest(pin: PinLongtermTest): Uint8Array {
  const bytes = new Uint8Array(PIN_LONGTERM_TEST_BYTES);
  const view = viewOf(bytes);
  writeU64(view, 0, pin.addr);
  writeU64(view, 8, pin.size);
  view.setUint32(16, pin.flags, true);
  return bytes;
}

export function decodePinLongtermTest(bytes: Uint8Array): PinLongtermTest {
  const view = viewOf(bytes);
  return { addr: readU64(view, 0), size: readU64(view, 8), flags: view.getUint32(16, true) };
}
