import type { Arena } from '../../driver/check/arena.js';
import { type LargeArray, ObjectGraph } from '../../driver/check/object-graph.js';
import { forEachUsedRun, takeInvariantCounts } from '../../driver/mm/invariant-counts.js';
import type { Memory } from '../../driver/mm/memory.js';
import type { PooledMachine } from './machine-pool.js';
import type { Watch } from './watch.js';

const PAGE_SIZE = 4096;

interface Part {
  readonly of: LargeArray;
  readonly first: number;
  readonly values: LargeArray;
}

/**
 * Machines at rest as they are now, to go back to as often as wanted; the same objects then hold what they held. `at rest`:
 * no task is in the kernel and no timer is set, so no coroutine and no closure knows more than the objects do. A test
 * compares runs that begin at a snapshot with whole ones.
 */
export class Snapshot {
  private readonly graph: ObjectGraph;
  private readonly parts: Part[] = [];
  private readonly memories: readonly Memory[];
  private readonly releases: (() => void)[];

  /** `watched` are machines with what watches them. The snapshot keeps pages in memory of `arena`, which is not theirs. */
  constructor(
    watched: readonly { readonly pooled: PooledMachine; readonly watch: Watch }[],
    readonly arena: Arena,
  ) {
    // Room that is made with its first use is made now, or each run from here would make it again.
    for (const { pooled } of watched) takeInvariantCounts(pooled.machine.memory);
    const arenas = watched.map(({ pooled }) => pooled.arena);
    this.releases = arenas.map((one) => one.mark());
    this.graph = new ObjectGraph(
      watched.flatMap(({ pooled, watch }) => [pooled.machine, watch]),
      arenas,
    );
    this.memories = watched.map(({ pooled }) => pooled.machine.memory);
    const whole = new Set(this.graph.large);
    for (const memory of this.memories) this.keepPages(memory, whole);
    // Whatever else is large is rare, and kept whole.
    for (const of of whole) this.parts.push({ of, first: 0, values: of.slice() });
  }

  restore(): void {
    // Frames that were first used since are as good as new once nobody refers to them.
    for (const memory of this.memories)
      forEachUsedRun(memory, (first, end) => memory.frames.refcount.fill(0, first, end));
    this.graph.restore();
    for (const { of, first, values } of this.parts) of.set(values, first);
    for (const release of this.releases) release();
  }

  /** Of arrays with an element a frame, and of RAM, what is in use. */
  private keepPages(memory: Memory, whole: Set<LargeArray>): void {
    const { frames, bytes, words, invariantCounts } = memory;
    const byFrame = [...whole].filter(({ length }) => length === frames.count || length === frames.systemFrames);
    for (const array of [...byFrame, bytes, words]) whole.delete(array);
    const scratch: unknown[] = invariantCounts === null ? [] : Object.values(invariantCounts);
    forEachUsedRun(memory, (first, end) => {
      for (const of of byFrame)
        if (!scratch.includes(of) && first < of.length) this.parts.push({ of, first, values: of.slice(first, end) });
      this.keepBytes(memory, first, Math.min(end, frames.firstPrivatePfn));
    });
  }

  /** The contents of the frames of [first, end) that have a reference. */
  private keepBytes({ frames, bytes }: Memory, first: number, end: number): void {
    for (let pfn = first; pfn < end; pfn++) {
      if (frames.refcount[frames.head[pfn]!] === 0) continue;
      const start = pfn;
      while (pfn < end && frames.refcount[frames.head[pfn]!] !== 0) pfn++;
      const at = start * PAGE_SIZE;
      const values = this.arena.take(pfn * PAGE_SIZE - at);
      values.set(bytes.subarray(at, pfn * PAGE_SIZE));
      this.parts.push({ of: bytes, first: at, values });
    }
  }
}
