import { assert } from '../core/assert.js';
import { forEachUsedRun, takeInvariantCounts } from '../mm/invariant-counts.js';
import type { Memory } from '../mm/memory.js';
import type { Machine } from '../sys/machine/machine.js';
import { Arena } from './arena.js';
import { type LargeArray, ObjectGraph } from './object-graph.js';
import type { Watch } from './watch.js';

const PAGE_SIZE = 4096;

interface Part {
  readonly of: LargeArray;
  readonly first: number;
  readonly values: LargeArray;
}

/**
 * A machine at rest as it is now, to go back to as often as wanted; the same objects then hold what they held. `at rest`: no task is
 * in the kernel and no timer is set, so no coroutine and no closure knows more than the objects do. A test compares runs that
 * begin at a snapshot with whole ones.
 */
export class Snapshot {
  private readonly graph: ObjectGraph;
  private readonly parts: Part[] = [];
  private readonly release: (() => void) | undefined;

  /** With `watch`, what watches the machine goes back too. The snapshot keeps pages in memory of `arena`, which is not the machine's. */
  constructor(
    readonly machine: Machine,
    { watch, arena = new Arena() }: { watch?: Watch; arena?: Arena } = {},
  ) {
    assert(machine.kernel.scheduler.isAtRest, 'a snapshot is taken of a machine with a call under way');
    // Room that is made with its first use is made now, or each run from here would make it again.
    takeInvariantCounts(machine.memory);
    this.release = watch?.arena.mark();
    this.graph = watch === undefined ? new ObjectGraph([machine]) : new ObjectGraph([machine, watch], [watch.arena]);
    const whole = new Set(this.graph.large);
    this.keepPages(machine.memory, { whole, arena });
    // Whatever else is large is rare, and kept whole.
    for (const of of whole) this.parts.push({ of, first: 0, values: of.slice() });
  }

  restore(): void {
    // Frames that were first used since are as good as new once nobody refers to them.
    const { memory } = this.machine;
    forEachUsedRun(memory, (first, end) => memory.frames.raw.refcount.fill(0, first, end));
    this.graph.restore();
    for (const { of, first, values } of this.parts) of.set(values, first);
    this.release?.();
  }

  /** Of arrays with an element a frame, and of RAM, what is in use. */
  private keepPages(memory: Memory, { whole, arena }: { whole: Set<LargeArray>; arena: Arena }): void {
    const { frames, bytes, words, invariantCounts } = memory;
    const byFrame = [...whole].filter(({ length }) => length === frames.count || length === frames.systemFrames);
    for (const array of [...byFrame, bytes, words]) whole.delete(array);
    const scratch: unknown[] = invariantCounts === null ? [] : Object.values(invariantCounts);
    forEachUsedRun(memory, (first, end) => {
      for (const of of byFrame)
        if (!scratch.includes(of) && first < of.length) this.parts.push({ of, first, values: of.slice(first, end) });
      this.keepBytes(memory, { first, end: Math.min(end, frames.firstPrivatePfn), arena });
    });
  }

  /** The contents of the frames of [first, end) that have a reference. */
  private keepBytes(
    { frames, bytes }: Memory,
    { first, end, arena }: { first: number; end: number; arena: Arena },
  ): void {
    for (let pfn = first; pfn < end; pfn++) {
      if (frames.refcount(frames.head(pfn)) === 0) continue;
      const start = pfn;
      while (pfn < end && frames.refcount(frames.head(pfn)) !== 0) pfn++;
      const at = start * PAGE_SIZE;
      const values = arena.take(pfn * PAGE_SIZE - at);
      values.set(bytes.subarray(at, pfn * PAGE_SIZE));
      this.parts.push({ of: bytes, first: at, values });
    }
  }
}
