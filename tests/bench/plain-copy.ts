const PAGE_BYTES = 4096;

/** Page numbers 0 to n-1 in an order that is shuffled and the same each time. */
function shuffled(n: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  let state = 0x9e3779b9;
  for (let i = n - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** The floor under a migration: the same copies, page by page between frames that are not neighbours, and nothing else. */
export class PlainCopy {
  private readonly ram: Buffer;
  private readonly from: Uint32Array;
  private readonly to: Uint32Array;

  /** Memory for `npages` sources and as many targets, all touched. */
  constructor(npages: number) {
    this.ram = Buffer.alloc(2 * npages * PAGE_BYTES, 1);
    const frames = shuffled(2 * npages);
    this.from = frames.subarray(0, npages);
    this.to = frames.subarray(npages);
  }

  /** Copies each page `copies` times, one call a page. */
  run(copies: number): void {
    const { ram, from, to } = this;
    for (let copy = 0; copy < copies; copy++) {
      for (let i = 0; i < from.length; i++) {
        const source = from[i]! * PAGE_BYTES;
        ram.copy(ram, to[i]! * PAGE_BYTES, source, source + PAGE_BYTES);
      }
    }
  }
}
