// A payload is looked through before it is decoded, so that a decoder never sees a length that lies, a nesting without end, or a type
// that the protocol has no use for.

/** Nesting of a request: message, arguments, one map of options. */
const MAX_DEPTH = 4;
/** Elements of all arrays and maps of one payload together; a `describe` answer is the largest there is. */
const MAX_ELEMENTS = 4096;

/** Bytes behind the type byte that hold a length, and bytes of plain content, by type byte from 0xc0; -1 is refused. */
const LENGTH_BYTES = [0, 0, 0, 0, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4];
const CONTENT_BYTES = [
  0, -1, 0, 0, 0, 0, 0, -1, -1, -1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0,
];

const ARRAY16 = 0xdc;
const MAP16 = 0xde;

/** Why `payload` is not one complete value of the allowed types; undefined when it is. */
export function payloadFault(payload: Uint8Array): string | undefined {
  return new Checker(payload).fault();
}

/** What is left to read: values of one array or map. */
class Checker {
  private at = 0;
  private elements = 0;
  private readonly open: number[] = [1];

  constructor(private readonly bytes: Uint8Array) {}

  fault(): string | undefined {
    const { open } = this;
    while (open.length > 0) {
      const left = open[open.length - 1];
      if (left === 0) {
        open.pop();
        continue;
      }
      open[open.length - 1] = left - 1;
      const fault = this.value();
      if (fault !== undefined) return fault;
    }
    return this.at === this.bytes.length ? undefined : 'bytes behind the message';
  }

  private value(): string | undefined {
    if (this.at >= this.bytes.length) return 'the message ends early';
    const type = this.bytes[this.at++];
    if (type < 0x80 || type >= 0xe0) return undefined;
    if (type < 0x90) return this.enter((type & 0x0f) * 2);
    if (type < 0xa0) return this.enter(type & 0x0f);
    if (type < 0xc0) return this.skip(type & 0x1f);
    const content = CONTENT_BYTES[type - 0xc0];
    if (content < 0) return `type 0x${type.toString(16)} is not used`;
    const lengthBytes = LENGTH_BYTES[type - 0xc0];
    if (lengthBytes === 0) return this.skip(content);
    const length = this.length(lengthBytes);
    if (length < 0) return 'the message ends early';
    if (type < ARRAY16) return this.skip(length);
    return this.enter(type < MAP16 ? length : length * 2);
  }

  private skip(count: number): string | undefined {
    if (count > this.bytes.length - this.at) return 'a length is beyond the end of the message';
    this.at += count;
    return undefined;
  }

  private enter(count: number): string | undefined {
    this.elements += count;
    // An element is at least one byte, so a count above the bytes that are left is a lie.
    if (count > this.bytes.length - this.at) return 'a count is beyond the end of the message';
    if (this.elements > MAX_ELEMENTS) return `more than ${MAX_ELEMENTS} elements`;
    if (this.open.length > MAX_DEPTH) return `nested deeper than ${MAX_DEPTH}`;
    this.open.push(count);
    return undefined;
  }

  private length(size: number): number {
    if (size > this.bytes.length - this.at) return -1;
    let length = 0;
    for (let i = 0; i < size; i++) length = length * 256 + this.bytes[this.at++];
    return length;
  }
}
