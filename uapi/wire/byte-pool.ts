import { type PayloadMemory, roomInProportion } from './frame.js';

/** What is smaller is cheaper to make than to keep. */
const POOLED_BYTES = 65536;

/**
 * Large byte arrays that are used again and again: touching memory for the first time costs more than the copy that fills it. What is
 * taken and never given back is the garbage collector's.
 */
export class BytePool implements PayloadMemory {
  private readonly free: Uint8Array[] = [];
  private freeBytes = 0;
  private readonly lent = new WeakSet<ArrayBufferLike>();

  /** Keeps at most `maxBytes` that nobody uses. */
  constructor(
    private readonly maxBytes: number,
    private readonly allocate = (sizeBytes: number): Uint8Array => new Uint8Array(sizeBytes),
  ) {}

  /** Exactly `sizeBytes` bytes of any content. */
  take(sizeBytes: number): Uint8Array {
    const found = this.find(sizeBytes) ?? this.make(sizeBytes);
    return found.length === sizeBytes ? found : found.subarray(0, sizeBytes);
  }

  /** Memory that is there already costs nobody anything, so it may be as long as a header says that it has to be. */
  room(neededBytes: number, lengthBytes: number): Uint8Array {
    return this.find(lengthBytes) ?? this.make(roomInProportion(neededBytes, lengthBytes));
  }

  outgrown(memory: Uint8Array): void {
    this.give(memory);
  }

  private make(sizeBytes: number): Uint8Array {
    const made = this.allocate(sizeBytes);
    if (sizeBytes >= POOLED_BYTES) this.lent.add(made.buffer);
    return made;
  }

  /** Not much longer ones either, as some are never given back. */
  private find(sizeBytes: number): Uint8Array | undefined {
    if (sizeBytes < POOLED_BYTES) return undefined;
    const { free } = this;
    let best = -1;
    for (let i = 0; i < free.length; i++) {
      if (free[i].length >= sizeBytes && (best < 0 || free[i].length < free[best].length)) best = i;
    }
    if (best < 0 || free[best].length > 2 * sizeBytes) return undefined;
    const [found] = free.splice(best, 1);
    this.freeBytes -= found.length;
    this.lent.add(found.buffer);
    return found;
  }

  /** Nobody uses the memory behind `bytes` any more. Memory that is not the pool's is left alone. */
  give(bytes: Uint8Array): void {
    if (!this.lent.delete(bytes.buffer)) return;
    const whole = new Uint8Array(bytes.buffer);
    if (whole.length > this.maxBytes) return;
    while (this.freeBytes + whole.length > this.maxBytes) this.freeBytes -= this.free.shift()!.length;
    this.free.push(whole);
    this.freeBytes += whole.length;
  }
}
