// Where the op lines of a recording put things: regions, and what a device call needs beside them.

import { PAGE_SIZE } from '../../../uapi/mman.js';

export const REGION_BASE = 0x10_0000_0000;
export const REGION_STRIDE = 0x4000_0000;
/** Outside all regions: records of ioctls, then the pages that `ptr` names. */
export const RECORD_ADDR = 0x60_0000_0000;
export const BUFFER_ADDR = RECORD_ADDR + 0x20_0000;
export const BUFFER_PAGES = 2048;
/** What a buffer is filled with before a device writes to it. */
export const FILLER = new Uint8Array(BUFFER_PAGES * PAGE_SIZE).fill(0xab);

/** Address of page `page` of region `region`. */
export function regionAddr(region: number, page: number): number {
  return REGION_BASE + region * REGION_STRIDE + page * PAGE_SIZE;
}

/** The little endian word at `offset`, 8 hex digits. */
export function hexWord(bytes: Uint8Array, offset: number): string {
  const word = new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
  return word.toString(16).padStart(8, '0');
}

/** How many there are. An op's number from here on is of a second file: 4 of device 0. */
export const DEVICES = 4;
export const DEVICE_FILES = 2 * DEVICES;
