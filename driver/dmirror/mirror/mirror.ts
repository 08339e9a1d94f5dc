import { Access, entryId, NOBODY, type Observable, Shared } from '../../core/observer.js';
import type { KernelMemory } from '../../mm/frames/kernel-memory.js';

/** How a mirror entry may be used; the values are the tags of Linux's xarray pointers. */
export const MirrorTag = { read: 0, atomic: 1, write: 3 } as const;
export type MirrorTagId = (typeof MirrorTag)[keyof typeof MirrorTag];

/** Frame 0, read only; an entry of 0 is none. No other one has this tag. */
const FRAME_0 = 2;
const TAG_MASK = 3;
const TAG_RANGE = 4;
const LEAF_PAGES = 512;
const FEW_LEAVES = 64;

/** Pfn of an entry; 0 when there is none. */
export function mirrorPfn(entry: number): number {
  return Math.floor(entry / TAG_RANGE);
}

export function mirrorTag(entry: number): MirrorTagId {
  return (entry & TAG_MASK) as MirrorTagId;
}

/** By tag, that of frame 0 too. */
const ACCESS = ['read', 'atomic', 'read', 'write'] as const;

/** What an entry lets the device do. */
export function mirrorAccess(entry: number): (typeof ACCESS)[number] {
  return ACCESS[entry & TAG_MASK]!;
}

/**
 * The page table of one open device file: which frame the device uses for a page of its opener's memory. An entry holds
 * no reference on the frame, only invalidation keeps it true. Protected by the file's mutex.
 *
 * Leaves of 512 entries, `pfn * 4 + tag` each, 0 for none and 2 for frame 0. Empty ones are kept for reuse until there are many.
 */
export class Mirror {
  private readonly leaves = new Map<number, Uint32Array>();
  /** Number of leaves from which on the empty ones are looked for. */
  private sweepAt = FEW_LEAVES;
  private cachedKey = -1;
  private cachedLeaf: Uint32Array | null = null;

  constructor(
    private readonly kernelMemory: KernelMemory,
    private readonly kernel: Observable = NOBODY,
    private readonly fileId = 0,
  ) {}

  get leafCount(): number {
    return this.leaves.size;
  }

  /** The entry of page `vpn`, 0 for none. */
  get(vpn: number): number {
    this.touch(vpn, Access.read, 1);
    const leaf = this.leaf(vpn);
    return leaf === null ? 0 : leaf[vpn % LEAF_PAGES]!;
  }

  store(vpn: number, pfn: number, tag: MirrorTagId): void {
    this.touch(vpn, Access.write, 1);
    let leaf = this.leaf(vpn);
    if (leaf === null) {
      if (this.leaves.size >= this.sweepAt) this.sweep();
      leaf = new Uint32Array(LEAF_PAGES);
      this.kernelMemory.take('mirror', 1);
      this.cachedKey = Math.floor(vpn / LEAF_PAGES);
      this.cachedLeaf = leaf;
      this.leaves.set(this.cachedKey, leaf);
    }
    leaf[vpn % LEAF_PAGES] = pfn * TAG_RANGE + tag || FRAME_0;
  }

  /** Erases pages `first` to `last`, both included. */
  erase(first: number, last: number): void {
    this.touch(first, Access.add, last + 1 - first);
    const firstKey = Math.floor(first / LEAF_PAGES);
    const lastKey = Math.floor(last / LEAF_PAGES);
    if (firstKey === lastKey) {
      this.leaf(first)?.fill(0, first % LEAF_PAGES, (last % LEAF_PAGES) + 1);
      return;
    }
    if (lastKey - firstKey < this.leaves.size) {
      for (let key = firstKey; key <= lastKey; key++) this.eraseInLeaf(key, first, last);
    } else {
      for (const key of this.leaves.keys()) this.eraseInLeaf(key, first, last);
    }
  }

  /** Whether a page of [first, end) has the tag `atomic`. */
  hasAtomic(first: number, end: number): boolean {
    this.touch(first, Access.read, end - first);
    for (const [key, leaf] of this.leaves) {
      const base = key * LEAF_PAGES;
      const stop = Math.min(LEAF_PAGES, end - base);
      for (let i = Math.max(0, first - base); i < stop; i++) {
        if ((leaf[i]! & TAG_MASK) === MirrorTag.atomic) return true;
      }
    }
    return false;
  }

  /** Calls `visitor` for every entry, in no order that means anything; for checks and reports. */
  visit(visitor: (vpn: number, pfn: number, tag: MirrorTagId) => void): void {
    for (const [key, leaf] of this.leaves) {
      for (let i = 0; i < LEAF_PAGES; i++) {
        const entry = leaf[i]!;
        if (entry !== 0) visitor(key * LEAF_PAGES + i, mirrorPfn(entry), mirrorTag(entry));
      }
    }
  }

  destroy(): void {
    this.touch(0, Access.write, 2 ** 35);
    this.kernelMemory.give('mirror', this.leaves.size);
    this.leaves.clear();
    this.cachedKey = -1;
    this.cachedLeaf = null;
  }

  private touch(vpn: number, how: number, count: number): void {
    this.kernel.observer?.touch(Shared.mirror, entryId(this.fileId, vpn), how, count);
  }

  private sweep(): void {
    for (const [key, leaf] of this.leaves) {
      if (leaf.some((entry) => entry !== 0)) continue;
      this.leaves.delete(key);
      this.kernelMemory.give('mirror', 1);
    }
    this.sweepAt = Math.max(FEW_LEAVES, 2 * this.leaves.size);
  }

  private leaf(vpn: number): Uint32Array | null {
    const key = Math.floor(vpn / LEAF_PAGES);
    if (key === this.cachedKey) return this.cachedLeaf;
    const leaf = this.leaves.get(key);
    if (leaf === undefined) return null;
    this.cachedKey = key;
    this.cachedLeaf = leaf;
    return leaf;
  }

  private eraseInLeaf(key: number, first: number, last: number): void {
    const base = key * LEAF_PAGES;
    this.leaves.get(key)?.fill(0, Math.max(0, first - base), Math.min(LEAF_PAGES, last + 1 - base));
  }
}
