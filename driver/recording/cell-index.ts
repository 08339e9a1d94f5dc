const CHUNK = 256;

/** The cell of each id, where ids come in neighbourhoods: of what lies close together in memory, a look at many costs little. */
export class CellIndex {
  private readonly chunks = new Map<number, Int32Array>();
  private lastAt = -1;
  private last: Int32Array | undefined;

  /** undefined for an id that has none. */
  get(id: number): number | undefined {
    const cell = this.chunk(Math.floor(id / CHUNK))?.[id % CHUNK];
    return cell === undefined || cell === 0 ? undefined : cell - 1;
  }

  set(id: number, cell: number): void {
    const at = Math.floor(id / CHUNK);
    let chunk = this.chunk(at);
    if (chunk === undefined) {
      chunk = new Int32Array(CHUNK);
      this.chunks.set(at, chunk);
      this.last = chunk;
    }
    // 0 stands for none.
    chunk[id % CHUNK] = cell + 1;
  }

  *ids(): Generator<number> {
    for (const [at, cells] of this.chunks) for (let i = 0; i < CHUNK; i++) if (cells[i] !== 0) yield at * CHUNK + i;
  }

  get sizeBytes(): number {
    return this.chunks.size * CHUNK * Int32Array.BYTES_PER_ELEMENT;
  }

  /** Most questions are about the chunk of the last one. */
  private chunk(at: number): Int32Array | undefined {
    if (at !== this.lastAt) {
      this.lastAt = at;
      this.last = this.chunks.get(at);
    }
    return this.last;
  }
}
