// Checks of the suite. They carry both values, so that a report can show what was expected and what came.

import { errnoName } from '../../uapi/errno.js';
import { CheckError } from './case.js';

export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected)
    throw new CheckError(`${what}: expected ${String(expected)}, got ${String(actual)}`, expected, actual);
}

function retText(ret: number): string {
  return ret < 0 ? `-${errnoName(ret)}` : String(ret);
}

/** A system call's result; errnos are shown by name. */
export function expectRet(actual: number, expected: number, what: string): void {
  if (actual !== expected) {
    const texts = [retText(expected), retText(actual)];
    throw new CheckError(`${what}: expected ${texts[0]}, got ${texts[1]}`, texts[0], texts[1]);
  }
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}

/** One byte of a SNAPSHOT. */
export function expectProt(actual: number, expected: number, what: string): void {
  if (actual !== expected) {
    throw new CheckError(`${what}: expected ${hex(expected)}, got ${hex(actual)}`, hex(expected), hex(actual));
  }
}

/** All words of a buffer, little endian. The first that differs is reported. */
export function expectWords(actual: Uint8Array, expected: Uint32Array, what: string): void {
  expectEqual(actual.byteLength, expected.byteLength, `${what}: length in bytes`);
  const wanted = Buffer.from(expected.buffer, expected.byteOffset, expected.byteLength);
  if (wanted.equals(actual)) return;
  const view = new DataView(actual.buffer, actual.byteOffset, actual.byteLength);
  const index = expected.findIndex((word, i) => view.getUint32(4 * i, true) !== word);
  const got = view.getUint32(4 * index, true);
  const place = `word ${index} (page ${index >>> 10})`;
  throw new CheckError(`${what}: ${place}: expected ${expected[index]}, got ${got}`, expected[index], got);
}

/** 0, 1, 2, ...: grown when a longer one is asked for. Every case compares with it, so making it anew each time would show. */
let counting = new Uint32Array();
let countingDown = new Uint32Array();

/** Words first, first + 1, ...: what the suite fills buffers with. Shared: copy it before a change. */
export function ramp(count: number, first = 0): Uint32Array {
  const needed = first + count;
  if (counting.length < needed) {
    counting = new Uint32Array(2 * needed);
    for (let i = 0; i < counting.length; i++) counting[i] = i;
  }
  return counting.subarray(first, needed);
}

/** Words 0, -1, -2, ...: a pattern that differs from ramp() in every word but the first. Shared: copy it before a change. */
export function negativeRamp(count: number): Uint32Array {
  if (countingDown.length < count) {
    countingDown = new Uint32Array(count);
    for (let i = 0; i < count; i++) countingDown[i] = -i;
  }
  return countingDown.subarray(0, count);
}
