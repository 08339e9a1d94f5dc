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

export function putHeader(frame: Uint8Array, payloadBytes: number, at = 0): void {
  frame[at] = payloadBytes >>> 24;
  frame[at + 1] = payloadBytes >>> 16;
  frame[at + 2] = payloadBytes >>> 8;
  frame[at + 3] = payloadBytes;
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return bytes[at] * 0x1000000 + ((bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]);
}

/** Called with each payload; false ends the reading for now. */
export type TakePayload = (payload: Uint8Array) => boolean;

/** Where payloads that do not come in one chunk are put together. */
export interface PayloadMemory {
  /** At least `neededBytes`, better `lengthBytes`, which is what the payload will need when its header tells the truth. */
  room(neededBytes: number, lengthBytes: number): Uint8Array;
  /** `room` has given longer memory in place of this. */
  outgrown(memory: Uint8Array): void;
}

const FIRST_BYTES = 65536;

/** What a payload that was begun may take: twice what has come, so that it is in proportion to that and costs two copies at most. */
export function roomInProportion(neededBytes: number, lengthBytes: number): number {
  return Math.min(lengthBytes, Math.max(FIRST_BYTES, 2 * neededBytes));
}

const IN_PROPORTION: PayloadMemory = {
  room: (neededBytes, lengthBytes) => new Uint8Array(roomInProportion(neededBytes, lengthBytes)),
  outgrown() {},
};

const NONE = new Uint8Array(0);

/**
 * Cuts a stream of bytes into payloads. With the memory that it has unless told otherwise, it holds in proportion to what it was sent,
 * not to the length that a header claims. A payload inside one chunk is a view of that chunk.
 */
export class FrameReader {
  private readonly header = new Uint8Array(HEADER_BYTES);
  /** Bytes of the present frame that have come, its header among them. */
  private held = 0;
  /** Length of the present payload, once its header is whole. */
  private lengthBytes = 0;
  /** Where the present payload is put together; its first `held - HEADER_BYTES` bytes are filled. */
  private body: Uint8Array = NONE;

  constructor(
    private readonly limitBytes: number,
    private readonly memory: PayloadMemory = IN_PROPORTION,
  ) {}

  /**
   * Calls `onPayload` for each payload that the first `count` bytes of `chunk` complete, until it answers false. How many bytes were
   * used: the others may be pushed later. Throws FrameTooLongError.
   */
  push(chunk: Uint8Array, onPayload: TakePayload, count = chunk.length): number {
    let at = 0;
    while (at < count) {
      const whole = this.held === 0 ? this.wholeFrame(chunk, at, count) : 0;
      if (whole > 0) {
        at += whole;
        if (!onPayload(chunk.subarray(at - whole + HEADER_BYTES, at))) return at;
        continue;
      }
      at += this.held < HEADER_BYTES ? this.takeHeader(chunk[at]) : this.takeBody(chunk, at, count);
      if (this.isComplete && !onPayload(this.completed())) return at;
    }
    return count;
  }

  /** Where whoever reads the stream may put its next bytes, because they are of a payload that was begun; undefined when none was. */
  get bodyRoom(): Uint8Array | undefined {
    const filled = this.held - HEADER_BYTES;
    if (filled <= 0) return undefined;
    if (this.body.length === filled) this.grow(filled, 1);
    return this.body.subarray(filled, this.lengthBytes);
  }

  /** `count` bytes were put at `bodyRoom`. */
  filled(count: number, onPayload: TakePayload): void {
    this.held += count;
    if (this.isComplete) onPayload(this.completed());
  }

  /** Bytes of a frame that has not come whole yet. */
  get heldBytes(): number {
    return this.held;
  }

  /** Memory that a frame which has not come whole takes. */
  get roomBytes(): number {
    return this.body.length;
  }

  /** Length with the header of the frame at `at` when all of it is in the chunk, else 0. */
  private wholeFrame(chunk: Uint8Array, at: number, end: number): number {
    if (end - at < HEADER_BYTES) return 0;
    const sizeBytes = HEADER_BYTES + this.checked(lengthAt(chunk, at));
    return sizeBytes <= end - at ? sizeBytes : 0;
  }

  private checked(lengthBytes: number): number {
    if (lengthBytes > this.limitBytes) throw new FrameTooLongError(lengthBytes, this.limitBytes);
    return lengthBytes;
  }

  private takeHeader(byte: number): 1 {
    this.header[this.held++] = byte;
    if (this.held === HEADER_BYTES) this.lengthBytes = this.checked(lengthAt(this.header, 0));
    return 1;
  }

  /** Takes what of the chunk belongs to the present payload; answers how much that was. */
  private takeBody(chunk: Uint8Array, at: number, end: number): number {
    const filled = this.held - HEADER_BYTES;
    const count = Math.min(end - at, this.lengthBytes - filled);
    if (this.body.length < filled + count) this.grow(filled, count);
    this.body.set(chunk.subarray(at, at + count), filled);
    this.held += count;
    return count;
  }

  private grow(filled: number, count: number): void {
    const { body } = this;
    this.body = this.memory.room(filled + count, this.lengthBytes);
    this.body.set(body.subarray(0, filled));
    if (body !== NONE) this.memory.outgrown(body);
  }

  private get isComplete(): boolean {
    return this.held >= HEADER_BYTES && this.held === HEADER_BYTES + this.lengthBytes;
  }

  private completed(): Uint8Array {
    const payload = this.body.subarray(0, this.lengthBytes);
    this.body = NONE;
    this.held = 0;
    return payload;
  }
}
