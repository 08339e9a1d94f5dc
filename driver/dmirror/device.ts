import { assert } from '../core/assert.js';
import type { Coroutine } from '../core/effect.js';
import { FaultPoint } from '../core/fault-points.js';
import { LockClass } from '../core/lock-class.js';
import { Mutex } from '../core/locks.js';
import { folioLockNew, folioPut } from '../mm/folio.js';
import { Zone, type ZoneId } from '../mm/frames.js';
import type { Memory } from '../mm/memory.js';
import type { DevPagemapOps } from '../mm/pagemap.js';
import { DmirrorChunk } from './chunk.js';
import { MoveLog } from './move-log.js';
import type { PrivateWindows } from './windows.js';

export interface DmirrorDeviceOptions {
  readonly minor: number;
  readonly zone: ZoneId;
  readonly chunkPages: number;
  /** Where chunks go: any free window for private memory, the one window at this pfn for coherent memory. */
  readonly place: PrivateWindows | number;
  readonly migrateToRam: DevPagemapOps['migrateToRam'];
}

/** One device: its chunks of memory and the list of free pages in them. Linux: lib/test_hmm.c:struct dmirror_device */
export class DmirrorDevice implements DevPagemapOps {
  /** Protected by `devmemLock`, except that closing a file reads it without (as Linux does). */
  chunks: DmirrorChunk[] = [];
  readonly devmemLock: Mutex;
  /** Pages handed out and freed since the device exists; with the free list protected by dev_lock. */
  calloc = 0;
  cfree = 0;
  readonly moves = new MoveLog();
  readonly minor: number;
  readonly zone: ZoneId;
  readonly migrateToRam: DevPagemapOps['migrateToRam'];
  /** First page of the free list, 0 when it is empty; freed pages are linked through `zoneDeviceData`. */
  private freeHead = 0;

  constructor(
    readonly memory: Memory,
    private readonly options: DmirrorDeviceOptions,
  ) {
    this.minor = options.minor;
    this.zone = options.zone;
    this.migrateToRam = options.migrateToRam;
    this.devmemLock = new Mutex(memory.kernel, LockClass.devmemLock, `devmem_lock ${options.minor}`);
    this.addChunk();
  }

  get isPrivate(): boolean {
    return this.zone === Zone.private;
  }

  /**
   * A page of the device, locked and with one reference; a private one has a backing page of system memory. 0 when there
   * is no memory of either kind. Linux: lib/test_hmm.c:dmirror_devmem_alloc_page()
   */
  *allocPage(): Coroutine<number> {
    const { memory } = this;
    const { faults } = memory.kernel;
    const isAsked = faults.armed && !faults.isQuiet(FaultPoint.devicePageAlloc);
    if (isAsked && (yield* faults.reach(FaultPoint.devicePageAlloc)) !== 0) return 0;
    let backing = 0;
    if (this.isPrivate) {
      backing = memory.allocator.allocate();
      if (backing === 0) return 0;
    }
    let pfn = this.popFree();
    if (pfn === 0) pfn = yield* this.allocateChunk();
    if (pfn === 0) {
      if (backing !== 0) folioPut(memory, backing);
      return 0;
    }
    const chunk = this.chunkOf(pfn);
    chunk.inUse++;
    memory.frames.prepare(pfn, this.zone, chunk.pagemap.id);
    folioLockNew(memory, pfn);
    memory.frames.zoneDeviceData[pfn] = backing;
    return pfn;
  }

  /** Linux: lib/test_hmm.c:dmirror_devmem_free() */
  pageFree(pfn: number): void {
    const { frames, kernel } = this.memory;
    if (this.isPrivate) folioPut(this.memory, frames.zoneDeviceData[pfn]!);
    const chunk = this.chunkOf(pfn);
    kernel.lockAcquired(LockClass.devLock, 'dev_lock');
    if (!chunk.remove) {
      this.cfree++;
      frames.zoneDeviceData[pfn] = this.freeHead;
      this.freeHead = pfn;
    }
    kernel.lockReleased(LockClass.devLock, 'dev_lock');
    chunk.pageFreed();
  }

  /** Takes every free page of `chunk` off the list and keeps later ones away. Linux: dmirror_remove_free_pages() */
  removeFreePages(chunk: DmirrorChunk): void {
    const { kernel } = this.memory;
    kernel.lockAcquired(LockClass.devLock, 'dev_lock');
    chunk.remove = true;
    // What is in front of the chunk's last free page goes with it: those pages are of chunks that are removed next.
    for (let pfn = this.freeHead; pfn !== 0; ) {
      const isOfChunk = chunk.holds(pfn);
      pfn = this.nextRun(pfn);
      if (isOfChunk) this.freeHead = pfn;
    }
    kernel.lockReleased(LockClass.devLock, 'dev_lock');
  }

  /** The end of RELEASE: every chunk is gone. The caller holds `devmemLock`. */
  forgetChunksLocked(): void {
    this.chunks = [];
    this.freeHead = 0;
  }

  /** Gives a chunk's place in the physical address space back; none of its pages is in use. Linux: memunmap_pages() */
  unmapChunk(chunk: DmirrorChunk): void {
    assert(chunk.inUse === 0, `a chunk with ${chunk.inUse} pages in use is unmapped`);
    this.memory.pagemaps[chunk.pagemap.id] = null;
    if (typeof this.options.place !== 'number') this.options.place.release(chunk.firstPfn);
  }

  /** Number of pages on the free list, counted. */
  countFree(): number {
    let count = 0;
    for (let pfn = this.freeHead; pfn !== 0; ) {
      const run = this.freshChunkOf(pfn);
      count += run === null ? 1 : pfn - run.firstPfn + 1;
      pfn = this.nextRun(pfn);
    }
    return count;
  }

  /** Back to the first moment: every page free and never used. */
  reset(): void {
    for (const chunk of this.chunks) {
      this.memory.frames.refcount.fill(0, chunk.freshEnd, chunk.endPfn);
      // The machine's memory was reset before, and another device may have taken the id since.
      const { pagemaps } = this.memory;
      if (pagemaps[chunk.pagemap.id] === chunk.pagemap) pagemaps[chunk.pagemap.id] = null;
    }
    this.forgetChunksLocked();
    this.calloc = 0;
    this.cfree = 0;
    this.moves.reset();
    this.devmemLock.reset();
    this.addChunk();
  }

  /** Makes a new chunk and takes its first page. 0 when no place is left. Linux: lib/test_hmm.c:dmirror_allocate_chunk() */
  private *allocateChunk(): Coroutine<number> {
    const { faults } = this.memory.kernel;
    yield* this.devmemLock.lock();
    const isRefused = faults.armed && (yield* faults.reach(FaultPoint.deviceChunkAlloc)) !== 0;
    const isAdded = !isRefused && this.addChunk();
    this.devmemLock.unlock();
    return isAdded ? this.popFree() : 0;
  }

  private addChunk(): boolean {
    const { place, chunkPages } = this.options;
    const { pagemaps } = this.memory;
    if (typeof place === 'number' && this.chunks.length > 0) return false;
    const firstPfn = typeof place === 'number' ? place : place.take();
    if (firstPfn === 0) return false;
    let id = pagemaps.indexOf(null);
    if (id < 0) id = pagemaps.length;
    const pagemap = {
      id,
      zone: this.zone,
      firstPfn,
      npages: chunkPages,
      freshEnd: firstPfn + chunkPages,
      owner: this,
      ops: this,
    };
    pagemaps[id] = pagemap;
    const chunk = new DmirrorChunk(pagemap);
    this.chunks.push(chunk);
    chunk.belowFresh = this.freeHead;
    this.freeHead = chunk.endPfn - 1;
    return true;
  }

  private popFree(): number {
    const { kernel, frames } = this.memory;
    kernel.lockAcquired(LockClass.devLock, 'dev_lock');
    const pfn = this.freeHead;
    if (pfn !== 0) {
      const chunk = this.freshChunkOf(pfn);
      this.freeHead = chunk === null ? frames.zoneDeviceData[pfn]! : chunk.popFresh(pfn);
      this.calloc++;
    }
    kernel.lockReleased(LockClass.devLock, 'dev_lock');
    return pfn;
  }

  /** What follows on the free list after `pfn`, or after the whole run of never used pages that it begins. */
  private nextRun(pfn: number): number {
    const chunk = this.freshChunkOf(pfn);
    return chunk === null ? this.memory.frames.zoneDeviceData[pfn]! : chunk.belowFresh;
  }

  private freshChunkOf(pfn: number): DmirrorChunk | null {
    const chunk = this.chunkOf(pfn);
    return chunk.isFresh(pfn) ? chunk : null;
  }

  private chunkOf(pfn: number): DmirrorChunk {
    for (const chunk of this.chunks) if (chunk.holds(pfn)) return chunk;
    assert(false, `pfn ${pfn} is in no chunk of device ${this.minor}`);
  }
}
