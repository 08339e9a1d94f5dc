import { Wasm, type WasmMemory } from '../../core/web-assembly.js';
import { PAGE_SIZE } from './frames.js';

/** In front of RAM there is room for what the core of a machine with programs keeps where compiled code finds it (driver/cpu/wasm/core-layout.ts). */
const CORE_BYTES = 2 ** 16;

/** Frames of which one word of `written` tells. */
const FRAMES_PER_WORD = 32;
const ZEROES = new Uint8Array(PAGE_SIZE);

/**
 * The bytes of a machine, as the one memory that compiled code can reach. Pages are not touched before use. What nobody wrote since it
 * was cleared needs no clearing, so whoever writes bytes of a frame, or has a TLB allow it, calls `setWritten` before.
 */
export class Ram {
  readonly memory: WasmMemory;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** A bit for each frame; where it is 0, so are all bytes. */
  readonly written: Int32Array;
  /** Another one with each change of a guarded frame: as long as it is the same, all that were guarded under it have the bytes that they had then. */
  guardEpoch: object = {};
  private readonly guarded: Int32Array;

  constructor(size: number) {
    const pages = (CORE_BYTES + size) / 2 ** 16;
    this.memory = new Wasm.Memory({ initial: pages, maximum: pages });
    this.bytes = new Uint8Array(this.memory.buffer, CORE_BYTES);
    this.words = new Uint32Array(this.memory.buffer, CORE_BYTES);
    this.written = new Int32Array(Math.ceil(size / PAGE_SIZE / FRAMES_PER_WORD));
    this.guarded = new Int32Array(this.written.length);
  }

  setWritten(pfn: number, count = 1): void {
    for (let at = pfn; at < pfn + count; at++) this.written[at >>> 5]! |= 1 << (at & 31);
    this.notice(pfn, count);
  }

  /** The next change of the frame, or of one near it, begins another epoch. */
  guard(pfn: number): void {
    this.guarded[pfn >>> 5]! |= 1 << (pfn & 31);
  }

  private notice(pfn: number, count: number): void {
    const { guarded } = this;
    for (let word = pfn >>> 5; word <= (pfn + count - 1) >>> 5; word++) {
      if (guarded[word] === 0) continue;
      guarded[word] = 0;
      this.guardEpoch = {};
    }
  }

  isWritten(pfn: number): boolean {
    return (this.written[pfn >>> 5]! & (1 << (pfn & 31))) !== 0;
  }

  /** Fills `count` frames with zeroes. */
  clear(pfn: number, count = 1): void {
    const end = pfn + count;
    for (let at = this.nextThat(true, pfn, end); at < end; at = this.nextThat(true, at, end)) {
      const first = at;
      at = this.nextThat(false, at, end);
      this.bytes.fill(0, first * PAGE_SIZE, at * PAGE_SIZE);
      this.notice(first, at - first);
      for (let clean = first; clean < at; clean++) this.written[clean >>> 5]! &= ~(1 << (clean & 31));
    }
  }

  copy(to: number, from: number, count = 1): void {
    const end = from + count;
    for (let at = from; at < end; ) {
      const first = at;
      const isWritten = this.isWritten(at);
      at = this.nextThat(!isWritten, at, end);
      const target = to + first - from;
      if (isWritten) {
        this.setWritten(target, at - first);
        this.bytes.copyWithin(target * PAGE_SIZE, first * PAGE_SIZE, at * PAGE_SIZE);
      } else this.clear(target, at - first);
    }
  }

  /** A frame of [first, end) that is written though nobody said so, or -1: for proofs. */
  firstUnsaid(first: number, end: number): number {
    for (let pfn = this.nextThat(false, first, end); pfn < end; pfn = this.nextThat(false, pfn + 1, end)) {
      const bytes = this.bytes.subarray(pfn * PAGE_SIZE, (pfn + 1) * PAGE_SIZE);
      if (Buffer.compare(bytes, ZEROES) !== 0) return pfn;
    }
    return -1;
  }

  /** The first frame of [pfn, end) that is written, or is not; `end` without. */
  private nextThat(isWritten: boolean, pfn: number, end: number): number {
    const none = isWritten ? 0 : -1;
    let at = pfn;
    while (at < end && this.isWritten(at) !== isWritten)
      at += at % FRAMES_PER_WORD === 0 && this.written[at >>> 5] === none ? FRAMES_PER_WORD : 1;
    return Math.min(at, end);
  }
}

/** Where a frame begins in the memory. */
export function addressOfFrame(pfn: number): number {
  return CORE_BYTES + pfn * PAGE_SIZE;
}
