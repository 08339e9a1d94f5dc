import { assert } from '../../core/assert.js';
import { Access, NOBODY, type Observable, Shared } from '../../core/observer.js';
import { InjectEngine } from '../../inject/inject-engine.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { type Frames, HPAGE_PMD_NR, PG, Zone } from './frames.js';

/** Pfn 0 stands for "no frame" everywhere, but it has bytes, those that firmware left there; pfn 1 is the zero page. */
export const ZERO_PFN = 1;
const RESERVED_FRAMES = 2;
const BLOCK = HPAGE_PMD_NR;

const BlockState = { free: 0, partial: 1, whole: 2 } as const;

/**
 * Hands out system frames, single or as aligned 2 MiB blocks. A block is whole (a huge folio), free, or partial (split
 * into single frames); it becomes free again with its last frame. Frames of a block that were never used come off a
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
    if (this.inject.armed && this.inject.hit(InjectPoint.thpAlloc, -1, HPAGE_PMD_NR) !== 0) return 0;
    this.kernel.observer?.touch(Shared.freeFrames, 0, Access.write, 1);
    const block = this.available >= BLOCK ? this.takeBlock() : -1;
    if (block < 0) return 0;
    this.state[block] = BlockState.whole;
    this.fresh[block] = BLOCK;
    this.freeFrames -= BLOCK;
    this.frames.prepareHuge(block * BLOCK, Zone.system, -1);
    return block * BLOCK;
  }

  /** Takes back one frame whose refcount is 0. */
  free(pfn: number): void {
    this.kernel.observer?.touch(Shared.freeFrames, 0, Access.write, 1);
    const block = Math.floor(pfn / BLOCK);
    this.frames.assertUnreferenced(pfn);
    if (this.state[block] === BlockState.whole) this.becomePartial(block);
    this.nextFree[pfn] = this.listHead[block]!;
    this.listHead[block] = pfn;
    this.freeFrames++;
    if (++this.freeInBlock[block]! === BLOCK) this.becomeFree(block);
    else if (this.freeInBlock[block] === 1) this.partial.push(block);
  }

  /** Takes back a whole 2 MiB folio. */
  freeHuge(head: number): void {
    this.kernel.observer?.touch(Shared.freeFrames, 0, Access.write, 1);
    const block = head / BLOCK;
    assert(this.state[block] === BlockState.whole, 'pfn % is not a whole block', head);
    this.freeFrames += BLOCK;
    this.freeInBlock[block] = BLOCK;
    this.becomeFree(block);
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
    const block = this.takeBlock();
    if (block >= 0) {
      this.state[block] = BlockState.partial;
      this.freeInBlock[block] = BLOCK;
      this.partial.push(block);
    }
    return block;
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
