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

/** Room that a frame of which little has come may take at first. */
const FIRST_ROOM_BYTES = 65536;

/**
 * Cuts a stream of bytes into payloads. What it holds is in proportion to what it was sent, not to the length that a header claims.
 * A payload inside one chunk is a view of that chunk, so a chunk must not be changed after it was pushed.
 */
export class FrameReader {
  private partial: Uint8Array = new Uint8Array(0);
  private held = 0;

  constructor(private readonly limitBytes: number) {}

  /** Calls `onPayload` for each payload that `chunk` completes, until it answers false. Throws FrameTooLongError. */
  push(chunk: Uint8Array, onPayload: (payload: Uint8Array) => boolean): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.held === 0) {
        const whole = this.wholeFrame(chunk, at);
        if (whole > 0) {
          const payload = chunk.subarray(at + HEADER_BYTES, at + whole);
          at += whole;
          if (!onPayload(payload)) return;
          continue;
        }
      }
      at += this.take(chunk, at);
      const payload = this.completed();
      if (payload !== undefined && !onPayload(payload)) return;
    }
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

  /** Bytes that the frame which has begun still wants; the header first. */
  private wanted(): number {
    if (this.held < HEADER_BYTES) return HEADER_BYTES - this.held;
    return HEADER_BYTES + this.checked(lengthAt(this.partial, 0)) - this.held;
  }

  private take(chunk: Uint8Array, at: number): number {
    const count = Math.min(this.wanted(), chunk.length - at);
    const needed = this.held + count;
    if (needed > this.partial.length) this.grow(needed);
    this.partial.set(count === chunk.length ? chunk : chunk.subarray(at, at + count), this.held);
    this.held = needed;
    return count;
  }

  private grow(needed: number): void {
    const whole = this.held < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + lengthAt(this.partial, 0);
    const larger = new Uint8Array(Math.max(needed, Math.min(whole, Math.max(FIRST_ROOM_BYTES, needed * 4))));
    larger.set(this.partial.subarray(0, this.held));
    this.partial = larger;
  }

  private completed(): Uint8Array | undefined {
    if (this.held < HEADER_BYTES || this.wanted() > 0) return undefined;
    const payload = this.partial.subarray(HEADER_BYTES, this.held);
    this.partial = new Uint8Array(0);
    this.held = 0;
    return payload;
  }
}
