/** A buffer above this size is not kept when it is given back. */
const KEPT_BYTES = 16 * 1024 * 1024;
const KEPT_BUFFERS = 4;

/**
 * Kernel memory through which the device copies between its pages and user memory, as user memory can't be touched under
 * the file's mutex. Buffers are used again: each user of one overwrites all of it before it reads it.
 */
export class BouncePool {
  private readonly free: Uint8Array[] = [];

  /** Exactly `sizeBytes` bytes of any content. */
  take(sizeBytes: number): Uint8Array {
    for (let i = this.free.length - 1; i >= 0; i--) {
      const buffer = this.free[i]!;
      if (buffer.length >= sizeBytes) {
        this.free.splice(i, 1);
        return buffer.subarray(0, sizeBytes);
      }
    }
    return new Uint8Array(sizeBytes);
  }

  give(buffer: Uint8Array): void {
    const whole = new Uint8Array(buffer.buffer);
    if (whole.length > KEPT_BYTES) return;
    if (this.free.length === KEPT_BUFFERS) this.free.shift();
    this.free.push(whole);
  }
}
