import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import type { Mm } from '../vmas/mm.js';
import { rawCopyFromUser, rawCopyToUser } from './access.js';

/** One stretch of memory. Linux: struct iovec */
export interface Vector {
  readonly addr: number;
  readonly len: number;
}

/** Memory that a call fills or takes from, and how far that has come. Linux: struct iov_iter */
export interface IovIter {
  /** Bytes that are left. */
  readonly count: number;
  /** How many of the bytes arrived; fewer than there are where memory ends or can't be written. Linux: part of include/linux/uio.h:copy_to_iter() */
  copyTo(bytes: Uint8Array): Coroutine<number>;
  /** How many bytes of `out` were filled. Linux: part of include/linux/uio.h:copy_from_iter() */
  copyFrom(out: Uint8Array): Coroutine<number>;
}

/** Memory of a process. */
export class UserIter implements IovIter {
  count: number;
  private at = 0;
  private offset = 0;

  constructor(
    readonly mm: Mm,
    private readonly vectors: readonly Vector[],
  ) {
    this.count = vectors.reduce((sum, { len }) => sum + len, 0);
  }

  /** The next address, and how many bytes go on from it; null at the end. */
  get here(): Vector | null {
    while (this.at < this.vectors.length && this.offset === this.vectors[this.at]!.len) {
      this.at++;
      this.offset = 0;
    }
    const vector = this.vectors[this.at];
    return vector === undefined ? null : { addr: vector.addr + this.offset, len: vector.len - this.offset };
  }

  /** By as many bytes as `here` has, or fewer. */
  advance(bytes: number): void {
    assert(bytes <= this.count, 'more bytes are passed than there are');
    this.offset += bytes;
    this.count -= bytes;
  }

  copyTo(bytes: Uint8Array): Coroutine<number> {
    return this.copy(bytes, rawCopyToUser);
  }

  copyFrom(out: Uint8Array): Coroutine<number> {
    return this.copy(out, rawCopyFromUser);
  }

  private *copy(
    bytes: Uint8Array,
    raw: (mm: Mm, addr: number, bytes: Uint8Array) => Coroutine<number>,
  ): Coroutine<number> {
    let done = 0;
    for (let left = 0; left === 0 && done < bytes.length; ) {
      const { here } = this;
      if (here === null) break;
      const part = bytes.subarray(done, done + here.len);
      left = yield* raw(this.mm, here.addr, part);
      this.advance(part.length - left);
      done += part.length - left;
    }
    return done;
  }
}

/** Memory of the kernel's own, which is always there. Linux: ITER_KVEC */
export class KernelIter implements IovIter {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get count(): number {
    return this.bytes.length - this.at;
  }

  *copyTo(bytes: Uint8Array): Coroutine<number> {
    const part = bytes.subarray(0, this.count);
    this.bytes.set(part, this.at);
    this.at += part.length;
    return part.length;
  }

  *copyFrom(out: Uint8Array): Coroutine<number> {
    const part = this.bytes.subarray(this.at, this.at + out.length);
    out.set(part);
    this.at += part.length;
    return part.length;
  }
}
