// Nearly all frames are a call with a few numbers, or its result. These are written and read here, with the same bytes as the general way
// and the same checks, at a fraction of its cost; whatever is not of this kind is left to that.

import type { CallArg, CallResult } from '../system-call.js';
import { floatAt } from './float.js';
import { type FrameWriter, headBytes } from './frame-writer.js';

export interface PlainCall {
  readonly kind: 'call';
  readonly id: number;
  readonly tid: number;
  readonly name: string;
  readonly args: CallArg[];
}

const CALL = 1;
const RESULT = 1;
/** Bytes of an argument or of a result up to which copying it beats a piece of its own. */
const MAX_COPIED_BYTES = 16384;
const MAX_ARGS = 15;

/** Writes a call; false when it is not plain, and then nothing is written. */
export function writePlainCall(writer: FrameWriter, { id, tid, name, args }: Omit<PlainCall, 'kind'>): boolean {
  const contentBytes = name.length + contentLength(args);
  if (args.length > MAX_ARGS || !(contentBytes <= MAX_COPIED_BYTES)) return false;
  writer.begin(headBytes(6 + args.length) + contentBytes);
  writer.array(5);
  writer.number(CALL);
  writer.number(id);
  writer.number(tid);
  let isPlain = writer.ascii(name);
  writer.array(args.length);
  for (const arg of args) {
    if (typeof arg === 'number') writer.number(arg);
    else if (typeof arg === 'string') isPlain &&= writer.ascii(arg);
    else writer.binary(arg);
  }
  if (isPlain) writer.end();
  else writer.drop();
  return isPlain;
}

/** Bytes of the texts and byte arrays; not a number when an argument is none of the kinds that a call may have. */
function contentLength(args: readonly CallArg[]): number {
  let length = 0;
  for (const arg of args) {
    if (typeof arg === 'string' || arg instanceof Uint8Array) length += arg.length;
    else if (typeof arg !== 'number') return Number.NaN;
  }
  return length;
}

/** Writes a result; false when it is not plain, and then nothing is written. */
export function writePlainResult(writer: FrameWriter, id: number, { ret, bytes, signal, status }: CallResult): boolean {
  if (signal !== undefined || status !== undefined) return false;
  if (bytes !== undefined && bytes.length > MAX_COPIED_BYTES) return false;
  writer.begin(headBytes(5) + (bytes?.length ?? 0));
  writer.array(bytes === undefined ? 3 : 4);
  writer.number(RESULT);
  writer.number(id);
  writer.number(ret);
  if (bytes !== undefined) writer.binary(bytes);
  writer.end();
  return true;
}

/** Reads values one after the other. `isPlain` becomes false at the first thing that is for the general reader. */
class PlainReader {
  isPlain = true;
  at = 0;

  constructor(readonly bytes: Uint8Array) {}

  byte(): number {
    return this.at < this.bytes.length ? this.bytes[this.at++] : this.fail();
  }

  private fail(): 0 {
    this.isPlain = false;
    return 0;
  }

  /** Length of an array of fewer than 16 values. */
  array(): number {
    const type = this.byte();
    return (type & 0xf0) === 0x90 ? type & 0x0f : this.fail();
  }

  number(): number {
    return this.numberOf(this.byte());
  }

  /** A whole number that is exact, of which `type` was read. */
  private numberOf(type: number): number {
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 0x100;
    switch (type) {
      case 0xcc:
        return this.byte();
      case 0xcd:
        return this.big(2);
      case 0xce:
        return this.big(4);
      case 0xd0:
        return (this.byte() << 24) >> 24;
      case 0xd1:
        return (this.big(2) << 16) >> 16;
      case 0xd2:
        return this.big(4) | 0;
      case 0xcb:
        return this.float();
      default:
        return this.fail();
    }
  }

  private big(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 0x100 + this.byte();
    return value;
  }

  private float(): number {
    const { bytes, at } = this;
    if (bytes.length - at < 8) return this.fail();
    this.at = at + 8;
    const value = floatAt(bytes, at);
    return Number.isSafeInteger(value) ? value : this.fail();
  }

  /** A number, short text of one byte a character, or bytes. */
  value(): CallArg {
    const type = this.byte();
    if ((type & 0xe0) === 0xa0) return this.ascii(type & 0x1f);
    if (type === 0xc4) return this.binary(this.byte());
    if (type === 0xc5) return this.binary(this.big(2));
    if (type === 0xc6) return this.binary(this.big(4));
    return this.numberOf(type);
  }

  text(): string {
    const type = this.byte();
    return (type & 0xe0) === 0xa0 ? this.ascii(type & 0x1f) : this.failText();
  }

  private failText(): '' {
    this.isPlain = false;
    return '';
  }

  private binary(length: number): Uint8Array {
    const { bytes, at } = this;
    if (length > bytes.length - at) {
      this.fail();
      return bytes;
    }
    this.at = at + length;
    // Not `subarray`: what a socket gives is a Buffer, and a caller gets what the same call in process gives.
    return new Uint8Array(bytes.buffer, bytes.byteOffset + at, length);
  }

  private ascii(length: number): string {
    const { bytes, at } = this;
    if (length > bytes.length - at || length > LONGEST_TEXT) return this.failText();
    let hash = length;
    let all = 0;
    for (let i = 0; i < length; i++) {
      const byte = bytes[at + i];
      all |= byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    this.at = at + length;
    return all < 0x80 ? known(bytes, at, { length, hash }) : this.failText();
  }
}

/** Longer ones are no names, and each byte is an argument of the function that makes a text of them: their number is limited by the stack. */
const LONGEST_TEXT = 4096;

/** Texts that came lately, so that a call's name is one object and not made anew for each call. */
const lately: string[] = new Array<string>(256).fill('');

function known(bytes: Uint8Array, at: number, { length, hash }: { length: number; hash: number }): string {
  const place = hash & 0xff;
  const text = lately[place];
  let i = text.length === length ? 0 : -1;
  while (i >= 0 && i < length) i = text.charCodeAt(i) === bytes[at + i] ? i + 1 : -1;
  if (i === length) return text;
  const made = String.fromCharCode(...bytes.subarray(at, at + length));
  lately[place] = made;
  return made;
}

/** The call that a payload is, checked; undefined when the general reader has to look at it. */
export function readPlainCall(payload: Uint8Array): PlainCall | undefined {
  const reader = new PlainReader(payload);
  if (reader.byte() !== 0x95 || reader.byte() !== CALL) return undefined;
  const id = reader.number();
  const tid = reader.number();
  const name = reader.text();
  const args: CallArg[] = [];
  for (let left = reader.array(); left > 0 && reader.isPlain; left--) args.push(reader.value());
  if (!reader.isPlain || reader.at !== payload.length || !isU32(id) || !isU32(tid)) return undefined;
  return { kind: 'call', id, tid, name, args };
}

/** The id and result that a payload is; undefined when the general reader has to look at it. */
export function readPlainResult(payload: Uint8Array): { id: number; result: CallResult } | undefined {
  const reader = new PlainReader(payload);
  const length = reader.array();
  if ((length !== 3 && length !== 4) || reader.byte() !== RESULT) return undefined;
  const id = reader.number();
  const ret = reader.number();
  const bytes = length === 4 ? reader.value() : undefined;
  if (!reader.isPlain || reader.at !== payload.length) return undefined;
  if (bytes === undefined) return { id, result: { ret } };
  return bytes instanceof Uint8Array ? { id, result: { ret, bytes } } : undefined;
}

function isU32(value: number): boolean {
  return value >>> 0 === value;
}
