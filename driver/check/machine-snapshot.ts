import { assert } from '../core/assert.js';
import { forEachUsedRun, takeInvariantCounts } from '../mm/invariant-counts.js';
import type { Memory } from '../mm/memory.js';
import { Table } from '../mm/tables/page-table.js';
import type { Machine } from '../sys/machine/machine.js';
import { Arena } from './arena.js';
import { areSame, type LargeArray, ObjectGraph } from './object-graph.js';
import { TouchedScope, UsersOfFrames } from './touched-scope.js';
import { BLOCK_FRAMES, TouchedState } from './touched-state.js';
import type { Watch } from './watch.js';

const PAGE_SIZE = 4096;

interface Part {
  readonly of: LargeArray;
  readonly first: number;
  readonly values: LargeArray;
}

export interface SnapshotOptions {
  /** What watches the machine goes back too. */
  readonly watch?: Watch;
  /** Where pages are kept; not the machine's. */
  readonly arena?: Arena;
  /** Note what is written from now on, and put that back and no more. Whoever observes the machine does so before. */
  readonly tracks?: boolean;
  /** Who else looks on and stays as it is. */
  readonly apart?: readonly object[];
}

/**
 * A machine at rest as it is now, to go back to as often as wanted; the same objects then hold what they held. `at rest`: no task is
 * in the kernel and no timer is set, so no coroutine and no closure knows more than the objects do. A test compares runs that
 * begin at a snapshot with whole ones.
 */
export class Snapshot {
  private readonly graph: ObjectGraph;
  /** Of the arrays with an element a frame, by block of frames. */
  private readonly blocks = new Map<number, Part[]>();
  /** Frames that are in use, with their bytes. */
  private readonly pages = new Map<number, Uint8Array>();
  private readonly others: Part[] = [];
  private readonly tables = new Map<number, Map<number, Table>>();
  private readonly freeTables: Table[] = [];
  private readonly release: (() => void) | undefined;
  private readonly touched: TouchedState | null;
  private readonly users: UsersOfFrames | null = null;

  constructor(
    readonly machine: Machine,
    { watch, arena = new Arena(), tracks = false, apart = [] }: SnapshotOptions = {},
  ) {
    const { kernel, memory } = machine;
    assert(kernel.scheduler.isAtRest, 'a snapshot is taken of a machine with a call under way');
    // Room that is made with its first use is made now, or each run from here would make it again.
    takeInvariantCounts(memory);
    if (tracks) machine.checkInvariants();
    const { observer } = kernel;
    this.touched = tracks ? new TouchedState(observer) : null;
    if (tracks) kernel.observe(this.touched);
    this.release = watch?.arena.mark();
    this.graph = new ObjectGraph(watch === undefined ? [machine] : [machine, watch], {
      // Frames that are not in use keep their bytes, so it is what was written since, too, that counts.
      apart: [watch?.arena ?? null, this.touched, observer, memory.ram.written, memory.frames.hasTails, ...apart],
      isPart: (value) => value instanceof Table,
    });
    for (const table of this.graph.partList() as Table[]) this.keepPlace(table);
    const whole = new Set(this.graph.large);
    this.keepFrames(memory, { whole, arena });
    // Whatever else is large is rare, and kept whole.
    for (const of of whole) this.others.push({ of, first: 0, values: of.slice() });
    if (tracks) this.users = new UsersOfFrames(memory);
  }

  /** `whole` puts everything back, whatever was touched. */
  restore({ whole = this.touched === null } = {}): void {
    const { memory } = this.machine;
    memory.frames.hasTails.fill(0);
    if (whole) {
      // Frames that were first used since are as good as new once nobody refers to them.
      forEachUsedRun(memory, (first, end) => memory.frames.raw.refcount.fill(0, first, end));
      this.graph.restore();
      for (const parts of this.blocks.values()) putBack(parts);
    } else this.restoreTouched(this.touched!, memory);
    // The CPU of a guest stores past every observer.
    if (whole || hasGuest(memory)) this.putBackPages(this.pages.keys());
    putBack(this.others);
    this.touched?.clear();
    this.release?.();
  }

  /**
   * Proves what `machine.checkInvariants` does, of what was touched and what that has to do with: the rest was proved with the snapshot. The
   * machine goes on whatever it finds.
   */
  checkTouched(): void {
    const { machine, users, touched } = this;
    const { memory } = machine;
    // Slots of swap are counted by all who may name them.
    if (users === null || touched === null || memory.swap.capacity > 0) machine.prove();
    else machine.prove(new TouchedScope(memory, users, touched));
  }

  /** Frames whose bytes were changed since, with `tracks`. */
  get changedFrames(): ReadonlySet<number> {
    return this.touched?.pages ?? new Set();
  }

  /** Names of the classes of what is not as it was; for proofs of `restore` itself. */
  changed(): string[] {
    const objects = this.graph.changed().map((object) => object.constructor.name);
    const { bytes } = this.machine.memory;
    const pages = [...this.pages].map(([pfn, values]) => ({ of: bytes, first: pfn * PAGE_SIZE, values }));
    const parts = [...this.blocks.values(), this.others, pages].flat();
    const isChanged = ({ of, first, values }: Part): boolean =>
      !areSame(of.subarray(first, first + values.length), values);
    return [...objects, ...parts.filter(isChanged).map(({ of, first }) => `${of.constructor.name} ${first}`)];
  }

  private restoreTouched({ blocks, pages, tables }: TouchedState, memory: Memory): void {
    const { refcount } = memory.frames.raw;
    for (const block of blocks) {
      const parts = this.blocks.get(block);
      // Of a block that was not in use then nothing counts but that nobody refers to it.
      refcount.fill(0, block * BLOCK_FRAMES, (block + 1) * BLOCK_FRAMES);
      if (parts !== undefined) putBack(parts);
    }
    this.putBackPages(pages);
    this.graph.restoreWhole();
    for (const table of this.freeTables) this.graph.restorePart(table);
    for (const [kind, ids] of tables) {
      for (const id of ids) {
        const table = this.tables.get(kind)?.get(id);
        if (table !== undefined) this.graph.restorePart(table);
      }
    }
  }

  private putBackPages(pfns: Iterable<number>): void {
    const { ram } = this.machine.memory;
    for (const pfn of pfns) {
      const values = this.pages.get(pfn);
      if (values === undefined) continue;
      ram.setWritten(pfn);
      ram.bytes.set(values, pfn * PAGE_SIZE);
    }
  }

  private keepPlace(table: Table): void {
    const place = table.firstEntry;
    if (place === null) {
      this.freeTables.push(table);
      return;
    }
    const ofKind = this.tables.get(place.kind) ?? new Map<number, Table>();
    this.tables.set(place.kind, ofKind.set(place.id, table));
  }

  /** Of arrays with an element a frame, and of RAM, what is in use. */
  private keepFrames(memory: Memory, { whole, arena }: { whole: Set<LargeArray>; arena: Arena }): void {
    const { frames, bytes, words, invariantCounts } = memory;
    const scratch: unknown[] = Object.values(invariantCounts!);
    const byFrame = [...whole].filter(({ length }) => length === frames.count || length === frames.systemFrames);
    for (const array of [...byFrame, bytes, words]) whole.delete(array);
    const kept = byFrame.filter((array) => !scratch.includes(array));
    forEachUsedRun(memory, (first, end) => {
      for (let at = first; at < end; at = (Math.floor(at / BLOCK_FRAMES) + 1) * BLOCK_FRAMES) {
        const block = Math.floor(at / BLOCK_FRAMES);
        const to = Math.min(end, (block + 1) * BLOCK_FRAMES);
        const parts = this.blocks.get(block) ?? [];
        this.blocks.set(block, parts);
        for (const of of kept) if (at < of.length) parts.push({ of, first: at, values: of.slice(at, to) });
      }
      for (let pfn = first; pfn < Math.min(end, frames.firstPrivatePfn); pfn++) {
        if (frames.raw.refcount[frames.raw.head[pfn]!] === 0) continue;
        const values = arena.take(PAGE_SIZE);
        values.set(bytes.subarray(pfn * PAGE_SIZE, (pfn + 1) * PAGE_SIZE));
        this.pages.set(pfn, values);
      }
    });
  }
}

function hasGuest({ mms }: Memory): boolean {
  for (const { tlb } of mms) if (tlb !== null) return true;
  return false;
}

function putBack(parts: Iterable<Part>): void {
  for (const { of, first, values } of parts) of.set(values, first);
}
