// Values to frames and back. msgpackr does the work; what it may be given to decode is decided by check-payload.ts.

import { Packr, RESERVE_START_SPACE } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { HEADER_BYTES, putHeader } from './frame.js';

/** Values that a message is made of. */
export type WireValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly WireValue[]
  | { readonly [key: string]: WireValue };

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** Byte arrays from this size on go to the socket as they are, with no copy. */
const LARGE_BYTES = 16384;

/** A small message as one frame. */
export function packFrame(value: WireValue): Uint8Array {
  const frame = packr.pack(value, RESERVE_START_SPACE | HEADER_BYTES);
  putHeader(frame, frame.length - HEADER_BYTES);
  return frame;
}

/**
 * A message as the pieces of one frame, in order. Byte arrays that are large and stand in the message itself or in its arguments are pieces of their own:
 * they must not be changed before they are sent.
 */
export function packPieces(message: readonly WireValue[]): Uint8Array[] {
  if (!hasLarge(message)) return [packFrame(message)];
  const pieces: Uint8Array[] = [new Uint8Array(HEADER_BYTES)];
  packArray(message, pieces);
  let total = -HEADER_BYTES;
  for (const piece of pieces) total += piece.length;
  putHeader(pieces[0], total);
  return pieces;
}

function hasLarge(values: readonly WireValue[]): boolean {
  for (const value of values) {
    if (value instanceof Uint8Array ? value.length >= LARGE_BYTES : Array.isArray(value) && hasLarge(value))
      return true;
  }
  return false;
}

/** Messages and their arguments have fewer than 16 elements, so a header is one byte. */
function packArray(values: readonly WireValue[], pieces: Uint8Array[]): void {
  pieces.push(Uint8Array.of(0x90 | values.length));
  for (const value of values) {
    if (Array.isArray(value)) packArray(value, pieces);
    else if (value instanceof Uint8Array && value.length >= LARGE_BYTES) {
      const header = new Uint8Array(5);
      header[0] = 0xc6;
      putHeader(header.subarray(1), value.length);
      pieces.push(header, value);
    } else pieces.push(packr.pack(value));
  }
}

/** A payload's value. Byte arrays are views of the payload. Throws on what is not msgpack. */
export function unpackPayload(payload: Uint8Array): WireValue {
  return unpackr.unpack(payload) as WireValue;
}
