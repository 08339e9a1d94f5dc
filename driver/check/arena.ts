const BLOCK_BYTES = 8 << 20;
/** Beyond this the memory is the garbage collector's: a case that loads for ever must not keep all of it. */
const MAX_BLOCKS = 16;

/**
 * Memory for bytes that live as long as one life of a machine: what its calls answer, and what the shadow copy holds. Fresh
 * memory costs ten times the copy that fills it (the host clears and maps each page), and a sweep needs megabytes a run.
 */
export class Arena {
  private readonly blocks: Uint8Array[] = [];
  private block = 0;
  private used = 0;

  /** `sizeBytes` bytes with anything in them, aligned for words. */
  take(sizeBytes: number): Uint8Array {
    if (sizeBytes > BLOCK_BYTES) return new Uint8Array(sizeBytes);
    if (this.used + sizeBytes > BLOCK_BYTES) {
      this.block++;
      this.used = 0;
    }
    if (this.block >= MAX_BLOCKS) return new Uint8Array(sizeBytes);
    if (this.block === this.blocks.length) this.blocks.push(new Uint8Array(BLOCK_BYTES));
    const start = this.used;
    this.used += Math.ceil(sizeBytes / 8) * 8;
    return this.blocks[this.block]!.subarray(start, start + sizeBytes);
  }

  /** Nobody uses any more what was taken. */
  reset(): void {
    this.block = 0;
    this.used = 0;
  }

  /** Answers what undoes all that is taken from now on. */
  mark(): () => void {
    const { block, used } = this;
    return () => {
      this.block = block;
      this.used = used;
    };
  }
}
