import { E2BIG, EFAULT, ENAMETOOLONG } from '../../../uapi/errno.js';
import { readU64, writeU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { copyFromUser, copyToUser } from '../../mm/faults/access.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Mm } from '../../mm/vmas/mm.js';

/** Arguments or environment entries of one program. */
const MAX_STRINGS = 4096;

/** The `len` bytes at `addr`, or -EFAULT. */
export function* readUser(mm: Mm, addr: number, len: number): Coroutine<Uint8Array | number> {
  const bytes = new Uint8Array(len);
  return addr < 0 || (yield* copyFromUser(mm, addr, bytes)) !== 0 ? -EFAULT : bytes;
}

/** 0 or -EFAULT. */
export function* writeUser(mm: Mm, addr: number, bytes: Uint8Array): Coroutine<number> {
  return addr < 0 ? -EFAULT : yield* copyToUser(mm, addr, bytes);
}

/** A record of `len` bytes at `addr`, or -EFAULT. */
export function* readUserView(mm: Mm, addr: number, len: number): Coroutine<DataView | number> {
  const bytes = yield* readUser(mm, addr, len);
  return typeof bytes === 'number' ? bytes : new DataView(bytes.buffer);
}

/** The bytes before the next NUL, one character each, or -EFAULT, or -ENAMETOOLONG. Linux: lib/strncpy_from_user.c:strncpy_from_user() */
export function* strncpyFromUser(mm: Mm, addr: number, maxBytes = PAGE_SIZE): Coroutine<string | number> {
  let text = '';
  for (let at = addr; text.length < maxBytes; ) {
    const chunk = yield* readUser(mm, at, Math.min(64, PAGE_SIZE - (at % PAGE_SIZE)));
    if (typeof chunk === 'number') return chunk;
    const end = chunk.indexOf(0);
    text += String.fromCharCode(...(end < 0 ? chunk : chunk.subarray(0, end)));
    if (end >= 0) return text.length < maxBytes ? text : -ENAMETOOLONG;
    at += chunk.length;
  }
  return -ENAMETOOLONG;
}

/** Pointers up to the NULL that ends them. */
export function* readUserStrings(mm: Mm, addr: number): Coroutine<string[] | number> {
  const strings: string[] = [];
  for (let at = addr; addr !== 0; at += 8) {
    if (strings.length >= MAX_STRINGS) return -E2BIG;
    const pointer = yield* readUserView(mm, at, 8);
    if (typeof pointer === 'number') return pointer;
    const target = readU64(pointer, 0);
    if (target === 0) break;
    const text = yield* strncpyFromUser(mm, target, 32 * PAGE_SIZE);
    if (typeof text === 'number') return text;
    strings.push(text);
  }
  return strings;
}

/** Little endian 64-bit words, for the records of system calls. */
export function words64(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    writeU64(view, 8 * i, value);
  });
  return bytes;
}

/** Little endian 32-bit words. */
export function words32(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(4 * i, value >>> 0, true);
  });
  return bytes;
}
