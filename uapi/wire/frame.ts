// A frame is a 32-bit big-endian length and that many bytes of payload.

export const HEADER_BYTES = 4;

/** A frame longer than the reader's limit. */
export class FrameTooLongError extends Error {
  override readonly name = 'FrameTooLongError';

  constructor(
    readonly lengthBytes: number,
    readonly limitBytes: number,
  ) {
    super(`a frame of ${lengthBytes} bytes is over the limit of ${limitBytes}`);
  }
}

export function putHeader(frame: Uint8Array, payloadBytes: number): void {
  frame[0] = payloadBytes >>> 24;
  frame[1] = payloadBytes >>> 16;
  frame[2] = payloadBytes >>> 8;
  frame[3] = payloadBytes;
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return bytes[at] * 0x1000000 + ((bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]);
}

/** Pieces of a frame that are smaller are put together, so that a frame sent byte by byte does not cost an object a byte. */
const SMALL_BYTES = 4096;
const JOINED_BYTES = 65536;
/** Largest memory that is kept for the next payload. */
const MAX_SPARE_BYTES = 8 * 2 ** 20;

/**
 * Cuts a stream of bytes into payloads. What it holds is in proportion to what it was sent, not to the length that a header claims.
 * A payload inside one chunk is a view of that chunk, so a chunk must not be changed after it was pushed.
 */
export class FrameReader {
  private readonly header = new Uint8Array(HEADER_BYTES);
  /** Bytes of the present frame that have come, its header among them. */
  private held = 0;
  private pieces: Uint8Array[] = [];
  /** Where small pieces are put together; it is the last of `pieces` as far as it is filled. */
  private joined = new Uint8Array(0);
  private joinedBytes = 0;
  /** The last large payload's memory, for the next one. */
  private spare = new Uint8Array(0);
  private isSpareFree = true;

  constructor(private readonly limitBytes: number) {}

  /** Calls `onPayload` for each payload that `chunk` completes, until it answers false. Throws FrameTooLongError. */
  push(chunk: Uint8Array, onPayload: (payload: Uint8Array) => boolean): void {
    let at = 0;
    while (at < chunk.length) {
      const whole = this.held === 0 ? this.wholeFrame(chunk, at) : 0;
      if (whole > 0) {
        at += whole;
        if (!onPayload(chunk.subarray(at - whole + HEADER_BYTES, at))) return;
        continue;
      }
      at += this.take(chunk, at);
      const payload = this.completed();
      if (payload !== undefined && !onPayload(payload)) return;
    }
  }

  /** No payload that came out before is used any more: the next large one may take its memory. */
  recycle(): void {
    this.isSpareFree = true;
  }

  /** Bytes of a frame that has not come whole yet. */
  get heldBytes(): number {
    return this.held;
  }

  /** Length with the header of the frame at `at` when all of it is in the chunk, else 0. */
  private wholeFrame(chunk: Uint8Array, at: number): number {
    if (chunk.length - at < HEADER_BYTES) return 0;
    const end = HEADER_BYTES + this.checked(lengthAt(chunk, at));
    return end <= chunk.length - at ? end : 0;
  }

  private checked(lengthBytes: number): number {
    if (lengthBytes > this.limitBytes) throw new FrameTooLongError(lengthBytes, this.limitBytes);
    return lengthBytes;
  }

  /** Takes what belongs to the present frame, the header first; answers how much that was. */
  private take(chunk: Uint8Array, at: number): number {
    if (this.held < HEADER_BYTES) {
      this.header[this.held++] = chunk[at];
      if (this.held === HEADER_BYTES) this.checked(lengthAt(this.header, 0));
      return 1;
    }
    const wanted = HEADER_BYTES + lengthAt(this.header, 0) - this.held;
    const piece = chunk.subarray(at, Math.min(chunk.length, at + wanted));
    this.held += piece.length;
    if (piece.length < SMALL_BYTES) this.join(piece);
    else this.keep(piece);
    return piece.length;
  }

  private keep(piece: Uint8Array): void {
    this.endJoined();
    this.pieces.push(piece);
  }

  private join(piece: Uint8Array): void {
    if (piece.length > this.joined.length - this.joinedBytes) {
      this.endJoined();
      this.joined = new Uint8Array(JOINED_BYTES);
    }
    this.joined.set(piece, this.joinedBytes);
    this.joinedBytes += piece.length;
  }

  private endJoined(): void {
    if (this.joinedBytes > 0) this.pieces.push(this.joined.subarray(0, this.joinedBytes));
    this.joined = this.joined.subarray(this.joinedBytes);
    this.joinedBytes = 0;
  }

  private completed(): Uint8Array | undefined {
    if (this.held < HEADER_BYTES || this.held < HEADER_BYTES + lengthAt(this.header, 0)) return undefined;
    this.endJoined();
    const { pieces } = this;
    this.pieces = [];
    this.held = 0;
    return pieces.length === 1 ? pieces[0] : this.concat(pieces, lengthAt(this.header, 0));
  }

  private concat(pieces: readonly Uint8Array[], sizeBytes: number): Uint8Array {
    const whole = this.room(sizeBytes);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  private room(sizeBytes: number): Uint8Array {
    if (sizeBytes > MAX_SPARE_BYTES) return new Uint8Array(sizeBytes);
    if (!this.isSpareFree || this.spare.length < sizeBytes) this.spare = new Uint8Array(sizeBytes);
    this.isSpareFree = false;
    return this.spare.subarray(0, sizeBytes);
  }
}
