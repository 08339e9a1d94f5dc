import { putFloat } from './float.js';
import { HEADER_BYTES, putHeader } from './frame.js';

/** Memory for small frames: little at first, as there may be many writers, and more when it is filled. */
const FIRST_SLAB_BYTES = 1024;
const MAX_SLAB_BYTES = 65536;
/** Pieces above this size are not copied. */
const MAX_COPIED_BYTES = 16384;
/** A number, or the header of text or of bytes, is at most this long. */
const MAX_HEAD_BYTES = 9;

/**
 * Collects frames until they are sent together: small ones one behind the other in one piece, large byte arrays as pieces of their own. It
 * writes the values that calls and results are made of, each in the shortest form, as msgpackr does.
 */
export class FrameWriter {
  /** Bytes that nobody has taken yet. */
  bytes = 0;
  private slab = new Uint8Array(FIRST_SLAB_BYTES);
  /** The slab's part that is written and in no piece yet. */
  private from = 0;
  private at = 0;
  private frameAt = 0;
  private pieces: Uint8Array[] = [];

  /** Begins a frame whose payload is at most `maxBytes`, by the values that follow. */
  begin(maxBytes: number): void {
    if (this.at + HEADER_BYTES + maxBytes > this.slab.length) this.renew(HEADER_BYTES + maxBytes);
    this.frameAt = this.at;
    this.at += HEADER_BYTES;
  }

  end(): void {
    const { slab, frameAt, at } = this;
    putHeader(slab, at - frameAt - HEADER_BYTES, frameAt);
    this.bytes += at - frameAt;
  }

  /** Gives up the frame that was begun. */
  drop(): void {
    this.at = this.frameAt;
  }

  /** Header of an array of fewer than 16 values. */
  array(length: number): void {
    this.slab[this.at++] = 0x90 | length;
  }

  number(value: number): void {
    const { slab, at } = this;
    if (value >>> 0 === value) {
      if (value < 0x80) {
        slab[at] = value;
        this.at = at + 1;
      } else this.unsigned(value);
    } else if (value >> 0 === value && value >= -0x20) {
      slab[at] = 0x100 + value;
      this.at = at + 1;
    } else if (value >> 0 === value) this.negative(value);
    else this.float(value);
  }

  private unsigned(value: number): void {
    if (value < 0x100) this.head(0xcc, 1, value);
    else if (value < 0x10000) this.head(0xcd, 2, value);
    else this.head(0xce, 4, value);
  }

  private negative(value: number): void {
    if (value >= -0x80) this.head(0xd0, 1, value);
    else if (value >= -0x8000) this.head(0xd1, 2, value);
    else this.head(0xd2, 4, value);
  }

  private float(value: number): void {
    this.slab[this.at] = 0xcb;
    putFloat(this.slab, this.at + 1, value);
    this.at += 9;
  }

  private head(type: number, size: number, value: number): void {
    const { slab, at } = this;
    slab[at] = type;
    for (let i = 0; i < size; i++) slab[at + size - i] = value >>> (8 * i);
    this.at = at + 1 + size;
  }

  /** Text of one byte a character and fewer than 32 of them; false, and nothing is written, when it is not so. */
  ascii(text: string): boolean {
    const { slab, at } = this;
    const { length } = text;
    if (length >= 32) return false;
    slab[at] = 0xa0 | length;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return false;
      slab[at + 1 + i] = code;
    }
    this.at = at + 1 + length;
    return true;
  }

  /** Bytes, copied. */
  binary(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length < 0x100) this.head(0xc4, 1, length);
    else if (length < 0x10000) this.head(0xc5, 2, length);
    else this.head(0xc6, 4, length);
    this.slab.set(bytes, this.at);
    this.at += length;
  }

  /** A whole frame in pieces: those that are not large are copied, the others must not be changed before they are sent. */
  append(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      this.bytes += piece.length;
      if (piece.length > MAX_COPIED_BYTES) {
        this.cut();
        this.pieces.push(piece);
        continue;
      }
      if (this.at + piece.length > this.slab.length) this.renew(piece.length);
      this.slab.set(piece, this.at);
      this.at += piece.length;
    }
  }

  /** What is to be sent, in order. It must not be changed, and stays as it is until `reuse`. */
  take(): Uint8Array[] {
    this.cut();
    const { pieces } = this;
    this.pieces = [];
    this.bytes = 0;
    return pieces;
  }

  /** All that was taken is sent: its memory may be written again. */
  reuse(): void {
    if (this.bytes > 0) return;
    this.from = 0;
    this.at = 0;
  }

  private cut(): void {
    if (this.at > this.from) this.pieces.push(this.slab.subarray(this.from, this.at));
    this.from = this.at;
  }

  private renew(neededBytes: number): void {
    this.cut();
    this.slab = new Uint8Array(Math.max(neededBytes, Math.min(4 * this.slab.length, MAX_SLAB_BYTES)));
    this.from = 0;
    this.at = 0;
  }
}

/** Most bytes that `numbers` numbers and heads take, without the content of text and bytes. */
export function headBytes(numbers: number): number {
  return numbers * MAX_HEAD_BYTES;
}
