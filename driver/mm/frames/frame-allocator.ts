import { assert } from '../../core/assert.js';
import { Access, NOBODY, type Observable, Shared } from '../../core/observer.js';
import { InjectEngine } from '../../inject/inject-engine.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { type Frames, HPAGE_PMD_NR, HPAGE_PMD_ORDER, PG, Zone } from './frames.js';

/** Pfn 0 stands for "no frame" everywhere, but it has bytes, those that firmware left there; pfn 1 is the zero page. */
export const ZERO_PFN = 1;
const RESERVED_FRAMES = 2;
const BLOCK = HPAGE_PMD_NR;

const BlockState = { free: 0, partial: 1, whole: 2 } as const;

/** Marks the free frames of the block that is searched for a run. */
const isFreeAt = new Uint8Array(BLOCK);

/**
 * Hands out system frames, single, as aligned runs, or as aligned 2 MiB blocks. A block is whole (a huge folio), free, or partial
 * (single frames and smaller folios); it becomes free again with its last frame. Frames of a block that were never used come off a
 * counter, so nothing is touched before it is needed.
 *
 * Contents are not cleared here: who maps a frame either clears or overwrites it.
 */
export class FrameAllocator {
  private readonly blocks: number;
  private readonly state: Uint8Array;
  private readonly freeInBlock: Uint16Array;
  /** Frames of the block below this offset have been used in this life. */
  private readonly fresh: Uint16Array;
  /** Free frames that were used before, as one linked list a block; 0 ends it. */
  private readonly listHead: Uint32Array;
  private readonly nextFree: Uint32Array;
  /** The least order of which the block had no run when it was last searched; 0 since a frame of it was freed. */
  private readonly noRun: Uint8Array;
  private readonly partial: number[] = [];
  private readonly freeBlocks: number[] = [];
  /** Blocks from this one on were never used in this life. */
  private freshBlock = 0;
  freeFrames = 0;
  /** Frames that were never used go first, so that whoever still reads a freed one finds for long what was there. */
  reusesLate = false;
  /** Free frames that count as taken: what kernel-memory.ts stands for. */
  charged = 0;

  constructor(
    private readonly frames: Frames,
    private readonly inject = new InjectEngine(),
    private readonly kernel: Observable = NOBODY,
  ) {
    assert(frames.systemFrames % BLOCK === 0, 'RAM is a multiple of 2 MiB');
    this.blocks = frames.systemFrames / BLOCK;
    this.state = new Uint8Array(this.blocks);
    this.freeInBlock = new Uint16Array(this.blocks);
    this.fresh = new Uint16Array(this.blocks);
    this.listHead = new Uint32Array(this.blocks);
    this.nextFree = new Uint32Array(frames.systemFrames);
    this.noRun = new Uint8Array(this.blocks);
    this.begin();
  }

  /** Frames from this one on were never used in this life. */
  get freshStart(): number {
    return this.freshBlock * BLOCK;
  }

  /** Frames that can still be allocated; below 0 after allocations that nobody may refuse. */
  get available(): number {
    return this.freeFrames - this.charged;
  }

  /** One frame with refcount 1, or 0 when memory is used up. */
  allocate(): number {
    if (this.inject.armed && this.inject.hit(InjectPoint.pageAlloc) !== 0) return 0;
    return this.freeFrames > this.charged ? this.allocateNofail() : 0;
  }

  /** As `allocate`, for callers that Linux never refuses: no fault is injected. Linux: __GFP_NOFAIL */
  allocateNofail(): number {
    this.kernel.observer?.touch(Shared.freeFrames, 0, Access.write, 1);
    const block = this.partialBlock();
    if (block < 0) return 0;
    let pfn = this.listHead[block]!;
    if (pfn !== 0 && !(this.reusesLate && this.fresh[block]! < BLOCK)) this.listHead[block] = this.nextFree[pfn]!;
    else pfn = block * BLOCK + this.fresh[block]!++;
    this.freeInBlock[block]!--;
    this.freeFrames--;
    this.frames.prepare(pfn, Zone.system, -1);
    return pfn;
  }

  /** The head of an aligned 2 MiB folio with refcount 1, or 0 when there is none. */
  allocateHuge(): number {
    return this.allocateFolio(HPAGE_PMD_ORDER);
  }

  /** The head of an aligned folio of 2^`order` frames, more than one, with refcount 1; 0 when there is none. */
  allocateFolio(order: number): number {
    const nr = 1 << order;
    if (this.inject.armed && this.inject.hit(InjectPoint.thpAlloc, -1, nr) !== 0) return 0;
    this.kernel.observer?.touch(Shared.freeFrames, 0, Access.write, 1);
    if (this.available < nr) return 0;
    const head = order === HPAGE_PMD_ORDER ? this.wholeBlock() : this.takeRun(order);
    if (head === 0) return 0;
    this.freeFrames -= nr;
    this.frames.prepareFolio(head, order, { zone: Zone.system, pagemap: -1 });
    return head;
  }

  /** Takes back one frame whose refcount is 0. */
  free(pfn: number): void {
    this.kernel.observer?.touch(Shared.freeFrames, 0, Access.write, 1);
    const block = Math.floor(pfn / BLOCK);
    this.frames.assertUnreferenced(pfn);
    if (this.state[block] === BlockState.whole) this.becomePartial(block);
    this.nextFree[pfn] = this.listHead[block]!;
    this.listHead[block] = pfn;
    this.freed(block, 1);
  }

  /** Takes back a whole folio of 2^`order` frames. */
  freeFolio(head: number, order: number): void {
    this.kernel.observer?.touch(Shared.freeFrames, 0, Access.write, 1);
    const block = Math.floor(head / BLOCK);
    if (order === HPAGE_PMD_ORDER) {
      assert(this.state[block] === BlockState.whole, 'pfn % is not a whole block', head);
      this.freeInBlock[block] = 0;
    } else {
      this.frames.forgetTails(head);
      this.listRun(block, head, 1 << order);
    }
    this.freed(block, 1 << order);
  }

  /** Forgets every allocation: all frames that were used have refcount 0 afterwards. */
  reset(): void {
    const { refcount } = this.frames.raw;
    refcount.fill(0, 0, this.freshBlock * BLOCK);
    for (let b = 0; b < this.freshBlock; b++) {
      this.state[b] = BlockState.free;
      this.freeInBlock[b] = 0;
      this.fresh[b] = 0;
      this.listHead[b] = 0;
      this.noRun[b] = 0;
    }
    this.partial.length = 0;
    this.freeBlocks.length = 0;
    this.freshBlock = 0;
    this.begin();
  }

  private begin(): void {
    this.freeFrames = this.frames.systemFrames - RESERVED_FRAMES;
    this.freshBlock = 1;
    this.state[0] = BlockState.partial;
    this.fresh[0] = RESERVED_FRAMES;
    this.freeInBlock[0] = BLOCK - RESERVED_FRAMES;
    this.partial.push(0);
    this.frames.prepare(ZERO_PFN, Zone.system, -1);
    this.frames.writeFlags(ZERO_PFN, PG.reserved | PG.uptodate);
  }

  private partialBlock(): number {
    while (this.partial.length > 0) {
      const block = this.partial[this.partial.length - 1]!;
      if (this.state[block] === BlockState.partial && this.freeInBlock[block]! > 0) return block;
      this.partial.pop();
    }
    return this.openBlock();
  }

  /** A free block becomes one of single frames; -1 without. */
  private openBlock(): number {
    const block = this.takeBlock();
    if (block >= 0) {
      this.state[block] = BlockState.partial;
      this.freeInBlock[block] = BLOCK;
      this.partial.push(block);
    }
    return block;
  }

  private wholeBlock(): number {
    const block = this.takeBlock();
    if (block < 0) return 0;
    this.state[block] = BlockState.whole;
    this.fresh[block] = BLOCK;
    return block * BLOCK;
  }

  /** The first frame of a run, from the blocks that are in use already if one of them has it; 0 without. */
  private takeRun(order: number): number {
    for (let i = this.partial.length - 1; i >= 0; i--) {
      const block = this.partial[i]!;
      const first = this.runIn(block, order);
      if (first === 0) continue;
      if (this.freeInBlock[block] === 0) this.partial.splice(i, 1);
      return first;
    }
    const block = this.openBlock();
    return block < 0 ? 0 : this.runIn(block, order);
  }

  private runIn(block: number, order: number): number {
    const nr = 1 << order;
    const isKnown = this.noRun[block]! > 0 && this.noRun[block]! <= order;
    if (this.state[block] !== BlockState.partial || this.freeInBlock[block]! < nr || isKnown) return 0;
    const first = this.listedRun(block, nr) || this.freshRun(block, nr) || this.searchRun(block, nr);
    if (first === 0) this.noRun[block] = order;
    else this.freeInBlock[block]! -= nr;
    return first;
  }

  /** The run that was freed last, if nothing was since. */
  private listedRun(block: number, nr: number): number {
    const first = this.listHead[block]!;
    if (first === 0 || first % nr !== 0 || (this.reusesLate && this.fresh[block]! < BLOCK)) return 0;
    let pfn = first;
    while (pfn < first + nr - 1) if (this.nextFree[pfn] !== ++pfn) return 0;
    this.listHead[block] = this.nextFree[pfn]!;
    return first;
  }

  /** Frames that were never used; those before the border of the run go to single use. */
  private freshRun(block: number, nr: number): number {
    const fresh = this.fresh[block]!;
    const start = Math.ceil(fresh / nr) * nr;
    if (start + nr > BLOCK) return 0;
    this.listRun(block, block * BLOCK + fresh, start - fresh);
    this.fresh[block] = start + nr;
    return block * BLOCK + start;
  }

  private searchRun(block: number, nr: number): number {
    const base = block * BLOCK;
    const fresh = this.fresh[block]!;
    isFreeAt.fill(0, 0, fresh).fill(1, fresh);
    for (let pfn = this.listHead[block]!; pfn !== 0; pfn = this.nextFree[pfn]!) isFreeAt[pfn - base] = 1;
    let start = 0;
    while (start < BLOCK && isFreeAt.subarray(start, start + nr).includes(0)) start += nr;
    if (start === BLOCK) return 0;
    isFreeAt.fill(0, start, start + nr);
    this.fresh[block] = Math.max(fresh, start + nr);
    this.listHead[block] = 0;
    for (let i = fresh - 1; i >= 0; i--) if (isFreeAt[i] === 1) this.listRun(block, base + i, 1);
    return base + start;
  }

  /** `count` frames are free again; the first one goes first. */
  private listRun(block: number, first: number, count: number): void {
    for (let pfn = first + count - 1; pfn >= first; pfn--) {
      this.nextFree[pfn] = this.listHead[block]!;
      this.listHead[block] = pfn;
    }
  }

  private freed(block: number, count: number): void {
    const before = this.freeInBlock[block]!;
    this.freeFrames += count;
    this.freeInBlock[block] = before + count;
    this.noRun[block] = 0;
    if (before + count === BLOCK) this.becomeFree(block);
    else if (before === 0 && this.partial.at(-1) !== block) this.partial.push(block);
  }

  private takeBlock(): number {
    while (this.freeBlocks.length > 0) {
      const block = this.freeBlocks.pop()!;
      if (this.state[block] === BlockState.free) return block;
    }
    if (this.freshBlock === this.blocks) return -1;
    const block = this.freshBlock++;
    this.fresh[block] = 0;
    this.listHead[block] = 0;
    return block;
  }

  private becomeFree(block: number): void {
    this.state[block] = BlockState.free;
    this.fresh[block] = 0;
    this.listHead[block] = 0;
    this.freeBlocks.push(block);
  }

  private becomePartial(block: number): void {
    this.state[block] = BlockState.partial;
    this.freeInBlock[block] = 0;
    this.listHead[block] = 0;
  }
}
