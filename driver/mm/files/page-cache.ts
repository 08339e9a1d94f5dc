import { Access, entryId, type Observable, Shared } from '../../core/observer.js';

const LEAF_PAGES = 512;
/** Behind these no page is told from others to who watches. */
const PAGES_PER_FILE = 2 ** 35;

/**
 * Which page of a file is where, by page index: a pfn (of a large folio that of the very page, but of hugetlb its head alone), 0 for a
 * hole, -1 - slot for a page in swap. A file may be huge and nearly empty, so the slots stand in leaves of 512 that are made when one
 * is first filled. Linux: address_space.i_pages
 */
export class PageCache {
  private readonly leaves = new Map<number, Int32Array>();
  /** Slots that are not holes. */
  count = 0;
  private lastKey = -1;
  private lastLeaf: Int32Array | null = null;

  constructor(
    private readonly kernel: Observable,
    private readonly mappingId: number,
  ) {}

  get(index: number): number {
    this.touch(index, Access.read, 1);
    const leaf = this.leaf(Math.floor(index / LEAF_PAGES));
    return leaf === null ? 0 : leaf[index % LEAF_PAGES]!;
  }

  set(index: number, value: number): void {
    this.touch(index, Access.write, 1);
    this.store(index, value);
  }

  /** `count` pages in a row, of frames in a row from `pfn` on; 0: holes. */
  setRun(index: number, pfn: number, count: number): void {
    this.touch(index, Access.write, count);
    for (let i = 0; i < count; i++) this.store(index + i, pfn === 0 ? 0 : pfn + i);
  }

  private store(index: number, value: number): void {
    const key = Math.floor(index / LEAF_PAGES);
    let leaf = this.leaf(key);
    if (leaf === null) {
      leaf = new Int32Array(LEAF_PAGES);
      this.leaves.set(key, leaf);
      this.lastKey = key;
      this.lastLeaf = leaf;
    }
    this.count += Number(value !== 0) - Number(leaf[index % LEAF_PAGES] !== 0);
    leaf[index % LEAF_PAGES] = value;
  }

  /** Indices from `first` on that are not holes, ascending; they may be changed while the list is worked off. */
  filled(first: number): number[] {
    this.touch(first, Access.read, Math.max(0, PAGES_PER_FILE - first));
    const indices: number[] = [];
    for (const key of [...this.leaves.keys()].sort((a, b) => a - b)) {
      const leaf = this.leaves.get(key)!;
      for (let i = 0; i < LEAF_PAGES; i++) {
        if (leaf[i] !== 0 && key * LEAF_PAGES + i >= first) indices.push(key * LEAF_PAGES + i);
      }
    }
    return indices;
  }

  /** Calls `visit` for every slot that is not a hole, in no particular order. */
  forEach(visit: (value: number, index: number) => void): void {
    for (const [key, leaf] of this.leaves) {
      for (let i = 0; i < LEAF_PAGES; i++) if (leaf[i] !== 0) visit(leaf[i]!, key * LEAF_PAGES + i);
    }
  }

  private touch(index: number, how: number, count: number): void {
    this.kernel.observer?.touch(Shared.pageCache, entryId(this.mappingId, index), how, count);
  }

  private leaf(key: number): Int32Array | null {
    if (key === this.lastKey) return this.lastLeaf;
    this.lastKey = key;
    this.lastLeaf = this.leaves.get(key) ?? null;
    return this.lastLeaf;
  }
}
